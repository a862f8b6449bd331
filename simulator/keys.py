"""The ED25519 keys that sign webhooks: kept across restarts, published as a JWKS, rotated on demand."""

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any, Literal

from nacl.signing import SigningKey

from simulator.store import Store

SETTING = "signing_keys"
# Thirty-two bytes: a private key of its own, so that what it signs is well-formed and still not fal's.
STRANGER = b"a key that is in no JWKS, ever.."


def message(request_id: str, user_id: str, timestamp: str, body: bytes) -> bytes:
    """What fal signs: four lines without a newline at the end, the last the SHA-256 of the raw body."""
    return "\n".join([request_id, user_id, timestamp, hashlib.sha256(body).hexdigest()]).encode()


def sign(private_key: bytes, *, request_id: str, user_id: str, timestamp: str, body: bytes) -> str:
    return SigningKey(private_key).sign(message(request_id, user_id, timestamp, body)).signature.hex()


def sign_as_relay(secret: bytes, *, request_id: str, timestamp: str, body: bytes) -> str:
    """As a relay signs that takes fal's callbacks and sends them on: the three one after the other, and no account."""
    return hmac.new(secret, (request_id + timestamp).encode() + body, hashlib.sha256).hexdigest()


def public_x(private_key: bytes) -> str:
    """The JWK's x: base64url of 32 bytes, without padding."""
    return base64.urlsafe_b64encode(bytes(SigningKey(private_key).verify_key)).rstrip(b"=").decode()


class Keyring:
    """The last key signs; all of them are published."""

    def __init__(self, store: Store) -> None:
        self._store = store
        if store.setting(SETTING) is None:
            self._save([secrets.token_bytes(32)])

    def _save(self, keys: list[bytes]) -> None:
        self._store.save_setting(SETTING, json.dumps([key.hex() for key in keys]))

    def _keys(self) -> list[bytes]:
        return [bytes.fromhex(key) for key in json.loads(self._store.setting(SETTING) or "[]")]

    @property
    def current(self) -> bytes:
        return self._keys()[-1]

    def rotate(self, how: Literal["add", "replace"]) -> None:
        """`add` keeps the old keys published; `replace` withdraws them."""
        kept = self._keys() if how == "add" else []
        self._save([*kept, secrets.token_bytes(32)])

    def jwks(self) -> dict[str, Any]:
        keys = [public_x(key) for key in self._keys()]
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": x[:12], "x": x} for x in keys]}
