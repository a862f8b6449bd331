"""Who signed a callback: the vector, every forgery that we could think of, and where the keys come from."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.studio.people import errors_in, race
from tests.webhooks.signing import ACCOUNT, HEADERS, Fal, jwk, keys_document
from webhooks import published, signatures
from webhooks.errors import KeysUnreachable, NotVerified
from webhooks.signatures import Ed25519Verifier, KeyRing, parse_keys

VECTOR_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VECTOR_X = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
VECTOR_ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"
VECTOR_BODY = (
    b'{"request_id":"764cabcf-b745-4b3e-ae38-1200304cf45b","gateway_request_id":"764cabcf-b745-4b3e-ae38-1200304cf45b",'
    b'"status":"OK","payload":{"seed":42,"audio":[]}}'
)
VECTOR_SIGNATURE = (
    "4638e8c42a8042526ddee919a9bdd823fe8755f73a459f399ca5a5c0fd1bf39a"
    "c3057be924fd03dc61b6a7674668b28560c37f07b45f2b47ce0825dec1882001"
)
NOW = 1_760_000_000
BODY = b'{"status": "OK"}'


def key_ring_at(url: str) -> KeyRing:
    return KeyRing(url, parse_keys, KeysUnreachable)


def ring_of(*keys: Ed25519PrivateKey) -> KeyRing:
    """Keys that were fetched just now, so that nothing else is."""
    ring = key_ring_at("http://127.0.0.1:1/")
    ring._things = parse_keys(json.loads(keys_document(*keys)))
    ring._fetched_at = ring._tried_at = time.monotonic()
    return ring


@pytest.fixture
def key() -> Fal:
    return Fal()


@pytest.fixture
def verify(key: Fal) -> Callable[..., Any]:
    verifier = Ed25519Verifier(ring_of(key.signing), ACCOUNT)
    return lambda headers, body=BODY, now=NOW: verifier.verify(headers, body, now=now)


def signed(key: Fal, body: bytes = BODY, **how: Any) -> dict[str, str]:
    return key.headers(body, "request-1", **{"timestamp": str(NOW)} | how)


# --- The scheme -------------------------------------------------------------------------------------------------------


def test_fals_own_example_holds() -> None:
    assert jwk(VECTOR_KEY)["x"] == VECTOR_X
    headers = {
        "X-Fal-Webhook-Request-Id": VECTOR_ID,
        "X-Fal-Webhook-User-Id": "test-user-1",
        "X-Fal-Webhook-Timestamp": str(NOW),
        "X-Fal-Webhook-Signature": VECTOR_SIGNATURE,
    }
    done = Ed25519Verifier(ring_of(VECTOR_KEY), "test-user-1").verify(headers, VECTOR_BODY, now=NOW)
    assert (done.request_id, done.user_id) == (VECTOR_ID, "test-user-1")


def test_any_of_several_keys_suffices(key: Fal) -> None:
    others = [Ed25519PrivateKey.generate() for _ in range(3)]
    verifier = Ed25519Verifier(ring_of(*others, key.signing), ACCOUNT)
    assert verifier.verify(signed(key), BODY, now=NOW).request_id == "request-1"


@pytest.mark.parametrize("age", [-300, -299.5, 0, 299.5, 300])
def test_a_clock_may_be_five_minutes_off_either_way(key: Fal, verify: Any, age: float) -> None:
    assert verify(signed(key), now=NOW + age)


@pytest.mark.parametrize("age", [-86_400, -301, -300.5, 300.5, 301, 86_400])
def test_more_than_five_minutes_is_stale_whoever_signed_it(key: Fal, verify: Any, age: float) -> None:
    with pytest.raises(NotVerified) as caught:
        verify(signed(key), now=NOW + age)
    assert caught.value.stale_request_id == "request-1"


def test_an_account_that_is_not_pinned_may_be_any(key: Fal) -> None:
    verifier = Ed25519Verifier(ring_of(key.signing), "")
    assert verifier.verify(signed(key, account="stranger"), BODY, now=NOW).user_id == "stranger"


def test_another_customers_delivery_is_refused_and_never_called_stale(key: Fal, verify: Any) -> None:
    """fal signs everybody's with the same keys; a stranger's stale one must not make us ask about our song."""
    for now in (NOW, NOW + 1000):
        with pytest.raises(NotVerified) as caught:
            verify(signed(key, account="stranger"), now=now)
        assert caught.value.stale_request_id is None


# --- Forgeries --------------------------------------------------------------------------------------------------------


def change(name: str, value: str | Callable[[str], str]) -> Callable[[dict[str, str]], dict[str, str]]:
    header = f"X-Fal-Webhook-{name}"
    return lambda headers: headers | {header: value(headers[header]) if callable(value) else value}


def drop(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda headers: {header: value for header, value in headers.items() if not header.endswith(name)}


FORGERIES: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "no headers": lambda _: {},
    **{f"without {name}": drop(name) for name in HEADERS},
    **{f"empty {name}": change(name, "") for name in HEADERS},
    "odd hex": change("Signature", lambda text: text[:-1]),
    "short": change("Signature", lambda text: text[:64]),
    "long": change("Signature", lambda text: text + "00"),
    "not hex": change("Signature", lambda text: "zz" + text[2:]),
    "hex with a prefix": change("Signature", lambda text: "0x" + text[:-2]),
    "blank in front": change("Signature", lambda text: " " + text),
    "full-width digits": change("Signature", "\uff11" * 128),
    "base64": change("Signature", lambda text: base64.b64encode(bytes.fromhex(text)).decode()),
    "all zero": change("Signature", "0" * 128),
    "all ones": change("Signature", "f" * 128),
    "small order point": change("Signature", "01" + "00" * 63),
    "one bit off": change("Signature", lambda text: f"{int(text[:2], 16) ^ 1:02x}{text[2:]}"),
    "halves swapped": change("Signature", lambda text: text[64:] + text[:64]),
    # The same number on the curve, spelled with the order added: a verifier that takes it takes two signatures for one.
    "malleable": change("Signature", lambda text: text[:64] + _plus_order(text[64:])),
    "another request id": change("Request-Id", "request-2"),
    "a longer request id": change("Request-Id", "x" * 101),
    "another account": change("User-Id", "somebody"),
    "another time": change("Timestamp", str(NOW + 1)),
    "the time as a float": change("Timestamp", f"{NOW}.0"),
    "the time with a sign": change("Timestamp", f"+{NOW}"),
    "the time with a blank": change("Timestamp", f" {NOW}"),
    "the time in other digits": change("Timestamp", "١٧٦٠٠٠٠٠٠٠"),
    "a huge header": change("Signature", "a" * 100_000),
    "a huge time": change("Timestamp", "9" * 100_000),
    "a line break": change("Request-Id", "request-1\nour-account"),
}


def _plus_order(half: str) -> str:
    order = 2**252 + 27742317777372353535851937790883648493
    return ((int.from_bytes(bytes.fromhex(half), "little") + order) % 2**256).to_bytes(32, "little").hex()


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forgery_is_refused_and_never_called_stale(key: Fal, verify: Any, forgery: Any) -> None:
    with pytest.raises(NotVerified) as caught:
        verify(forgery(signed(key)))
    assert caught.value.stale_request_id is None


@pytest.mark.parametrize("body", [b"", BODY + b" ", BODY[:-1], BODY.replace(b"OK", b"KO"), b"\xff\xfe"])
def test_the_signature_of_another_body_does_not_hold(key: Fal, verify: Any, body: bytes) -> None:
    with pytest.raises(NotVerified):
        verify(signed(key), body=body)


def test_the_key_of_somebody_else_does_not_hold(verify: Any) -> None:
    with pytest.raises(NotVerified):
        verify(signed(Fal()))


@pytest.mark.parametrize("timestamp", ["١٧٦٠٠٠٠٠٠٠", f"{NOW}.0", f"+{NOW}", "", "now", "9" * 5000])
def test_a_time_that_is_no_plain_number_is_refused_even_when_signed(key: Fal, verify: Any, timestamp: str) -> None:
    with pytest.raises(NotVerified):
        verify(signed(key, timestamp=timestamp))


def test_a_request_id_longer_than_any_of_fals_is_refused_even_when_signed(key: Fal, verify: Any) -> None:
    assert verify(key.headers(BODY, "x" * 100, timestamp=str(NOW)))
    with pytest.raises(NotVerified):
        verify(key.headers(BODY, "x" * 101, timestamp=str(NOW)))


def test_hexadecimal_may_be_in_capitals(key: Fal, verify: Any) -> None:
    assert verify(change("Signature", str.upper)(signed(key)))


# --- The key set ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padded", [True, False])
def test_keys_are_read_with_and_without_padding(padded: bool) -> None:
    key = Ed25519PrivateKey.generate()
    [read] = parse_keys({"keys": [jwk(key, padded=padded)]})
    assert bytes(read) == key.public_key().public_bytes_raw()


@pytest.mark.parametrize(
    "odd",
    [
        None,
        7,
        {},
        {"kty": "RSA", "n": "x", "e": "AQAB"},
        {"kty": "OKP", "crv": "X25519", "x": VECTOR_X},
        {"kty": "OKP", "crv": "Ed25519"},
        {"kty": "OKP", "crv": "Ed25519", "x": 7},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "A"},
        {"kty": "OKP", "crv": "Ed25519", "x": "é" * 43},
    ],
)
def test_an_odd_key_does_not_take_the_good_ones_away(odd: object) -> None:
    assert len(parse_keys({"keys": [odd, jwk(VECTOR_KEY), odd]})) == 1
    with pytest.raises(ValueError, match="no ED25519 key"):
        parse_keys({"keys": [odd]})


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": {}}, {"keys": []}, "text", 7])
def test_a_document_without_keys_is_no_key_set(document: object) -> None:
    with pytest.raises(ValueError, match="no ED25519 key"):
        parse_keys(document)


def test_a_key_set_is_read_only_so_far() -> None:
    assert len(parse_keys({"keys": [jwk(VECTOR_KEY)] * 500})) == signatures.KEYS_MAX


# --- The key ring -----------------------------------------------------------------------------------------------------


class Clock:
    """The monotonic clock of what is fetched, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stand_in = Clock()
    monkeypatch.setattr(published, "time", stand_in)
    return stand_in


