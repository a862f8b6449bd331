"""The look on the event loop: it refuses what the view would, judges nothing that would wait, and takes no thread."""

import asyncio
import io
import json
import time
from typing import Any
from uuid import uuid4

import pytest
from django.db import InterfaceError, InternalError, OperationalError, connection
from pytest_django import Settings

from neoapex.bridge import Pages
from neoapex.front_door import stored_first, turned_away
from studio.models import Generation
from tests.studio.fixtures import Rings
from tests.webhooks.conftest import Door, forget_all
from tests.webhooks.delivering import ok
from tests.webhooks.signing import Fal, relay_headers
from webhooks import addresses, gate, signatures, tallies
from webhooks.errors import NotVerified
from webhooks.limits import BODY_MAX_BYTES
from webhooks.models import Delivery, Outcome
from webhooks.signatures import Signed

Headers = list[tuple[str, str]]


def scope_of(generation_id: object, headers: Headers, *, method: str = "POST", path: str = "") -> dict[str, Any]:
    return {
        "type": "http", "http_version": "1.1", "method": method, "query_string": b"", "scheme": "http",
        "path": path or f"/webhooks/fal/{generation_id}/", "client": ("127.0.0.1", 7),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }  # fmt: skip


@pytest.fixture
def warm(door: Door, generation: Generation, signer: Fal) -> Fal:
    """The keys are known, as in a process that has judged a callback before."""
    signatures.key_ring().current()
    return signer


def signed(signer: Fal, generation: Generation, body: bytes, **how: Any) -> Headers:
    return list(signer.headers(body, str(generation.request_id), **how).items())


def let_through(generation: Generation) -> gate.Verified:
    return gate.Verified(Signed(str(generation.request_id), "our-account"), generation.pk)


def counted() -> dict[str, int]:
    return dict(tallies._of_this_process()._counts)


def test_a_forgery_is_refused_and_counted(warm: Fal, generation: Generation) -> None:
    body = ok(generation)
    error = gate.refusal(scope_of(generation.pk, signed(Fal(), generation, body)), body)
    assert isinstance(error, NotVerified)
    assert gate.refusal(scope_of(generation.pk, []), body) is not None
    assert counted() == {Outcome.SIGNATURE: 1, Outcome.HEADERS: 1}


def test_what_holds_is_handed_on_as_verified(warm: Fal, generation: Generation) -> None:
    body = ok(generation)
    scope = scope_of(generation.pk, signed(warm, generation, body))
    assert gate.refusal(scope, body) is None
    assert gate.verified({"asgi.scope": scope}) == let_through(generation)
    assert counted() == {}


def test_a_client_can_not_say_that_it_is_verified(door: Door, generation: Generation) -> None:
    body = ok(generation)
    for name in (gate.VERIFIED, "asgi.scope", "Asgi-Scope", "Webhooks-Verified"):
        assert door.post(generation.pk, body, {name: "yes"}).status_code == 403
    assert gate.verified({"asgi.scope": {gate.VERIFIED: "yes"}}) is None
    assert gate.verified({}) is None


def test_what_would_wait_for_fal_is_left_to_a_thread(door: Door, generation: Generation, signer: Fal) -> None:
    body = ok(generation)
    forged = scope_of(generation.pk, signed(Fal(), generation, body))
    ring = signatures.key_ring()
    assert gate.refusal(forged, body) is None, "no keys yet"
    ring.current()
    assert gate.refusal(forged, body) is not None
    ring._tried_at -= 60
    assert gate.refusal(forged, body) is None, "newer keys may be fetched by now"
    ring._tried_at = time.monotonic()
    with ring._lock:
        assert gate.refusal(forged, body) is None, "somebody is fetching them"
    ring._fetched_at -= 24 * 3600
    assert gate.refusal(forged, body) is None, "they are too old"
    assert signer.fetches == 1


def test_a_callback_that_holds_waits_for_nothing_however_long_ago_the_keys_were_fetched(
    warm: Fal, generation: Generation
) -> None:
    """Else only those that come within a minute of a fetch would take the short way."""
    body, ring = ok(generation), signatures.key_ring()
    ring._fetched_at = ring._tried_at = time.monotonic() - 23 * 3600
    with ring._lock:
        let_in(warm, generation, body)
    assert warm.fetches == 1


def test_a_failed_look_for_newer_keys_is_left_to_the_view_too(warm: Fal, generation: Generation) -> None:
    """What it can't judge is answered 503, so that fal delivers again."""
    body = ok(generation)
    signatures.key_ring()._tried_at = time.monotonic() + 0.001
    assert gate.refusal(scope_of(generation.pk, signed(Fal(), generation, body)), body) is None


def test_stale_ones_other_methods_other_addresses_and_large_ones_are_the_views(
    warm: Fal, generation: Generation
) -> None:
    body, large = ok(generation), b"x" * (BODY_MAX_BYTES + 1)
    stale = signed(warm, generation, body, age_seconds=400)
    declared = [("Content-Length", str(BODY_MAX_BYTES + 1))]
    for scope, sent in [
        (scope_of(generation.pk, stale), body),
        (scope_of(generation.pk, [], method="GET"), body),
        (scope_of("not-an-id", []), body),
        (scope_of("", [], path="/generations/"), body),
        (scope_of(generation.pk, []), large),
        (scope_of(generation.pk, declared), b""),
    ]:
        assert gate.refusal(scope, sent) is None
    assert counted() == {}


@pytest.mark.parametrize("name", ["Request-Id", "User-Id", "Timestamp", "Signature"])
def test_a_header_that_comes_twice_fits_no_signature(warm: Fal, generation: Generation, name: str) -> None:
    body = ok(generation)
    headers = signed(warm, generation, body)
    again = [one for one in headers if one[0].endswith(name)]
    assert gate.refusal(scope_of(generation.pk, headers), body) is None
    assert gate.refusal(scope_of(generation.pk, headers + again), body) is not None


