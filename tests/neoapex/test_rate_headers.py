"""Programs are told in the fields of the IETF's draft how often they may ask for songs."""

import json
import re

import pytest
from django.test import Client
from limits import parse
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisAway

from studio import limits
from studio.redis_server import connection
from tests.neoapex.shapes import assert_structured

SONG = json.dumps({"prompt": "a calm piano piece at night"})


@pytest.fixture(autouse=True)
def rates(settings: Settings) -> None:
    for key in connection().scan_iter("neoapex:rate*"):
        connection().delete(key)
    settings.NEOAPEX_USER_RATE = parse("3/minute")
    settings.NEOAPEX_ORG_RATE = None


def ask(program: Client, path: str = "/api/generations") -> tuple[int, str]:
    answer = program.post(path, SONG, content_type="application/json")
    return answer.status_code, answer.headers.get("RateLimit", "")


def test_each_song_that_is_asked_for_leaves_room_for_one_less(program: Client) -> None:
    told = [ask(program) for _ in range(4)]
    assert [status for status, _ in told] == [201, 201, 201, 429]
    assert [re.fullmatch(r'"person";r=(\d);t=(\d+)', left).group(1) for _, left in told] == ["2", "1", "0", "0"]  # type: ignore[union-attr]
    assert all(0 < int(left.rpartition("=")[2]) <= 60 for _, left in told)


def test_a_quote_uses_nothing_up_and_says_what_is_left(program: Client) -> None:
    for _ in range(2):
        status, left = ask(program, "/api/quotes")
        assert status == 200
        assert left.startswith('"person";r=3;')


def test_every_answer_to_a_person_names_the_policy(program: Client, settings: Settings) -> None:
    settings.NEOAPEX_ORG_RATE = parse("100/hour")
    for path in ("/api/credits/balance", "/credits/balance", "/api/tags", "/api/generations/nonsense"):
        headers = program.get(path).headers
        assert headers["RateLimit-Policy"] == '"person";q=3;w=60, "organisation";q=100;w=3600'
        assert "RateLimit" not in headers, "reading asks Redis for nothing"
    assert re.fullmatch(r'"person";r=2;t=\d+, "organisation";r=99;t=\d+', ask(program)[1])


def test_without_rates_there_is_nothing_to_tell(program: Client, settings: Settings) -> None:
    settings.NEOAPEX_USER_RATE = None
    answer = program.post("/api/quotes", SONG, content_type="application/json")
    assert not {"RateLimit", "RateLimit-Policy"} & answer.headers.keys()


def test_strangers_and_pages_are_told_nothing(stranger: Client, browser: Client) -> None:
    assert "RateLimit-Policy" not in stranger.get("/api/tags").headers
    assert "RateLimit-Policy" not in browser.get("/budget/").headers
    assert "RateLimit-Policy" in browser.get("/api/tags").headers


def test_a_redis_that_is_away_takes_nothing_but_the_count(program: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def get_window_stats(self, *_: object) -> None:
            raise RedisAway

        test = hit = get_window_stats

    monkeypatch.setattr(limits, "_windows", Away)
    answer = program.post("/api/generations", SONG, content_type="application/json")
    assert answer.status_code == 201
    assert answer.headers["RateLimit-Policy"] == '"person";q=3;w=60'
    assert "RateLimit" not in answer.headers


def test_a_refusal_for_its_rate_says_both_when_and_how_much(program: Client) -> None:
    for _ in range(3):
        ask(program)
    answer = program.post("/api/generations", SONG, content_type="application/json")
    body = assert_structured(answer, 429, "user_rate_reached")
    assert int(answer.headers["RateLimit"].rpartition("=")[2]) - body["retry_after"] in {0, 1}
