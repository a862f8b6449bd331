"""Who signed a callback: fal's ED25519 scheme with keys from its JWKS, or HMAC with a secret of our own."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from django.conf import settings
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from webhooks.errors import KeysUnreachable, NotVerified
from webhooks.models import Outcome
from webhooks.published import Published

TOLERANCE_SECONDS = 300
# Until the year 2286. A length that is fixed keeps fields that are only written one after the other apart.
TIMESTAMP_DIGITS = 10
REQUEST_ID_MAX_CHARACTERS = 100
KEYS_MAX = 20
HEADER = "X-Fal-Webhook-"

KeyRing = Published[VerifyKey]


@dataclass(frozen=True, slots=True)
class Signed:
    """What a verified callback says of itself. Without a user id nobody vouches for whose account it is."""

    request_id: str
    user_id: str


class Verifier(Protocol):
    """One way to sign. A request never chooses: configuration does."""

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: float, may_wait: bool = True) -> Signed:
        """:raises NotVerified: not from fal, stale, or another account's. :raises OutOfReach: can't tell now."""
        ...


class Ed25519Verifier:
    """fal's own scheme: over request id, account id, timestamp and the hash of the raw body."""

    def __init__(self, ring: KeyRing, user_id: str) -> None:
        self._ring = ring
        self._user_id = user_id

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: float, may_wait: bool = True) -> Signed:
        request_id, user_id, timestamp, signature = _fields(headers)
        if not user_id:
            raise NotVerified(Outcome.HEADERS)
        raw = _from_hex(signature, 64)
        message = "\n".join((request_id, user_id, timestamp, hashlib.sha256(body).hexdigest())).encode()
        keys = self._ring.current(may_wait=may_wait)
        if not _fits(keys, raw, message) and not _fits(self._ring.newer(keys, may_wait=may_wait), raw, message):
            raise NotVerified(Outcome.SIGNATURE)
        return _judged(Signed(request_id, user_id), timestamp, self._user_id, now)


class HmacVerifier:
    """For gateways and relays: HMAC-SHA256 over request id, timestamp and raw body, one after the other.

    The account is not part of what is signed. Whoever holds the secret is ours, so a callback without the account's
    header is let in, but nobody vouches for its account then; one that names another account is refused.
    """

    def __init__(self, secret: str, user_id: str) -> None:
        self._secret = secret.encode()
        self._user_id = user_id

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: float, may_wait: bool = True) -> Signed:  # noqa: ARG002 - it never has to
        request_id, user_id, timestamp, signature = _fields(headers)
        raw = _from_hex(signature, 32)
        expected = hmac.new(self._secret, (request_id + timestamp).encode(), hashlib.sha256)
        expected.update(body)
        if not hmac.compare_digest(raw, expected.digest()):
            raise NotVerified(Outcome.SIGNATURE)
        return _judged(Signed(request_id, user_id), timestamp, self._user_id, now)


def _fields(headers: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Request id, account, timestamp and signature. fal's are plain text, and the database takes no other."""
    request_id, user_id, timestamp, signature = (
        headers.get(HEADER + name, "") for name in ("Request-Id", "User-Id", "Timestamp", "Signature")
    )
    whole = request_id and len(request_id) <= REQUEST_ID_MAX_CHARACTERS and signature
    is_number = len(timestamp) == TIMESTAMP_DIGITS and timestamp.isascii() and timestamp.isdigit()
    if not whole or not is_number or not _is_plain(request_id) or not _is_plain(user_id):
        raise NotVerified(Outcome.HEADERS)
    return request_id, user_id, timestamp, signature


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _from_hex(signature: str, length: int) -> bytes:
    if len(signature) != 2 * length:
        raise NotVerified(Outcome.HEADERS)
    try:
        return binascii.unhexlify(signature)
    except ValueError:
        raise NotVerified(Outcome.HEADERS) from None


def _judged(signed: Signed, timestamp: str, pinned: str, now: float) -> Signed:
    """The time is judged last, so that "stale" is said only of what was really signed, for us."""
    if pinned and signed.user_id and signed.user_id != pinned:
        raise NotVerified(Outcome.ACCOUNT)
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise NotVerified(Outcome.STALE, stale_request_id=signed.request_id)
    return signed


def _fits(keys: Sequence[VerifyKey], signature: bytes, message: bytes) -> bool:
    for key in keys:
        try:
            key.verify(message, signature)
        except BadSignatureError:
            continue
        return True
    return False


def parse_keys(document: object) -> list[VerifyKey]:
    """The ED25519 keys of a JWKS; base64url with or without padding. :raises ValueError: there are none."""
    listed = document.get("keys") if isinstance(document, dict) else None
    keys = []
    for key in listed[:KEYS_MAX] if isinstance(listed, list) else []:
        if (
            isinstance(key, dict)
            and key.get("kty") == "OKP"
            and key.get("crv") == "Ed25519"
            and isinstance(key.get("x"), str)
        ):
            # One that can't be used must not take the others away.
            with suppress(ValueError):
                keys.append(VerifyKey(_unpadded(key["x"])))
    if not keys:
        raise ValueError("the key set holds no ED25519 key")
    return keys


def _unpadded(text: str) -> bytes:
    digits = text.rstrip("=")
    return base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4))


@cache
def key_ring() -> KeyRing:
    """fal's keys, kept for the life of the process."""
    return KeyRing(settings.NEOAPEX_FAL_JWKS_URL, parse_keys, KeysUnreachable)


@cache
def active() -> Verifier:
    """The verifier that is configured."""
    if settings.NEOAPEX_WEBHOOK_SCHEME == "hmac":
        return HmacVerifier(settings.NEOAPEX_WEBHOOK_SECRET, settings.NEOAPEX_FAL_USER_ID)
    return Ed25519Verifier(key_ring(), settings.NEOAPEX_FAL_USER_ID)