@pytest.fixture
def verifier(signer: Fal) -> Ed25519Verifier:
    return Ed25519Verifier(key_ring_at(signer.url), ACCOUNT)


def holds(verifier: Ed25519Verifier, signer: Fal) -> bool:
    try:
        return bool(verifier.verify(signed(signer), BODY, now=NOW))
    except NotVerified:
        return False


def forged(verifier: Ed25519Verifier) -> bool:
    return not holds(verifier, Fal())


def test_keys_are_fetched_when_first_needed_and_then_kept(verifier: Ed25519Verifier, signer: Fal, clock: Clock) -> None:
    assert signer.fetches == 0
    for _ in range(3):
        assert holds(verifier, signer)
        clock.now += 3600
    assert signer.fetches == 1


def test_keys_older_than_a_day_are_fetched_again(verifier: Ed25519Verifier, signer: Fal, clock: Clock) -> None:
    holds(verifier, signer)
    clock.now += 24 * 3600 + 1
    assert holds(verifier, signer)
    assert signer.fetches == 2


def test_keys_older_than_a_day_are_not_believed_when_new_ones_can_not_be_had(
    verifier: Ed25519Verifier, signer: Fal, clock: Clock
) -> None:
    """A key that fal has withdrawn must not live on for as long as somebody keeps us from fal."""
    holds(verifier, signer)
    signer.status = 500
    clock.now += 24 * 3600 + 1
    with pytest.raises(KeysUnreachable):
        holds(verifier, signer)


