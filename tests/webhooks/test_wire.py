"""The door as fal finds it: through the real server, with its framing, its threads and its logs."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.journeys.stack import RunningStudio, running_studio, wait_for
from tests.studio.people import song
from tests.webhooks.signing import Fal, ok_body, running_fal

pytestmark = pytest.mark.slow

FLOOD = 400


@pytest.fixture(scope="module")
def signer() -> Iterator[Fal]:
    with running_fal() as fal:
        yield fal


@pytest.fixture(scope="module")
def studio(signer: Fal) -> Iterator[RunningStudio]:
    keys = {"NEOAPEX_FAL_JWKS_URL": signer.url, "NEOAPEX_FAL_USER_ID": "our-account"}
    with running_studio(keys, with_worker=False) as running:
        yield running


def one(studio: RunningStudio, query: str) -> Any:
    with psycopg.connect(studio.environment["DATABASE_URL"]) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def deliveries(studio: RunningStudio) -> int:
    return int(one(studio, "SELECT count(*) FROM webhooks_delivery"))


def fresh(signer: Fal) -> tuple[bytes, dict[str, str]]:
    request_id = str(uuid4())
    body = ok_body(request_id, song())
    return body, signer.headers(body, request_id)


def post(studio: RunningStudio, content: Any, headers: Any) -> httpx.Response:
    url = f"{studio.url}/webhooks/fal/{uuid4()}/"
    return httpx.post(url, content=content, headers=headers, timeout=30, trust_env=False)


def test_a_signed_callback_is_stored_whole_or_in_chunks(studio: RunningStudio, signer: Fal) -> None:
    before = deliveries(studio)
    body, headers = fresh(signer)
    assert post(studio, body, headers).status_code == 200
    body, headers = fresh(signer)
    assert post(studio, iter([body[:7], body[7:]]), headers).status_code == 200
    assert deliveries(studio) == before + 2


@pytest.mark.parametrize("name", ["Request-Id", "User-Id", "Timestamp", "Signature"])
def test_a_header_that_is_sent_twice_is_refused(studio: RunningStudio, signer: Fal, name: str) -> None:
    before = deliveries(studio)
    body, headers = fresh(signer)
    twice = [*headers.items(), (f"x-fal-webhook-{name.lower()}", headers[f"X-Fal-Webhook-{name}"])]
    assert post(studio, body, twice).status_code == 403
    assert deliveries(studio) == before


def test_look_alikes_of_headers_are_nothing(studio: RunningStudio, signer: Fal) -> None:
    body, headers = fresh(signer)
    assert post(studio, body, {name.replace("-", "_"): value for name, value in headers.items()}).status_code == 403


def test_twenty_megabytes_are_refused_without_being_taken_in(studio: RunningStudio, signer: Fal) -> None:
    _, headers = fresh(signer)
    with socket.create_connection(("127.0.0.1", studio.port), timeout=15) as connection:
        lines = [f"POST /webhooks/fal/{uuid4()}/ HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {20 * 1024**2}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + b"x" * 1000)
        # The answer comes although the body never does.
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_forged_flood_leaves_a_line_and_a_row_and_no_more(studio: RunningStudio, signer: Fal) -> None:
    body, headers = fresh(signer)
    assert post(studio, body, headers).status_code == 200
    before, lines = deliveries(studio), studio.log("web").count("\n")
    tallied = "SELECT coalesce(sum(count), 0) FROM webhooks_tally WHERE outcome = 'SIGNATURE'"
    forged = Fal().headers(body, headers["X-Fal-Webhook-Request-Id"]) | {"X-Request-Id": "odd one!"}
    url = f"{studio.url}/webhooks/fal/{uuid4()}/"
    with httpx.Client(timeout=30, trust_env=False) as client:
        answers = [client.post(url, content=body, headers=forged) for _ in range(FLOOD)]
    assert {answer.status_code for answer in answers} == {403}
    assert {"code", "message", "hint", "requestId"} <= answers[-1].json().keys()
    wait_for(lambda: one(studio, tallied) >= FLOOD, 30, lambda: f"{one(studio, tallied)}")
    assert deliveries(studio) == before
    assert one(studio, "SELECT count(*) FROM webhooks_tally WHERE outcome = 'SIGNATURE'") <= 2, "one for each hour"
    new = studio.log("web").splitlines()[lines:]
    told = [json.loads(line) for line in new if "callbacks refused" in line]
    assert sum(line["outcomes"].get("SIGNATURE", 0) for line in told) >= FLOOD
    assert len(new) < FLOOD / 10
