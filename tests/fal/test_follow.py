"""Status, result and cancel of a request, over real HTTP."""

import socket
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from studio.fal.answers import outcome_error
from studio.fal.client import FalClient
from studio.fal.errors import FalError, GenerationFailed, NotFinished, NotFound, Unreachable
from studio.fal.interface import CancelAnswer, Result, Status
from tests.fal.conftest import ENDPOINT, KEY
from tests.fal.server import FROM_FAL, REQUEST_ID, FalServer, free_port, raw_server, read_request

BASE = f"/sonauto/v2/requests/{REQUEST_ID}"
COMPLETED = {"status": "COMPLETED", "request_id": REQUEST_ID, "logs": None}
DETAIL = [{"loc": ["body", "lyrics_prompt"], "msg": "too long", "type": "value_error"}]


def result_error(client: FalClient) -> FalError:
    with pytest.raises(FalError) as caught:
        client.result(ENDPOINT, REQUEST_ID)
    return caught.value


@pytest.mark.parametrize(
    ("code", "body", "expected"),
    [
        (202, {"status": "IN_QUEUE", "queue_position": 4}, Status("IN_QUEUE", 4)),
        (202, {"status": "IN_QUEUE"}, Status("IN_QUEUE")),
        (202, {"status": "IN_PROGRESS", "logs": None}, Status("IN_PROGRESS")),
        (200, {"status": "IN_PROGRESS"}, Status("IN_PROGRESS")),
        (200, {"status": "COMPLETED", "metrics": {}}, Status("COMPLETED")),
        (
            200,
            {"status": "COMPLETED", "error": "Invalid status code: 500", "error_type": "internal_error"},
            Status("COMPLETED", None, [], "Invalid status code: 500", "internal_error"),
        ),
        (
            202,
            {"status": "IN_PROGRESS", "logs": [{"message": "m", "timestamp": "t", "level": "INFO"}, "junk"]},
            Status("IN_PROGRESS", None, [{"message": "m", "timestamp": "t"}]),
        ),
        (202, {"status": "IN_QUEUE", "queue_position": "soon"}, Status("IN_QUEUE")),
    ],
)
def test_a_status_is_read_whatever_keys_are_missing(
    server: FalServer, client: FalClient, code: int, body: dict[str, Any], expected: Status
) -> None:
    server.answers(code, body)
    assert client.status(ENDPOINT, REQUEST_ID) == expected


@pytest.mark.parametrize(("logs", "query"), [(True, "logs=1"), (False, "logs=0")])
def test_a_status_is_asked_at_the_app_without_its_sub_path(
    server: FalServer, client: FalClient, logs: bool, query: str
) -> None:
    server.answers(200, COMPLETED)
    client.status(ENDPOINT, REQUEST_ID, logs=logs)
    assert server.seen[0].path == f"{BASE}/status?{query}"
    assert server.seen[0].headers["authorization"] == f"Key {KEY}"


def test_a_flood_of_log_lines_is_cut(server: FalServer, client: FalClient) -> None:
    server.answers(202, {"status": "IN_PROGRESS", "logs": [{"message": "m" * 2_000, "timestamp": "t"}] * 400})
    logs = client.status(ENDPOINT, REQUEST_ID, logs=True).logs
    assert (len(logs), len(logs[0]["message"])) == (200, 1_000)


@pytest.mark.parametrize(("code", "body"), [(404, {"status": "NOT_FOUND"}), (410, {"detail": "Gone"})])
def test_an_unknown_request_is_not_found(server: FalServer, client: FalClient, code: int, body: Any) -> None:
    server.answers(code, body)
    with pytest.raises(NotFound):
        client.status(ENDPOINT, REQUEST_ID)
    assert isinstance(result_error(client), NotFound)
    assert len(server.seen) == 2


@pytest.mark.parametrize("request_id", ["", "../billing", "a/b", "x?y", "é", "a" * 129])
def test_an_id_that_could_leave_its_path_never_reaches_the_wire(
    server: FalServer, client: FalClient, request_id: str
) -> None:
    for ask in (client.status, client.result, client.cancel):
        with pytest.raises(NotFound):
            ask(ENDPOINT, request_id)
    assert server.seen == []