def test_a_new_key_is_picked_up_at_its_first_use(verifier: Ed25519Verifier, signer: Fal, clock: Clock) -> None:
    holds(verifier, signer)
    clock.now += 61
    old = Fal(signing=signer.signing)
    signer.rotate()
    assert holds(verifier, signer)
    assert signer.fetches == 2
    assert not holds(verifier, old), "the old key is gone with the old set"


def test_a_flood_of_forgeries_costs_one_fetch_a_minute(verifier: Ed25519Verifier, signer: Fal, clock: Clock) -> None:
    holds(verifier, signer)
    for minute in range(1, 4):
        clock.now += 60
        for _ in range(50):
            assert forged(verifier)
            clock.now += 0.01
        assert signer.fetches == 1 + minute


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (500, b"{}"),
        (404, b"not here"),
        (204, b""),
        (302, b""),
        (200, b""),
        (200, b"<html>down for maintenance</html>"),
        (200, b'{"keys": []}'),
        (200, b"\xff\xfe"),
        (200, b"[" * 60_000),
        (200, keys_document(VECTOR_KEY) + b" " * 70_000),
    ],
    ids=["500", "404", "204", "redirect", "empty", "html", "no keys", "no text", "deep", "large"],
)
def test_a_key_set_that_can_not_be_had_is_tried_once_a_minute_and_nothing_is_believed(
    verifier: Ed25519Verifier, signer: Fal, clock: Clock, status: int, document: bytes
) -> None:
    signer.location = f"{signer.url}/elsewhere"
    signer.status, signer.document = status, document
    for _ in range(50):
        with pytest.raises(KeysUnreachable):
            holds(verifier, signer)
    assert signer.fetches == 1
    clock.now += 61
    signer.publish(signer.signing)
    assert holds(verifier, signer)


