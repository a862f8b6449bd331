"""The scheme for relays: HMAC with a secret of ours, and that a request can never choose between the schemes."""

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.people import ONE_SONG, money_of, song, unanswered
from tests.webhooks.conftest import Door, forget_all
from tests.webhooks.delivering import ok
from tests.webhooks.signing import ACCOUNT, Fal, ok_body, relay_headers
from webhooks import tasks
from webhooks.errors import NotVerified
from webhooks.models import Delivery, Outcome
from webhooks.signatures import HmacVerifier

SECRET = "a long secret of the relay's"
NOW = 1_760_000_000
BODY = b'{"status": "OK"}'


@pytest.fixture
def verifier() -> HmacVerifier:
    return HmacVerifier(SECRET, ACCOUNT)


def signed(**how: Any) -> dict[str, str]:
    return relay_headers(SECRET, BODY, "request-1", **{"timestamp": str(NOW)} | how)


def refused(verifier: HmacVerifier, headers: dict[str, str], body: bytes = BODY, now: float = NOW) -> NotVerified:
    with pytest.raises(NotVerified) as caught:
        verifier.verify(headers, body, now=now)
    return caught.value


# --- The scheme -------------------------------------------------------------------------------------------------------


def test_the_plain_concatenation_is_what_is_signed(verifier: HmacVerifier) -> None:
    digest = hmac.new(SECRET.encode(), b'request-11760000000{"status": "OK"}', hashlib.sha256).hexdigest()
    assert signed()["X-Fal-Webhook-Signature"] == digest
    done = verifier.verify(signed(), BODY, now=NOW)
    assert (done.request_id, done.user_id) == ("request-1", "")


def test_capitals_are_the_same_number(verifier: HmacVerifier) -> None:
    headers = signed()
    headers["X-Fal-Webhook-Signature"] = headers["X-Fal-Webhook-Signature"].upper()
    assert verifier.verify(headers, BODY, now=NOW)


@pytest.mark.parametrize("age", [-300, 0, 299.5, 300])
def test_a_clock_may_be_five_minutes_off(verifier: HmacVerifier, age: float) -> None:
    assert verifier.verify(signed(), BODY, now=NOW + age)


@pytest.mark.parametrize("age", [-301, 300.5, 86_400])
def test_more_is_stale(verifier: HmacVerifier, age: float) -> None:
    error = refused(verifier, signed(), now=NOW + age)
    assert (error.outcome, error.stale_request_id) == (Outcome.STALE, "request-1")


def change(name: str, to: Callable[[str], str]) -> Callable[[dict[str, str]], dict[str, str]]:
    header = f"X-Fal-Webhook-{name}"
    return lambda headers: headers | {header: to(headers.get(header, ""))}


