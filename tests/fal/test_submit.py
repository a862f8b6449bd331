import json
import socket
import struct
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from studio.fal.client import FalClient
from studio.fal.errors import (
    AccountLocked,
    Ambiguous,
    EndpointRetired,
    FalError,
    FieldProblem,
    InputRefused,
    KeyRefused,
    NotAccepted,
    Refused,
)
from studio.fal.interface import Submission
from studio.fal.transport import FalUrls
from tests.fal.conftest import ENDPOINT, KEY, QUICK
from tests.fal.server import FROM_FAL, REQUEST_ID, FalServer, free_port, raw_server, read_request

ClientAt = Callable[..., FalClient]
ACCEPTED = {"status": "IN_QUEUE", "request_id": REQUEST_ID, "queue_position": 3, "gateway_request_id": "x"}
URLS = {f"{name}_url": f"https://queue.fal.run/x/{name}" for name in ("response", "status", "cancel")}


def submit_error(client: FalClient, arguments: dict[str, Any]) -> FalError:
    with pytest.raises(FalError) as caught:
        client.submit(ENDPOINT, arguments, webhook_url=None)
    return caught.value


def test_an_accepted_request_has_fals_id_and_place(
    server: FalServer, client: FalClient, arguments: dict[str, Any]
) -> None:
    server.answers(200, ACCEPTED | URLS, FROM_FAL)
    assert client.submit(ENDPOINT, arguments, webhook_url=None) == Submission(REQUEST_ID, 3)


def test_the_post_carries_key_agent_body_and_webhook_exactly(
    server: FalServer, client: FalClient, arguments: dict[str, Any]
) -> None:
    webhook = "https://studio.example.com/webhooks/fal/abc/?a=1&b=%2F ü"
    server.answers(200, ACCEPTED | URLS)
    client.submit(ENDPOINT, arguments, webhook_url=webhook)
    [seen] = server.seen
    assert (seen.method, urlsplit(seen.path).path) == ("POST", f"/{ENDPOINT}")
    assert parse_qs(urlsplit(seen.path).query) == {"fal_webhook": [webhook]}
    assert json.loads(seen.body) == arguments
    assert json.loads(seen.body)["seed"] == 2**63 - 1
    assert seen.headers["authorization"] == f"Key {KEY}"
    assert seen.headers["user-agent"].startswith("fal-client/")
    assert seen.headers["host"] == urlsplit(server.url).netloc


@pytest.mark.parametrize("body", [ACCEPTED, ACCEPTED | {"queue_position": None}, {"request_id": REQUEST_ID}])
def test_an_answer_with_an_id_is_accepted_though_the_sdk_misses_its_urls(
    server: FalServer, client: FalClient, arguments: dict[str, Any], body: dict[str, Any]
) -> None:
    server.answers(200, body)
    assert client.submit(ENDPOINT, arguments, webhook_url=None).request_id == REQUEST_ID


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        None,
        b"<html>",
        b"",
        b"[" * 100_000,
        b"\xff\xfe",
        {"request_id": 7},
        {"request_id": "../../v1/x"},
        {"request_id": ""},
        {"request_id": "a" * 200},
    ],
)
def test_a_yes_without_a_usable_id_is_ambiguous(
    server: FalServer, client: FalClient, arguments: dict[str, Any], body: Any
) -> None:
    server.answers(200, body)
    assert isinstance(submit_error(client, arguments), Ambiguous)
    assert len(server.seen) == 1


