"""fal's side of a callback: its keys, where it publishes them, and how it signs."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ACCOUNT = "our-account"
HEADERS = ("Request-Id", "User-Id", "Timestamp", "Signature")


def jwk(key: Ed25519PrivateKey, *, padded: bool = False) -> dict[str, str]:
    x = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": x if padded else x.rstrip("=")}


def keys_document(*keys: Ed25519PrivateKey) -> bytes:
    return json.dumps({"keys": [jwk(key) for key in keys]}).encode()


def ok_body(request_id: str, payload: Any, **more: object) -> bytes:
    body = {"request_id": request_id, "gateway_request_id": request_id, "status": "OK", "payload": payload}
    return json.dumps(body | more).encode()


def error_body(request_id: str, *, code: int = 422, kind: str = "content_policy_violation") -> bytes:
    payload = {"detail": [{"loc": ["body", "prompt"], "msg": "refused", "type": kind}]}
    return ok_body(request_id, payload, status="ERROR", error=f"Invalid status code: {code}")


def relay_headers(
    secret: str, body: bytes, request_id: str, *, account: str = "", timestamp: str | None = None
) -> dict[str, str]:
    """As a relay signs; without an account its header isn't sent."""
    timestamp = timestamp if timestamp is not None else str(int(time.time()))
    signature = hmac.new(secret.encode(), (request_id + timestamp).encode() + body, hashlib.sha256).hexdigest()
    values = (request_id, account, timestamp, signature)
    return {f"X-Fal-Webhook-{name}": value for name, value in zip(HEADERS, values, strict=True) if value}


@dataclass
class Fal:
    """Signs with its newest key, and publishes what `document` says, or fails with `status`."""

    url: str = ""
    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    status: int = 200
    document: bytes = b""
    fetches: int = 0
    location: str = ""

    def publish(self, *keys: Ed25519PrivateKey) -> None:
        self.status, self.document = 200, keys_document(*keys)

    def rotate(self) -> None:
        """A new key, published alone."""
        self.signing = Ed25519PrivateKey.generate()
        self.publish(self.signing)

    def headers(
        self,
        body: bytes,
        request_id: str,
        *,
        account: str = ACCOUNT,
        age_seconds: float = 0,
        timestamp: str | None = None,
    ) -> dict[str, str]:
        timestamp = timestamp if timestamp is not None else str(int(time.time() - age_seconds))
        message = "\n".join((request_id, account, timestamp, hashlib.sha256(body).hexdigest())).encode()
        values = (request_id, account, timestamp, self.signing.sign(message).hex())
        return {f"X-Fal-Webhook-{name}": value for name, value in zip(HEADERS, values, strict=True)}


@contextmanager
def running_fal() -> Iterator[Fal]:
    """fal with its keys at a loopback address."""
    fal = Fal()
    fal.publish(fal.signing)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fal.fetches += 1
            self.send_response(fal.status)
            if fal.location:
                self.send_header("Location", fal.location)
            self.send_header("Content-Length", str(len(fal.document)))
            self.end_headers()
            self.wfile.write(fal.document)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fal.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fal
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