@pytest.mark.parametrize(
    ("code", "body", "headers"),
    [
        (200, {"status": "FAILED"}, {}),
        (200, {}, {}),
        (200, b"<html>", {}),
        (200, b"[" * 100_000, {}),
        (401, {"detail": "no"}, {}),
        (403, {"detail": "User is locked."}, {}),
        (408, {"detail": "x"}, {}),
        (429, {"detail": "x"}, {"Retry-After": "9"}),
        (500, {"detail": "x"}, FROM_FAL),
        (502, b"nginx", {}),
        (503, b"nginx", {}),
        (301, b"", {"Location": "/x"}),
    ],
)
def test_what_says_nothing_about_the_request_is_unreachable_and_asked_once(
    server: FalServer, client: FalClient, code: int, body: Any, headers: dict[str, str]
) -> None:
    server.answers(code, body, headers)
    with pytest.raises(Unreachable) as caught:
        client.status(ENDPOINT, REQUEST_ID)
    assert caught.value.retry_after_seconds == (9 if code == 429 else None)
    assert len(server.seen) == 1


def test_a_dead_fal_is_unreachable_for_every_question(client_at: Callable[..., FalClient]) -> None:
    client = client_at(f"http://127.0.0.1:{free_port()}")
    for ask in (client.status, client.result, client.cancel):
        with pytest.raises(Unreachable) as caught:
            ask(ENDPOINT, REQUEST_ID)
        assert caught.value.provider_failed


def test_a_silent_fal_is_unreachable_in_bounded_time(client_at: Callable[..., FalClient]) -> None:
    def silent(connection: socket.socket) -> None:
        head = connection.recv(65_536)
        while head:
            head = connection.recv(65_536)

    with raw_server(silent) as (url, connections):
        with pytest.raises(Unreachable):
            client_at(url).result(ENDPOINT, REQUEST_ID)
        assert connections == [1]


def test_a_result_comes_with_the_units_that_fal_bills(server: FalServer, client: FalClient) -> None:
    payload = {"audio": [{"url": "https://v3.fal.media/x.wav"}], "seed": -(2**63)}
    server.answers(200, payload, {"X-Fal-Billable-Units": "1.5"})
    assert client.result(ENDPOINT, REQUEST_ID) == Result(payload, Decimal("1.5"))
    assert server.seen[0].path == BASE


@pytest.mark.parametrize("units", ["", "many", "NaN", "-1", "Infinity"])
def test_units_that_are_no_number_are_not_known(server: FalServer, client: FalClient, units: str) -> None:
    server.answers(200, {"seed": 1}, {"X-Fal-Billable-Units": units})
    assert client.result(ENDPOINT, REQUEST_ID).billable_units is None


@pytest.mark.parametrize("code", [400, 404, 409, 422, 425, 500])
def test_a_result_in_progress_is_not_finished_whatever_the_code(
    server: FalServer, client: FalClient, code: int
) -> None:
    server.answers(code, {"detail": "Request is still in progress"}, FROM_FAL)
    assert isinstance(result_error(client), NotFinished)


def test_a_result_with_202_is_not_finished(server: FalServer, client: FalClient) -> None:
    server.answers(202, {"status": "IN_PROGRESS"})
    assert isinstance(result_error(client), NotFinished)