OUTCOMES: list[tuple[int, dict[str, str], Any, type[FalError]]] = [
    (400, {}, {"detail": "Bad request", "error_type": "bad_request"}, Refused),
    (400, {}, {"detail": [{"loc": ["body", "lyrics_prompt"], "msg": "wrong", "type": "value_error"}]}, InputRefused),
    (401, {}, {"detail": "Cannot access application"}, KeyRefused),
    (402, {}, {"detail": "Payment required"}, AccountLocked),
    (403, {}, {"detail": "User is locked. Reason: Exhausted balance. Top up your balance."}, AccountLocked),
    (403, {}, {"detail": "Forbidden"}, Refused),
    (404, {}, {"detail": 'Application "v2" not found'}, EndpointRetired),
    (410, {}, {"detail": "Gone"}, EndpointRetired),
    (422, {}, {"detail": "Not like this"}, InputRefused),
    (429, {}, {"detail": "Queue is full"}, NotAccepted),
    (429, FROM_FAL, {"detail": "Queue is full"}, NotAccepted),
    (503, {}, b"<html>nginx</html>", NotAccepted),
    (503, FROM_FAL, {"detail": "x", "error_type": "runner_disconnected"}, Ambiguous),
    (500, {}, {"detail": "Internal Server Error"}, Ambiguous),
    (502, {}, b"<html>nginx</html>", Ambiguous),
    (504, {}, b"<html>nginx</html>", Ambiguous),
    (504, {"X-Fal-Request-Timeout-Type": "user"}, {"detail": "x"}, Ambiguous),
    (408, {}, {"detail": "Timeout"}, Ambiguous),
    (409, {}, {"detail": "Conflict"}, Ambiguous),
    (413, {}, {"detail": "Too large"}, Ambiguous),
    (418, {}, b"", Ambiguous),
    (302, {"Location": "/elsewhere"}, b"", Ambiguous),
    (307, {"Location": "/elsewhere"}, b"", Ambiguous),
]


@pytest.mark.parametrize(("status", "headers", "body", "expected"), OUTCOMES)
def test_each_refusal_has_its_meaning_and_costs_one_post(
    server: FalServer,
    client: FalClient,
    arguments: dict[str, Any],
    status: int,
    headers: dict[str, str],
    body: Any,
    expected: type[FalError],
) -> None:
    server.answers(status, body, headers)
    error = submit_error(client, arguments)
    assert type(error) is expected
    assert error.status_code == status
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("status", "headers", "body", "failed"),
    [
        (401, {}, {"detail": "x"}, True),
        (403, {}, {"detail": "User is locked."}, True),
        (402, {}, {"detail": "x"}, True),
        (503, {}, b"", True),
        (500, {}, b"", True),
        (403, {}, {"detail": "Forbidden"}, False),
        (422, {}, {"detail": "x"}, False),
        (429, {}, b"", False),
        (404, {}, b"", False),
        (409, {}, b"", False),
    ],
)
def test_only_failures_of_the_provider_count_for_a_breaker(
    server: FalServer,
    client: FalClient,
    arguments: dict[str, Any],
    status: int,
    headers: dict[str, str],
    body: Any,
    failed: bool,
) -> None:
    server.answers(status, body, headers)
    assert submit_error(client, arguments).provider_failed is failed


def test_a_busy_queue_says_when_to_come_back(server: FalServer, client: FalClient, arguments: dict[str, Any]) -> None:
    server.answers(429, {"detail": "full"}, {"Retry-After": "7"})
    assert submit_error(client, arguments).retry_after_seconds == 7


def test_a_refused_input_names_our_fields(server: FalServer, client: FalClient, arguments: dict[str, Any]) -> None:
    detail = [
        {"loc": ["body", "lyrics_prompt"], "msg": "too long", "type": "value_error", "input": "my secret lyrics"},
        {"loc": ["body", "prompt_strength"], "msg": "too high", "type": "less_than_equal", "input": 9},
    ]
    server.answers(422, {"detail": detail})
    error = submit_error(client, arguments)
    assert isinstance(error, InputRefused)
    assert error.problems == (FieldProblem("lyrics", "too long"), FieldProblem("vibe_strength", "too high"))
    assert "Vibe Strength: too high" in error.message
    assert error.whose == "you"
    assert "secret lyrics" not in error.raw


def test_a_key_that_fal_echoes_reaches_neither_text_nor_fold(
    server: FalServer, client: FalClient, arguments: dict[str, Any]
) -> None:
    secret = KEY.split(":")[1]
    server.answers(401, {"detail": f"The key {KEY} with secret {secret} is unknown"})
    error = submit_error(client, arguments)
    assert "unknown" in error.raw
    assert secret not in f"{error!r}{error}{error.raw}{error.said!r}"


