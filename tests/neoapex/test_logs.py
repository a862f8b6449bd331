"""Logs are JSON lines that carry what an operator needs, and nothing that a person would mind."""

import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client

from neoapex.logs import redact
from studio import tokens
from studio.management.commands.seed_demo import login_path
from studio.models import User
from tests.journeys.stack import WORKERS, running_studio

Lines = Callable[[], list[dict[str, Any]]]
PROMPT = "a zeppelin full of marmalade"
LYRICS = "Ninety-nine purple umbrellas"


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ('{"a": "Authorization: Key 1234-ab:deadbeef"}', "deadbeef"),
        ('{"a": "{\\"Authorization\\": \\"Key 12:dead\\"}"}', "dead"),
        ('{"a": "{\\"Authorization\\": \\"Bearer abc.def\\"}"}', "abc.def"),
        ('{"a": "token nxa_abcDEF-123_x\\nnext"}', "abcDEF"),
        ('{"a": "<WSGIRequest: GET \'/welcome/?next=/&sesame=AAAA\'>"}', "AAAA"),
        ('{"a": "sesame=AAAA next"}', "AAAA"),
        ('{"a": "https://bucket/x?X-Amz-Signature=abcdef&b=1"}', "abcdef"),
        ('{"a": "Internal Server Error: /accounts/password/reset/key/1-abc-def/"}', "abc-def"),
        ('{"a": "/accounts/confirm-email/MQ:abc/"}', "MQ:abc"),
        ('{"a": "postgresql://studio:hunter2@db/x"}', "hunter2"),
        ('{"a": "redis://:hunter2@127.0.0.1:1/0 \\"quoted\\""}', "hunter2"),
        ('{"a": "DETAIL:  Failing row contains (1, {\\"prompt\\": \\"marmalade\\"}, x).\\n"}', "marmalade"),
    ],
)
def test_a_secret_is_struck_out_and_the_line_stays_json(line: str, secret: str) -> None:
    struck = redact(line)
    assert secret not in struck
    assert "[redacted]" in struck
    assert json.loads(struck).keys() == {"a"}


@pytest.mark.parametrize(
    "text", ["no key fits", "the keys were fetched", "a token was made", "key is missing: FAL_KEY"]
)
def test_plain_words_are_left_alone(text: str) -> None:
    assert redact(text) == text


def test_a_traceback_is_one_line(log_lines: Lines) -> None:
    try:
        raise ValueError("Authorization: Key id:verysecret")
    except ValueError:
        logging.getLogger("neoapex.test").exception("failed", extra={"url": "https://x/?token=verysecret"})
    [line] = log_lines()
    assert {"at", "level", "logger", "message", "exc_info", "request_id"} <= line.keys()
    assert "ValueError" in line["exc_info"]
    assert "verysecret" not in str(line)


@pytest.mark.django_db(transaction=True)
def test_a_request_leaves_neither_words_nor_secrets_in_the_log(ada: User, log_lines: Lines) -> None:
    raw = tokens.create(ada, "x")[1]
    program = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {raw}"})
    link = login_path(ada, "/")
    good = {"prompt": PROMPT, "lyrics": LYRICS}
    for body in (good, good | {"bpm": 1}, {PROMPT: 1, LYRICS: 2}, good | {"tags": [PROMPT]}):
        program.post("/api/quotes", json.dumps(body), content_type="application/json")
        program.post("/api/generations", json.dumps(body), content_type="application/json")
    program.get(f"/api/tags?q={PROMPT}")
    Client().get(link)
    Client().get(link)
    Client().get(f"/nope/?{link.partition('?')[2]}")
    Client().post("/accounts/login/", {"login": ada.email, "password": PROMPT})
    told = json.dumps(log_lines())
    assert "job_queued" in told
    for secret in (raw[4:], link.partition("sesame=")[2], PROMPT, "marmalade", "umbrellas"):
        assert secret not in told


@pytest.mark.slow
def test_a_whole_journey_leaves_neither_words_nor_secrets_in_any_log() -> None:
    with running_studio() as studio:
        link = studio.login_link()
        httpx.get(link, trust_env=False)
        httpx.get(link, trust_env=False)
        with studio.client() as client:
            for mood in ({}, {"fail": "content_policy_violation"}):
                studio.sim.set_mood(**mood)
                started = client.post("/api/generations", json={"prompt": PROMPT, "lyrics": LYRICS}).json()
                studio.wait_for_state(client, started["id"], "READY", "FAILED")
            token = client.headers["Authorization"].partition(" ")[2]
        environment = studio.environment
        urls = [environment[name] for name in ("DATABASE_URL", "REDIS_URL")]
        passwords = [str(urlsplit(url).password) for url in urls]
        keys = [environment["SECRET_KEY"], environment["FAL_KEY"].partition(":")[2]]
        secrets = [token[4:], link.partition("sesame=")[2], "marmalade", "umbrellas", *keys, *passwords]
        for name in ("web", *WORKERS, "beat"):
            log = studio.log(name)
            assert log
            for secret in secrets:
                assert secret
                assert secret not in log, name
        told = "\n".join(studio.log(name) for name in WORKERS)
        lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        assert {"job_succeeded", "job_failed"} <= {line["message"] for line in lines}
        assert_job_events_tell_all(
            [json.loads(line) for line in studio.log("web").splitlines() if "job_" in line] + lines
        )


def assert_job_events_tell_all(lines: list[dict[str, Any]]) -> None:
    jobs = [line for line in lines if line["message"].startswith("job_")]
    assert {"job_queued", "job_started", "job_succeeded", "job_failed"} <= {line["message"] for line in jobs}
    for line in jobs:
        assert line["request_id"], "a thread runs through web, worker and callback"
        assert {"endpoint", "fal_request_id", "timeline", "latency_ms", "retries", "cost"} <= line.keys()
        assert line["cost"] == "0.0750"
        moments = list(line["timeline"].values())
        assert moments == sorted(moments)
    [done] = [line for line in jobs if line["message"] == "job_succeeded"]
    assert (done["charged"], done["billable_units"]) == ("0.0750", "1")
    assert list(done["timeline"]) == ["created", "submit_started", "started", "finished"]
    assert done["latency_ms"] > done["queue_ms"] >= 0
    [failed] = [line for line in jobs if line["message"] == "job_failed"]
    assert (failed["reason"], failed["whose"]) == ("content_policy_violation", "you")
    assert "charged" not in failed