def test_a_key_set_out_of_reach_is_no_reason_to_call_a_callback_forged(
    verifier: Ed25519Verifier, signer: Fal, clock: Clock
) -> None:
    """Its keys may have changed since: fal has to deliver again, and a 403 might make it stop."""
    holds(verifier, signer)
    signer.signing = Ed25519PrivateKey.generate()
    signer.status = 503
    clock.now += 61
    for _ in range(3):
        with pytest.raises(KeysUnreachable):
            holds(verifier, signer)
    assert signer.fetches == 2
    signer.publish(signer.signing)
    clock.now += 61
    assert holds(verifier, signer)


def test_known_keys_go_on_holding_while_the_key_set_is_out_of_reach(
    verifier: Ed25519Verifier, signer: Fal, clock: Clock
) -> None:
    assert holds(verifier, signer)
    signer.status = 500
    clock.now += 61
    with pytest.raises(KeysUnreachable):
        forged(verifier)
    assert holds(verifier, signer)


def test_callbacks_that_come_at_once_after_a_rotation_all_hold(signer: Fal, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them fetches; the others must not be called forged for having waited for it."""
    verifier = Ed25519Verifier(key_ring_at(signer.url), ACCOUNT)
    holds(verifier, signer)
    verifier._ring._tried_at = float("-inf")
    signer.rotate()
    answers = race(8, lambda _: holds(verifier, signer))
    assert errors_in(answers) == []
    assert answers == [True] * 8
    assert signer.fetches == 2


def test_the_first_callbacks_of_a_process_share_one_fetch(signer: Fal) -> None:
    verifier = Ed25519Verifier(key_ring_at(signer.url), ACCOUNT)
    assert race(8, lambda _: holds(verifier, signer)) == [True] * 8
    assert signer.fetches == 1


def test_a_key_set_that_drips_is_given_up(
    verifier: Ed25519Verifier, signer: Fal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "MAX_SECONDS", -1)
    with pytest.raises(KeysUnreachable):
        holds(verifier, signer)


def test_an_address_where_nobody_listens_is_a_key_set_out_of_reach() -> None:
    verifier = Ed25519Verifier(key_ring_at("http://127.0.0.1:9/"), ACCOUNT)
    with pytest.raises(KeysUnreachable):
        holds(verifier, Fal())