FAILURES: list[tuple[int, dict[str, str], Any, str, str]] = [
    (422, {}, {"detail": DETAIL}, "input_refused", "you"),
    (422, {}, {"detail": "Not like this"}, "input_refused", "you"),
    (
        422,
        {},
        {"detail": [{"loc": ["body"], "msg": "x", "type": "content_policy_violation"}]},
        "content_policy_violation",
        "you",
    ),
    (422, {}, {"detail": [{"loc": ["body"], "msg": "x", "type": "file_download_error"}]}, "file_download_error", "us"),
    (400, FROM_FAL, {"detail": "odd", "error_type": "bad_request"}, "generation_failed", "fal"),
    (404, {"x-fal-billable-units": "0"}, {"detail": "Path /x not found"}, "generation_failed", "fal"),
    (499, FROM_FAL, {"detail": "Request cancelled by the client."}, "client_cancelled", "you"),
    (500, FROM_FAL, {"detail": "Internal Server Error"}, "generation_failed", "fal"),
    (
        500,
        {},
        {"detail": [{"loc": ["body"], "msg": "x", "type": "downstream_service_error"}]},
        "downstream_service_error",
        "fal",
    ),
    (504, {}, {"detail": [{"loc": ["body"], "msg": "x", "type": "generation_timeout"}]}, "generation_timeout", "fal"),
    (503, FROM_FAL, {"detail": "gone", "error_type": "runner_disconnected"}, "runner_disconnected", "fal"),
    (504, {}, {"detail": "late", "error_type": "request_timeout"}, "request_timeout", "fal"),
]


@pytest.mark.parametrize(("code", "headers", "body", "expected", "whose"), FAILURES)
def test_a_replayed_failure_is_the_models_and_equals_the_callbacks(
    server: FalServer, client: FalClient, code: int, headers: dict[str, str], body: Any, expected: str, whose: str
) -> None:
    server.answers(code, body, headers).answers(200, COMPLETED | {"error": f"Invalid status code: {code}"})
    polled = result_error(client)
    called_back = outcome_error(body, f"Invalid status code: {code}")
    assert isinstance(polled, GenerationFailed)
    assert (polled.code, polled.whose) == (expected, whose)
    for name in ("code", "message", "hint", "whose", "status_code", "error_type", "raw", "problems", "cancelled"):
        assert getattr(polled, name) == getattr(called_back, name), name


@pytest.mark.parametrize(
    ("code", "headers", "body"),
    [
        (500, {}, b"<html>"),
        (500, {}, {"detail": "Internal Server Error"}),
        (502, {}, b"<html>nginx</html>"),
        (503, {}, b""),
        (401, FROM_FAL, {"detail": "no"}),
        (403, FROM_FAL, {"detail": "User is locked."}),
        (429, FROM_FAL, {"detail": "slow down"}),
        (302, FROM_FAL, b""),
    ],
)
def test_a_fal_that_cannot_answer_is_no_failed_generation(
    server: FalServer, client: FalClient, code: int, headers: dict[str, str], body: Any
) -> None:
    server.answers(code, body, headers)
    assert isinstance(result_error(client), Unreachable)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (500, {"detail": "Internal Server Error"}),
        (500, {"detail": "Internal Server Error", "error_type": "internal_error"}),
        (503, {"detail": "No runner", "error_type": "runner_scheduling_failure"}),
    ],
)
def test_a_good_song_is_not_given_up_for_a_fal_that_stumbles_over_its_result(
    server: FalServer, client: FalClient, code: int, body: Any
) -> None:
    server.answers(code, body, FROM_FAL).answers(200, COMPLETED)
    assert isinstance(result_error(client), Unreachable)


def test_a_failure_is_not_taken_for_another_that_fal_stumbles_into_while_it_tells_of_it(
    server: FalServer, client: FalClient
) -> None:
    """What fal bills for it stands in its own answer alone."""
    named = COMPLETED | {"error": "Invalid status code: 422", "error_type": "no_media_generated"}
    server.answers(500, {"detail": "Oops", "error_type": "internal_error"}, FROM_FAL).answers(200, named)
    assert isinstance(result_error(client), Unreachable)


def test_a_models_own_failure_is_believed_where_the_status_names_no_error(server: FalServer, client: FalClient) -> None:
    server.answers(500, {"detail": DETAIL}).answers(200, COMPLETED)
    assert isinstance(result_error(client), GenerationFailed)


def test_a_failure_before_completion_is_not_believed(server: FalServer, client: FalClient) -> None:
    server.answers(500, {"detail": "Internal Server Error"}, FROM_FAL).answers(202, {"status": "IN_PROGRESS"})
    assert isinstance(result_error(client), NotFinished)


