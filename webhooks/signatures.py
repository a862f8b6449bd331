"""Who signed a callback: fal's ED25519 scheme, with keys from its JWKS."""

import base64
import binascii
import hashlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings

from webhooks.errors import KeysUnreachable, NotVerified

logger = logging.getLogger(__name__)

TOLERANCE_SECONDS = 300
KEYS_KEPT_SECONDS = 24 * 3600
# Between two looks for new keys, and after a failed one: a flood of forgeries costs fal one fetch a minute.
COOLDOWN_SECONDS = 60
KEYS_MAX_BYTES = 64 * 1024
KEYS_MAX_SECONDS = 10
KEYS_MAX = 20
HEADER = "X-Fal-Webhook-"


@dataclass(frozen=True, slots=True)
class Signed:
    """What a verified callback says of itself."""

    request_id: str
    user_id: str


class Verifier(Protocol):
    """One way to sign. A request never chooses: configuration does."""

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: float) -> Signed:
        """:raises NotVerified: not from fal, stale, or another account's. :raises KeysUnreachable: can't tell now."""
        ...


@dataclass
class KeyRing:
    """fal's public keys: fetched when needed, kept at most a day, fetched once more when none of them fits."""

    url: str
    _keys: list[Ed25519PublicKey] = field(default_factory=list)
    _fetched_at: float = float("-inf")
    _tried_at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def current(self) -> Sequence[Ed25519PublicKey]:
        """:raises KeysUnreachable: none are known, and none could be had within the last minute."""
        if time.monotonic() - self._fetched_at > KEYS_KEPT_SECONDS:
            self._fetch()
        if time.monotonic() - self._fetched_at > KEYS_KEPT_SECONDS:
            raise KeysUnreachable
        return self._keys

    def newer(self, than: Sequence[Ed25519PublicKey]) -> Sequence[Ed25519PublicKey]:
        """Keys that came since, after one more look if the last was long enough ago; else none.

        :raises KeysUnreachable: the last look failed, so there may be newer ones.
        """
        self._fetch()
        if self._keys is not than:
            return self._keys
        if self._tried_at > self._fetched_at:
            raise KeysUnreachable
        return []

    def _fetch(self) -> bool:
        with self._lock:
            if time.monotonic() - self._tried_at < COOLDOWN_SECONDS:
                return False
            self._tried_at = time.monotonic()
            try:
                self._keys = _fetch_keys(self.url)
            except (httpx.HTTPError, ValueError, RecursionError) as error:
                logger.warning("keys not fetched", extra={"error": type(error).__name__})
                return False
            self._fetched_at = time.monotonic()
            return True


def _fetch_keys(url: str) -> list[Ed25519PublicKey]:
    give_up_at = time.monotonic() + KEYS_MAX_SECONDS
    with (
        httpx.Client(timeout=5, follow_redirects=False, trust_env=False) as client,
        client.stream("GET", url, headers={"Accept": "application/json"}) as response,
    ):
        response.raise_for_status()
        if response.status_code != 200:
            raise ValueError("no key set")
        text = b""
        for block in response.iter_bytes():
            text += block
            if len(text) > KEYS_MAX_BYTES or time.monotonic() > give_up_at:
                raise ValueError("the key set is too large or too slow")
    return parse_keys(httpx.Response(200, content=text).json())


def parse_keys(document: object) -> list[Ed25519PublicKey]:
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
                keys.append(Ed25519PublicKey.from_public_bytes(_unpadded(key["x"])))
    if not keys:
        raise ValueError("the key set holds no ED25519 key")
    return keys


def _unpadded(text: str) -> bytes:
    digits = text.rstrip("=")
    return base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4))


class Ed25519Verifier:
    """fal's own scheme: over request id, account id, timestamp and the hash of the raw body."""

    def __init__(self, ring: KeyRing, user_id: str) -> None:
        self._ring = ring
        self._user_id = user_id

    def verify(self, headers: Mapping[str, str], body: bytes, *, now: float) -> Signed:
        request_id, user_id, timestamp, signature = (
            headers.get(HEADER + name, "") for name in ("Request-Id", "User-Id", "Timestamp", "Signature")
        )
        if not (request_id and user_id and timestamp and signature) or len(request_id) > 100:
            raise NotVerified("a header is missing")
        raw = _signature_bytes(signature)
        message = "\n".join((request_id, user_id, timestamp, hashlib.sha256(body).hexdigest())).encode()
        keys = self._ring.current()
        if not _fits(keys, raw, message) and not _fits(self._ring.newer(keys), raw, message):
            raise NotVerified("no key fits")
        if self._user_id and user_id != self._user_id:
            raise NotVerified("another account")
        # The time is judged last, so that "stale" is said only of what fal really signed for us.
        if not timestamp.isascii() or not timestamp.isdigit() or abs(now - int(timestamp[:20])) > TOLERANCE_SECONDS:
            raise NotVerified("stale", stale_request_id=request_id)
        return Signed(request_id, user_id)


def _signature_bytes(signature: str) -> bytes:
    if len(signature) != 128:
        raise NotVerified("the signature has the wrong length")
    try:
        return binascii.unhexlify(signature)
    except (binascii.Error, ValueError):
        raise NotVerified("the signature is not hexadecimal") from None


def _fits(keys: Sequence[Ed25519PublicKey], signature: bytes, message: bytes) -> bool:
    for key in keys:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return True
    return False


@cache
def active() -> Verifier:
    """The verifier that is configured, with its keys kept for the life of the process."""
    return Ed25519Verifier(KeyRing(settings.NEOAPEX_FAL_JWKS_URL), settings.NEOAPEX_FAL_USER_ID)