def test_a_refused_connection_was_not_accepted(client_at: ClientAt, arguments: dict[str, Any]) -> None:
    error = submit_error(client_at(f"http://127.0.0.1:{free_port()}"), arguments)
    assert isinstance(error, NotAccepted)
    assert error.provider_failed


def test_an_unknown_name_was_not_accepted(arguments: dict[str, Any]) -> None:
    url = "https://no-such-host.invalid"
    client = FalClient(KEY, FalUrls(url, url, url, url), timeouts=QUICK)
    assert isinstance(submit_error(client, arguments), NotAccepted)


def test_a_failed_handshake_was_not_accepted(arguments: dict[str, Any]) -> None:
    with raw_server(lambda connection: connection.sendall(b"this is no TLS\r\n")) as (url, connections):
        secure = url.replace("http://", "https://")
        client = FalClient(KEY, FalUrls(secure, secure, secure, secure), timeouts=QUICK)
        assert isinstance(submit_error(client, arguments), NotAccepted)
        assert connections == [1]


def test_a_handshake_that_never_ends_was_not_accepted(arguments: dict[str, Any]) -> None:
    with raw_server(_wait_for_its_end) as (url, _):
        secure = url.replace("http://", "https://")
        client = FalClient(KEY, FalUrls(secure, secure, secure, secure), timeouts=QUICK)
        assert isinstance(submit_error(client, arguments), NotAccepted)


def _wait_for_its_end(connection: socket.socket) -> None:
    while connection.recv(65_536):
        continue


def _close_at_once(_: socket.socket) -> None:
    return


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _reset_within_the_request(connection: socket.socket) -> None:
    connection.recv(1)
    _reset(connection)


def _drop_after_reading(connection: socket.socket) -> None:
    read_request(connection)


def _reset_after_reading(connection: socket.socket) -> None:
    read_request(connection)
    _reset(connection)


def _half_an_answer(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"request_id":')


def _no_http(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"SSH-2.0-hello\r\n\r\n")


def _silence(connection: socket.socket) -> None:
    read_request(connection)
    _wait_for_its_end(connection)


# Each of these three would be an accepted request to a client that is less careful.
_YES = json.dumps(ACCEPTED).encode()


def _endless(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + _YES + b" " * (1024 * 1024))


def _drip(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + _YES)
    for _ in range(60):
        connection.sendall(b" ")
        time.sleep(0.02)


def _compressed(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + _YES)


@pytest.mark.parametrize(
    "treat",
    [
        _close_at_once,
        _reset_within_the_request,
        _drop_after_reading,
        _reset_after_reading,
        _half_an_answer,
        _no_http,
        _silence,
        _endless,
        _drip,
        _compressed,
    ],
    ids=lambda treat: treat.__name__,
)
def test_a_connection_lost_once_writing_began_is_ambiguous_and_never_sent_again(
    client_at: ClientAt, arguments: dict[str, Any], treat: Callable[[socket.socket], None]
) -> None:
    with raw_server(treat) as (url, connections):
        error = submit_error(client_at(url), arguments)
        assert isinstance(error, Ambiguous)
        assert connections == [1]


def test_each_request_opens_its_own_connection(client_at: ClientAt, arguments: dict[str, Any]) -> None:
    """On a kept one that fal had closed, a submit would be ambiguous for nothing."""
    body = json.dumps(ACCEPTED).encode()

    def answer(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n%s" % (len(body), body)
        )

    with raw_server(answer) as (url, connections):
        client = client_at(url)
        for _ in range(3):
            client.submit(ENDPOINT, arguments, webhook_url=None)
        assert connections == [3]


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_arguments_that_are_no_json_never_reach_the_wire(server: FalServer, client: FalClient, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        client.submit(ENDPOINT, {"seed": value}, webhook_url=None)
    assert server.seen == []


@pytest.mark.parametrize("endpoint_id", ["", "v2", "../x/y", "a//b", "https://evil.example/x", "a/b?x=1"])
def test_an_endpoint_id_that_is_none_is_refused_before_the_wire(
    server: FalServer, client: FalClient, endpoint_id: str
) -> None:
    with pytest.raises(ValueError, match="endpoint id"):
        client.submit(endpoint_id, {}, webhook_url=None)
    assert server.seen == []
