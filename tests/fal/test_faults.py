"""Each fault of a submit, by what must hold: may it be sent again, whose side, what next, what a breaker counts."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from studio.fal.client import FalClient
from studio.fal.errors import (
    AccountLocked,
    Ambiguous,
    EndpointRetired,
    FalError,
    InputRefused,
    KeyRefused,
    NotAccepted,
    Refused,
)
from tests.fal.conftest import ENDPOINT
from tests.fal.server import FROM_FAL, FalServer, free_port, raw_server, read_request

ClientAt = Callable[..., FalClient]
NGINX = b"<html><head><title>503 Service Temporarily Unavailable</title></head><body>nginx</body></html>"
LIST = [{"loc": ["body", "lyrics_prompt"], "msg": "Field required", "type": "missing"}]


@dataclass(frozen=True)
class Fault:
    """An answer of fal's, and what it means. `says` are words of message and hint that a musician gets to read."""

    status: int
    body: Any
    kind: type[FalError]
    whose: str
    says: tuple[str, ...]
    counts: bool = False
    headers: tuple[tuple[str, str], ...] = ()


FROM = tuple(FROM_FAL.items())
FAULTS: dict[str, Fault] = {
    "a wrong key is ours to mend, and the next song would meet it too": Fault(
        401, {"detail": "Cannot access application"}, KeyRefused, "us", ("the studio's key", "admin"), counts=True
    ),
    "an unpaid account is ours to mend, and the next song would meet it too": Fault(
        402, {"detail": "Payment required"}, AccountLocked, "us", ("locked", "top it up"), counts=True
    ),
    "a locked account is ours to mend, and the next song would meet it too": Fault(
        403,
        {"detail": "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."},
        AccountLocked, "us", ("locked", "balance is used up", "top it up"), counts=True,
    ),
    "another prohibition is final for this song alone": Fault(
        403, {"detail": "Forbidden"}, Refused, "us", ("refused", "admin")
    ),
    "an app that is not there is final and fal's": Fault(
        404, {"detail": 'Application "v2" not found'}, EndpointRetired, "fal", ("does not offer this model", "admin")
    ),
    "a retired endpoint is final and fal's": Fault(
        410, {"detail": "Gone"}, EndpointRetired, "fal", ("does not offer this model", "admin")
    ),
    "a request that fal can't read is final and ours": Fault(
        400, {"detail": "Bad request", "error_type": "bad_request"}, Refused, "us", ("refused", "admin")
    ),
    "an input refused field by field is the person's to change, in our names": Fault(
        422, {"detail": LIST}, InputRefused, "you", ("Lyrics: Field required", "Change it and try again")
    ),
    "an input refused in one sentence is the person's to change": Fault(
        422, {"detail": "Not like this"}, InputRefused, "you", ("Not like this", "Change it and try again")
    ),
    "words against fal's content rules are the person's to change": Fault(
        422, {"detail": [{"loc": ["body", "prompt"], "msg": "flagged", "type": "content_policy_violation"}]},
        InputRefused, "you", ("content rules", "Change the prompt"),
    ),
    "a full queue is sent to again": Fault(429, {"detail": "Queue is full"}, NotAccepted, "fal", ("full", "again")),
    "a full queue of fal's own is sent to again": Fault(
        429, {"detail": "Queue is full"}, NotAccepted, "fal", ("full", "again"), headers=FROM
    ),
    "a proxy before fal that is down is sent to again": Fault(
        503, NGINX, NotAccepted, "fal", ("not available", "again"), counts=True
    ),
    "a fal that may have taken it is never sent to again (503)": Fault(
        503, {"detail": "x", "error_type": "runner_disconnected"}, Ambiguous, "fal",
        ("may be running", "not sent twice"), counts=True, headers=FROM,
    ),
    "a fal that may have taken it is never sent to again (500)": Fault(
        500, {"detail": "Internal Server Error"}, Ambiguous, "fal", ("may be running", "not sent twice"), counts=True
    ),
    "a proxy that lost fal's answer is never sent to again (502)": Fault(
        502, NGINX, Ambiguous, "fal", ("may be running", "not sent twice"), counts=True
    ),
    "a proxy that gave up waiting is never sent to again (504)": Fault(
        504, NGINX, Ambiguous, "fal", ("may be running", "not sent twice"), counts=True
    ),
}  # fmt: skip