FORGERIES: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "no headers": lambda _: {},
    "no signature": change("Signature", lambda _: ""),
    "no request id": change("Request-Id", lambda _: ""),
    "no time": change("Timestamp", lambda _: ""),
    "one digit less": change("Signature", lambda text: text[:-1]),
    "not hex": change("Signature", lambda text: "zz" + text[2:]),
    "all zero": change("Signature", lambda _: "0" * 64),
    "one bit off": change("Signature", lambda text: f"{int(text[:2], 16) ^ 1:02x}{text[2:]}"),
    "with its scheme in front": change("Signature", lambda text: "sha256=" + text),
    "twice": change("Signature", lambda text: f"{text},{text}"),
    "full-width digits": change("Signature", lambda _: "\uff11" * 64),
    "another request": change("Request-Id", lambda _: "request-2"),
    "another time": change("Timestamp", lambda _: str(NOW + 1)),
    # The fields have no gap between them, so these sign the very same bytes.
    "a digit moved from the id to the time": lambda headers: (
        headers | {"X-Fal-Webhook-Request-Id": "request-", "X-Fal-Webhook-Timestamp": f"1{NOW}"}
    ),
    "a digit moved from the time to the id": lambda headers: (
        headers | {"X-Fal-Webhook-Request-Id": "request-11", "X-Fal-Webhook-Timestamp": str(NOW)[1:]}
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_is_refused_and_never_called_stale(verifier: HmacVerifier, forgery: Any) -> None:
    assert refused(verifier, forgery(signed())).stale_request_id is None


def test_a_nought_moved_from_the_id_to_the_time_makes_no_other_id(verifier: HmacVerifier) -> None:
    headers = relay_headers(SECRET, BODY, "request-0", timestamp=str(NOW))
    assert verifier.verify(headers, BODY, now=NOW)
    moved = headers | {"X-Fal-Webhook-Request-Id": "request-", "X-Fal-Webhook-Timestamp": f"0{NOW}"}
    assert refused(verifier, moved).outcome == Outcome.HEADERS


def test_the_signature_of_another_body_or_secret_does_not_hold(verifier: HmacVerifier) -> None:
    assert refused(verifier, signed(), body=BODY + b" ").outcome == Outcome.SIGNATURE
    assert refused(HmacVerifier("another", ACCOUNT), signed()).outcome == Outcome.SIGNATURE


def test_a_relay_that_names_another_account_is_refused(verifier: HmacVerifier) -> None:
    assert refused(verifier, signed(account="stranger")).outcome == Outcome.ACCOUNT
    assert verifier.verify(signed(account=ACCOUNT), BODY, now=NOW).user_id == ACCOUNT


# --- Through the door -------------------------------------------------------------------------------------------------


@pytest.fixture
def relayed(door: Door, settings: Settings) -> Callable[..., int]:
    """Delivers as a relay does; gives the status."""
    settings.NEOAPEX_WEBHOOK_SCHEME, settings.NEOAPEX_WEBHOOK_SECRET = "hmac", SECRET
    forget_all()

    def deliver(generation: Generation, body: bytes, request_id: str = "", **how: Any) -> int:
        headers = relay_headers(SECRET, body, request_id or str(generation.request_id), **how)
        status: int = door.post(generation.pk, body, headers).status_code
        return status

    return deliver


def processed(generation: Generation) -> Generation:
    tasks.process_waiting()
    return Generation.objects.get(pk=generation.pk)


def test_a_relays_delivery_with_the_pinned_account_is_believed(
    relayed: Any, ada: User, generation: Generation, fal: MockFalClient
) -> None:
    assert relayed(generation, ok(generation), account=ACCOUNT) == 200
    assert processed(generation).state == State.INGESTING
    assert [call.operation for call in fal.calls if call.operation == "result"] == []
    assert money_of(ada) == (0, ONE_SONG)


def test_a_relays_delivery_without_an_account_is_let_in_as_a_doorbell(
    relayed: Any, ada: User, generation: Generation, fal: MockFalClient
) -> None:
    """The relay vouches that fal sent it, and nobody that fal sent it to us: its body may be another customer's."""
    assert relayed(generation, ok(generation, song("https://a.b/strange.wav"))) == 200
    assert not Delivery.objects.get().pinned
    assert processed(generation).state == State.SUBMITTED
    fal.advance(str(generation.request_id))
    Delivery.objects.update(run_at="2020-01-01T00:00Z")
    assert processed(generation).state == State.INGESTING
    assert "strange" not in generation.tracks.get().source_url
    assert money_of(ada) == (0, ONE_SONG)


def test_where_no_account_is_pinned_a_relays_is_a_doorbell_too(
    relayed: Any, generation: Generation, settings: Settings
) -> None:
    settings.NEOAPEX_FAL_USER_ID = ""
    forget_all()
    assert relayed(generation, ok(generation), account="whoever") == 200
    assert not Delivery.objects.get().pinned


def test_a_request_never_chooses_the_scheme(
    relayed: Any, door: Door, signer: Fal, generation: Generation, settings: Settings
) -> None:
    body = ok(generation)
    by_fal = signer.headers(body, str(generation.request_id))
    by_relay = relay_headers(SECRET, body, str(generation.request_id), account=ACCOUNT)
    assert door.post(generation.pk, body, by_fal).status_code == 403
    settings.NEOAPEX_WEBHOOK_SCHEME = "ed25519"
    forget_all()
    assert door.post(generation.pk, body, by_relay).status_code == 403
    hints = {"X-Fal-Webhook-Scheme": "hmac", "X-Fal-Webhook-Algorithm": "hmac-sha256"}
    assert door.post(generation.pk, body, by_relay | hints).status_code == 403
    assert not Delivery.objects.exists()
    assert door.post(generation.pk, body, by_fal).status_code == 200


def test_keys_out_of_reach_are_no_matter_to_a_relays(relayed: Any, generation: Generation, signer: Fal) -> None:
    signer.status = 500
    assert relayed(generation, ok(generation)) == 200
    assert signer.fetches == 0


def test_a_stale_one_makes_the_sweep_ask_by_the_id_that_is_known_and_by_no_other(
    relayed: Any, ada: User, fal: MockFalClient
) -> None:
    """Part of an old time could pass for the end of an id: so an id is not learnt from a stale delivery."""
    generation = unanswered(ada)
    old = str(int(time.time()) - 400)
    assert relayed(generation, ok_body("early", song()), "early", timestamp=old) == 403
    generation.refresh_from_db()
    assert generation.request_id is None