def test_a_header_that_only_looks_alike_is_none(warm: Fal, generation: Generation) -> None:
    body = ok(generation)
    with_underscores = [(name.replace("-", "_"), value) for name, value in signed(warm, generation, body)]
    assert gate.refusal(scope_of(generation.pk, with_underscores), body) is not None


def test_relays_and_addresses_are_judged_there_as_well(
    door: Door, generation: Generation, settings: Settings, signer: Fal
) -> None:
    settings.NEOAPEX_WEBHOOK_SCHEME, settings.NEOAPEX_WEBHOOK_SECRET = "hmac", "secret"
    forget_all()
    body = ok(generation)
    scope = scope_of(generation.pk, list(relay_headers("secret", body, str(generation.request_id)).items()))
    assert gate.refusal(scope, body) is None
    assert gate.verified({"asgi.scope": scope}) is not None
    settings.NEOAPEX_WEBHOOK_ADDRESSES = "fal"
    signer.document = json.dumps({"webhook_ip_ranges": ["10.0.0.0/8"]}).encode()
    settings.NEOAPEX_FAL_API_URL = signer.url
    assert gate.refusal(scope, body) is None, "the addresses are not known yet"
    addresses.ranges().current()
    assert gate.refusal(scope, body) is not None
    assert gate.refusal(scope | {"client": ("10.0.0.7", 1)}, body) is None
    addresses.ranges()._tried_at -= 60
    assert gate.refusal(scope, body) is None, "newer addresses may be fetched by now"


# --- Behind the bridge ------------------------------------------------------------------------------------------------


async def ask(pages: Pages, scope: dict[str, Any], body: bytes) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await pages(scope, receive, send)
    return sent


def test_a_forgery_takes_no_thread_and_is_told_in_the_one_shape(warm: Fal, generation: Generation) -> None:
    def never(*_: object) -> Any:
        raise AssertionError("a thread was taken")

    body = ok(generation)
    head, rest = asyncio.run(ask(Pages(never, 1, turned_away), scope_of(generation.pk, []), body))
    assert head["status"] == 403
    told = json.loads(rest["body"])
    assert told["code"] == "not_verified"
    assert told["message"]
    assert (b"x-request-id", told["requestId"].encode()) in head["headers"]


def test_all_else_reaches_a_page(warm: Fal, generation: Generation) -> None:
    seen: list[Any] = []

    def page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(gate.verified(environ))
        start_response("200 OK", [])
        return [b""]

    pages, body = Pages(page, 1, turned_away), ok(generation)
    asyncio.run(ask(pages, scope_of(generation.pk, signed(warm, generation, body)), body))
    asyncio.run(ask(pages, scope_of(uuid4(), [], path="/"), body))
    assert seen == [let_through(generation), None]


# --- Stored before Django ---------------------------------------------------------------------------------------------


class Answer:
    """What a WSGI application said."""

    def __init__(self, wsgi: Any, environ: dict[str, Any]) -> None:
        self.body = b"".join(wsgi(environ, self._start))

    def _start(self, status: str, headers: Headers, _failure: object = None) -> None:
        self.status, self.headers = status, dict(headers)


def never_django(*_: object) -> Any:
    raise AssertionError("Django was asked")


def environ_of(scope: dict[str, Any], body: bytes) -> dict[str, Any]:
    return {"asgi.scope": scope, "wsgi.input": io.BytesIO(body)}


def let_in(signer: Fal, generation: Generation, body: bytes) -> dict[str, Any]:
    """The WSGI environment of a callback that the gate has let through."""
    scope = scope_of(generation.pk, signed(signer, generation, body))
    assert gate.refusal(scope, body) is None
    assert gate.verified({"asgi.scope": scope}) is not None
    return environ_of(scope, body)


@pytest.mark.django_db(transaction=True)
def test_what_is_verified_is_stored_and_rung_for_without_django(
    warm: Fal, generation: Generation, rings: Rings
) -> None:
    rings.clear()
    body = ok(generation)
    answers = [Answer(stored_first(never_django), let_in(warm, generation, body)) for _ in range(2)]
    assert [(answer.status, answer.body, answer.headers["Content-Length"]) for answer in answers] == [
        ("200 OK", b"", "0")
    ] * 2
    delivery = Delivery.objects.get()
    assert (delivery.generation_id, delivery.request_id) == (generation.pk, generation.request_id)
    assert (bytes(delivery.body), delivery.pinned) == (body, True)
    assert counted() == {Outcome.REPEAT: 1}
    assert rings == [("webhooks.process_waiting", {})]


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_too_old_is_not_used_again(warm: Fal, generation: Generation) -> None:
    connection.ensure_connection()
    old, connection.close_at = connection.connection, time.monotonic()
    Answer(stored_first(never_django), let_in(warm, generation, ok(generation)))
    assert Delivery.objects.exists()
    assert old.closed


def test_what_is_not_verified_is_djangos(warm: Fal, generation: Generation) -> None:
    body = ok(generation)
    unseen = environ_of(scope_of(generation.pk, signed(warm, generation, body)), body)
    assert Answer(stored_first(lambda *_: [b"Django's"]), unseen).body == b"Django's"
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, InternalError])
def test_what_can_not_be_stored_is_for_django_to_try_again_with_the_whole_body(
    warm: Fal, generation: Generation, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def away(*_: object) -> None:
        raise error

    monkeypatch.setattr("webhooks.views.deliveries.receive", away)
    body = ok(generation)
    answer = Answer(stored_first(lambda environ, _: [environ["wsgi.input"].read()]), let_in(warm, generation, body))
    assert answer.body == body