def error_of(client: FalClient, arguments: dict[str, Any]) -> FalError:
    with pytest.raises(FalError) as caught:
        client.submit(ENDPOINT, arguments, webhook_url=None)
    return caught.value


@pytest.mark.parametrize("must_hold", FAULTS)
def test_of_each_answer(server: FalServer, client: FalClient, arguments: dict[str, Any], must_hold: str) -> None:
    fault = FAULTS[must_hold]
    server.answers(fault.status, fault.body, dict(fault.headers))
    error = error_of(client, arguments)
    assert type(error) is fault.kind
    assert (error.whose, error.provider_failed, error.status_code) == (fault.whose, fault.counts, fault.status)
    text = f"{error.message} {error.hint}"
    assert [words for words in fault.says if words not in text] == []
    assert len(server.seen) == 1, "one POST, whatever comes back"


def families(kind: type[FalError]) -> Iterator[type[FalError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from families(below)


def test_no_message_claims_to_know_the_books() -> None:
    """What was charged is the ledger's to say, in one place on the card."""
    from studio.fal import answers  # noqa: PLC0415

    kinds = list(families(FalError))
    texts = [text for kind in kinds for text in (kind.default_message, kind.default_hint)]
    texts += [text for _, *reason in answers._REASONS.values() for text in reason]
    assert [text for text in texts if "charged" in text] == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("7", 7), ("0", 0), ("1000000000", 900), ("in a while", None)],
    ids=str,
)
def test_a_full_queue_says_when_to_come_back_or_nothing(
    server: FalServer, client: FalClient, arguments: dict[str, Any], header: str | None, seconds: float | None
) -> None:
    server.answers(429, {"detail": "full"}, {"Retry-After": header} if header is not None else {})
    assert error_of(client, arguments).retry_after_seconds == seconds


def test_a_full_queue_may_say_it_by_a_date(server: FalServer, client: FalClient, arguments: dict[str, Any]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    server.answers(429, {"detail": "full"}, {"Retry-After": date})
    assert 500 <= (error_of(client, arguments).retry_after_seconds or 0) <= 600


# --- No answer at all -------------------------------------------------------------------------------------------------


def _silent(connection: socket.socket) -> None:
    read_request(connection)
    while connection.recv(65_536):
        continue


def _dropped(connection: socket.socket) -> None:
    read_request(connection)


@contextmanager
def _nobody() -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def _somebody(treat: Callable[[socket.socket], None]) -> Iterator[str]:
    with raw_server(treat) as (url, connections):
        yield url
        assert connections == [1]


@pytest.mark.parametrize(
    ("where", "kind", "says"),
    [
        pytest.param(_nobody, NotAccepted, "out of reach", id="before a byte was written it may be sent again"),
        pytest.param(lambda: _somebody(_silent), Ambiguous, "may be running", id="a timeout after it never is"),
        pytest.param(
            lambda: _somebody(_dropped), Ambiguous, "may be running", id="a connection dropped after it never is"
        ),
    ],
)
def test_of_no_answer(
    client_at: ClientAt, arguments: dict[str, Any], where: Any, kind: type[FalError], says: str
) -> None:
    with where() as url:
        error = error_of(client_at(url), arguments)
    assert type(error) is kind
    assert (error.whose, error.provider_failed) == ("fal", True)
    assert says in error.message


@pytest.mark.parametrize(("status", "counts"), [(401, True), (403, True), (500, True), (502, True), (429, False)])
def test_a_fal_that_does_not_tell_about_a_request_counts_by_what_it_says(
    server: FalServer, client: FalClient, status: int, counts: bool
) -> None:
    server.answers(status, {"detail": "x"})
    with pytest.raises(FalError) as caught:
        client.status(ENDPOINT, "11111111-1111-4111-8111-111111111111")
    assert caught.value.provider_failed is counts
