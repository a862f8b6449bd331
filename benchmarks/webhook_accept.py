"""Accepting and refusing callbacks: our front door against a bare view and dj-stripe's, same server and database."""

import base64
import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.load import Load, prepared, send_all
from benchmarks.ratios import Ratio
from benchmarks.webhook_peers import DjStripe, bare_site, djstripe_site, rows_of
from neoapex.embedded import ports
from tests.journeys.stack import RunningStudio, running_studio

REQUESTS = 3000
# It takes several times as long for each.
STRIPE_REQUESTS = 1000
ROUNDS = 5


def signed(key: Ed25519PrivateKey, path: str, host: str, user_id: str) -> bytes:
    """One callback of the size that fal's have, about 1 KB, with a request id of its own."""
    request_id, timestamp = str(uuid.uuid4()), str(int(time.time()))
    audio = [{"url": f"https://v3.fal.media/files/{uuid.uuid4().hex}.wav", "content_type": "audio/wav", "file_size": 1}]
    payload = {"seed": 42, "audio": audio, "lyrics": "la " * 200, "tags": ["pop"]}
    body = json.dumps({"request_id": request_id, "status": "OK", "payload": payload}).encode()
    message = "\n".join((request_id, user_id, timestamp, hashlib.sha256(body).hexdigest())).encode()
    headers = {
        "X-Fal-Webhook-Request-Id": request_id,
        "X-Fal-Webhook-User-Id": user_id,
        "X-Fal-Webhook-Timestamp": timestamp,
        "X-Fal-Webhook-Signature": key.sign(message).hex(),
    }
    return prepared(path, host, headers, body)


@contextmanager
def key_server(key: Ed25519PrivateKey) -> Iterator[str]:
    """A JWKS with this one key, as fal would publish it."""
    x = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()
    answer = json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", ports.random_free()), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True, slots=True)
class Round:
    """One load for each side, right after one another; `written` counts rows that forged callbacks left with us."""

    ours: Load
    bare: Load
    stripe: Load
    forged: Load
    stripe_forged: Load
    written: int
    stripe_written: int


def run() -> list[Ratio]:
    """Callbacks accepted and refused over both peers; rounds interleaved, the first of them not counted."""
    key = Ed25519PrivateKey.generate()
    with ExitStack() as stack:
        jwks_url = stack.enter_context(key_server(key))
        studio = stack.enter_context(running_studio({"NEOAPEX_FAL_JWKS_URL": jwks_url}, with_worker=False))
        bare_port = stack.enter_context(bare_site(studio.environment["DATABASE_URL"], key))
        stripe = stack.enter_context(djstripe_site(os.environ["DATABASE_URL"], "whsec_bench"))
        rounds = [_round(studio, key, bare_port, stripe) for _ in range(ROUNDS + 1)][1:]
    ours, theirs = [one.ours for one in rounds], [one.stripe for one in rounds]
    forged, forged_theirs = [one.forged for one in rounds], [one.stripe_forged for one in rounds]
    return [
        _faster(
            "webhook accept, over a bare Django view (verify, insert)", ours, [one.bare for one in rounds], ">= 0.80"
        ),
        _faster("webhook accept, over dj-stripe", ours, theirs, ">= 2.5"),
        Ratio(
            "webhook accept, p99 over dj-stripe's",
            [mine.p99_ms / other.p99_ms for mine, other in zip(ours, theirs, strict=True)],
            "<= 0.6",
            f"{median(load.p99_ms for load in ours):.0f} ms against {median(load.p99_ms for load in theirs):.0f} ms",
        ),
        _faster("forged callback refused, over dj-stripe", forged, forged_theirs, ">= 10", note=_written(rounds)),
    ]


def _faster(name: str, ours: list[Load], theirs: list[Load], aim: str, *, note: str = "") -> Ratio:
    ratios = [mine.requests_per_second / other.requests_per_second for mine, other in zip(ours, theirs, strict=True)]
    return Ratio(name, ratios, aim, f"{_middle(ours):.0f}/s against {_middle(theirs):.0f}/s{note}")


def _written(rounds: list[Round]) -> str:
    ours, theirs = sum(one.written for one in rounds), sum(one.stripe_written for one in rounds)
    return f"; rows written: {ours} of {ROUNDS * REQUESTS} against {theirs} of {ROUNDS * STRIPE_REQUESTS}"


def _round(studio: RunningStudio, key: Ed25519PrivateKey, bare_port: int, stripe: DjStripe) -> Round:
    ours = send_to_ours(studio, key)
    bare = send_to_bare(key, bare_port)
    accepted = send_to_stripe(stripe)
    before, stripe_before = _rows(studio), stripe.rows()
    forged = send_to_ours(studio, key, forged=True)
    refused = send_to_stripe(stripe, forged=True)
    written, stripe_written = _rows(studio) - before, stripe.rows() - stripe_before
    return Round(ours, bare, accepted, forged, refused, written, stripe_written)


def _rows(studio: RunningStudio) -> int:
    """Deliveries and their doings. Refusals are summed up in one row an hour, which is not counted."""
    url = studio.environment["DATABASE_URL"]
    return rows_of(url, "webhooks_delivery") + rows_of(url, "studio_event")


def _middle(loads: list[Load]) -> float:
    return median(load.requests_per_second for load in loads)


def send_to_ours(studio: RunningStudio, key: Ed25519PrivateKey, *, forged: bool = False) -> Load:
    """`forged` is signed as it should be, by somebody else: no check is cheaper than the whole one."""
    host, signer = f"127.0.0.1:{studio.port}", Ed25519PrivateKey.generate() if forged else key
    paths = [f"/webhooks/fal/{uuid.uuid4()}/" for _ in range(REQUESTS)]
    return _sent(
        studio.port, [signed(signer, path, host, studio.sim.user_id) for path in paths], 403 if forged else 200
    )


def send_to_bare(key: Ed25519PrivateKey, port: int) -> Load:
    return _sent(port, [signed(key, "/webhook/", f"127.0.0.1:{port}", "sim-user") for _ in range(REQUESTS)], 200)


def send_to_stripe(stripe: DjStripe, *, forged: bool = False) -> Load:
    events = [stripe.signed(forged=forged) for _ in range(STRIPE_REQUESTS)]
    return _sent(stripe.port, events, 400 if forged else 200)


def _sent(port: int, requests: list[bytes], status: int) -> Load:
    load = send_all(port, requests)
    assert set(load.statuses) == {status}, load.statuses
    return load