def test_a_failure_that_the_status_cannot_confirm_is_asked_again_later(server: FalServer, client: FalClient) -> None:
    server.answers(500, {"detail": "Internal Server Error"}, FROM_FAL).answers(503, b"nginx")
    assert isinstance(result_error(client), Unreachable)


def test_a_bad_gateway_gives_no_song_up_unless_the_status_names_an_error(server: FalServer, client: FalClient) -> None:
    server.answers(502, b"upstream", FROM_FAL).answers(200, COMPLETED)
    assert isinstance(result_error(client), Unreachable)
    server.script.clear()
    server.answers(502, b"upstream", FROM_FAL).answers(200, COMPLETED | {"error": "runner died"})
    assert isinstance(result_error(client), GenerationFailed)


def test_a_cancelled_request_is_known_as_such_by_its_status_too(server: FalServer, client: FalClient) -> None:
    server.answers(500, {"detail": "stopped"}, FROM_FAL)
    server.answers(200, COMPLETED | {"error": "cancelled", "error_type": "client_cancelled"})
    error = result_error(client)
    assert isinstance(error, GenerationFailed)
    assert error.cancelled


def test_a_billed_failure_says_its_units(server: FalServer, client: FalClient) -> None:
    server.answers(422, {"detail": DETAIL}, {"X-Fal-Billable-Units": "1"}).answers(200, COMPLETED)
    error = result_error(client)
    assert isinstance(error, GenerationFailed)
    assert error.billable_units == 1


def test_a_finished_result_that_is_no_object_is_a_failure_and_no_json_is_not(
    server: FalServer, client: FalClient
) -> None:
    server.answers(200, ["no", "object"])
    assert isinstance(result_error(client), GenerationFailed)
    server.script.clear()
    server.answers(200, b"{cut")
    assert isinstance(result_error(client), Unreachable)


@pytest.mark.parametrize(
    ("code", "body", "expected"),
    [
        (200, {"status": "OK"}, CancelAnswer.CANCELLED),
        (202, {"status": "CANCELLATION_REQUESTED"}, CancelAnswer.REQUESTED),
        (200, {"status": "CANCELLATION_REQUESTED"}, CancelAnswer.REQUESTED),
        (200, {"success": True}, CancelAnswer.REQUESTED),
        (202, b"", CancelAnswer.REQUESTED),
        (400, {"status": "ALREADY_COMPLETED"}, CancelAnswer.ALREADY_COMPLETED),
        (404, {"status": "NOT_FOUND"}, CancelAnswer.NOT_FOUND),
    ],
)
def test_a_cancel_is_final_only_where_fal_says_ok(
    server: FalServer, client: FalClient, code: int, body: Any, expected: CancelAnswer
) -> None:
    server.answers(code, body)
    assert client.cancel(ENDPOINT, REQUEST_ID) is expected
    assert (server.seen[0].method, server.seen[0].path) == ("PUT", f"{BASE}/cancel")


@pytest.mark.parametrize(
    ("code", "body"), [(400, {"detail": "bad"}), (401, b""), (429, b""), (500, b""), (503, b"nginx")]
)
def test_a_cancel_without_an_answer_is_unreachable(server: FalServer, client: FalClient, code: int, body: Any) -> None:
    server.answers(code, body)
    with pytest.raises(Unreachable):
        client.cancel(ENDPOINT, REQUEST_ID)
    assert len(server.seen) == 1


def test_an_answer_is_never_followed_to_another_host(server: FalServer, client: FalClient) -> None:
    foreign: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        foreign.append(read_request(connection))

    with raw_server(listen) as (url, connections):
        named = {f"{name}_url": f"{url}/{name}" for name in ("response", "status", "cancel")}
        server.answers(200, {"status": "IN_QUEUE", "request_id": REQUEST_ID} | named)
        server.answers(200, COMPLETED | named)
        server.answers(307, b"", {"Location": f"{url}/x"})
        client.submit(ENDPOINT, {}, webhook_url=None)
        client.status(ENDPOINT, REQUEST_ID)
        assert isinstance(result_error(client), Unreachable)
        assert (connections, foreign) == ([0], [])
