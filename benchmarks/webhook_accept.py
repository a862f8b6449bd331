"""Accepting callbacks: our front door against a bare Django view, under the same server and database."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import httpx
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.load import Load, prepared, send_all
from benchmarks.ratios import Ratio
from neoapex.embedded import ports
from tests.journeys.stack import RunningStudio, running_studio, wait_for

ROOT = Path(__file__).resolve().parents[1]
REQUESTS = 3000
ROUNDS = 5


def signed(key: Ed25519PrivateKey, path: str, host: str, user_id: str, *, forged: bool = False) -> bytes:
    """One callback of the size that fal's have, about 1 KB, with a request id of its own."""
    request_id, timestamp = str(uuid.uuid4()), str(int(time.time()))
    audio = [{"url": f"https://v3.fal.media/files/{uuid.uuid4().hex}.wav", "content_type": "audio/wav", "file_size": 1}]
    payload = {"seed": 42, "audio": audio, "lyrics": "la " * 200, "tags": ["pop"]}
    body = json.dumps({"request_id": request_id, "status": "OK", "payload": payload}).encode()
    message = "\n".join((request_id, user_id, timestamp, hashlib.sha256(body).hexdigest())).encode()
    signature = bytes(64) if forged else key.sign(message)
    headers = {
        "X-Fal-Webhook-Request-Id": request_id,
        "X-Fal-Webhook-User-Id": user_id,
        "X-Fal-Webhook-Timestamp": timestamp,
        "X-Fal-Webhook-Signature": signature.hex(),
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


BARE_TABLE = """
    CREATE TABLE IF NOT EXISTS bare_delivery
    (id bigserial PRIMARY KEY, request_id text UNIQUE, body bytea, at timestamptz DEFAULT now())
"""


@contextmanager
def bare_site(
    database_url: str, key: Ed25519PrivateKey, application: str = "application", interface: str = "asgi"
) -> Iterator[int]:
    """The bare view under Granian, served in one of its ways; gives the port."""
    port = ports.random_free()
    public_key = key.public_key().public_bytes_raw().hex()
    given = {"BARE_DATABASE_URL": database_url, "BARE_PUBLIC_KEY": public_key, "BARE_APPLICATION": application}
    environment = {**os.environ, **given}
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(BARE_TABLE)
    command = [sys.executable, "-m", "granian", "--interface", interface, f"benchmarks.bare_site:{application}"]
    if interface == "wsgi":
        command += ["--blocking-threads", "8"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--workers-kill-timeout", "2", "--no-ws"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _answers(port), 20, lambda: "the bare site did not start")
        yield port
    finally:
        process.terminate()
        process.wait(15)


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/", timeout=2, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


def run() -> list[Ratio]:
    """Requests per second of ours over the bare view's, rounds interleaved, median; and of forged over valid ones."""
    key = Ed25519PrivateKey.generate()
    with key_server(key) as jwks_url, running_studio({"NEOAPEX_FAL_JWKS_URL": jwks_url}, with_worker=False) as studio:
        with bare_site(studio.environment["DATABASE_URL"], key) as bare_port:
            _round(studio, key, bare_port)  # the first warms both up and doesn't count
            rounds = [_round(studio, key, bare_port) for _ in range(ROUNDS)]
    ours, bare, forged = (list(loads) for loads in zip(*rounds, strict=True))
    ratios = [mine.requests_per_second / theirs.requests_per_second for mine, theirs in zip(ours, bare, strict=True)]
    return [
        Ratio(
            name="webhook accept, over a bare Django view (verify, insert)",
            ratios=ratios,
            aim=">= 0.80",
            detail=f"{_middle(ours):.0f}/s against {_middle(bare):.0f}/s; forged refused {_middle(forged):.0f}/s",
        )
    ]


def _round(studio: RunningStudio, key: Ed25519PrivateKey, bare_port: int) -> tuple[Load, Load, Load]:
    return _ours(studio, key), send_to_bare(key, bare_port), _ours(studio, key, forged=True)


def _middle(loads: list[Load]) -> float:
    return median(load.requests_per_second for load in loads)


def _ours(studio: RunningStudio, key: Ed25519PrivateKey, *, forged: bool = False) -> Load:
    host = f"127.0.0.1:{studio.port}"
    requests = [
        signed(key, f"/webhooks/fal/{uuid.uuid4()}/", host, studio.sim.user_id, forged=forged) for _ in range(REQUESTS)
    ]
    load = send_all(studio.port, requests)
    assert set(load.statuses) == {403 if forged else 200}, load.statuses
    return load


def send_to_bare(key: Ed25519PrivateKey, port: int) -> Load:
    requests = [signed(key, "/webhook/", f"127.0.0.1:{port}", "sim-user") for _ in range(REQUESTS)]
    load = send_all(port, requests)
    assert set(load.statuses) == {200}, load.statuses
    return load
