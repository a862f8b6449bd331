"""What accepting callbacks is measured against: a bare Django view, and dj-stripe's own."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.load import prepared
from neoapex.embedded import ports
from tests.journeys.stack import wait_for

ROOT = Path(__file__).resolve().parents[1]

BARE_TABLE = """
    CREATE TABLE IF NOT EXISTS bare_delivery
    (id bigserial PRIMARY KEY, request_id text UNIQUE, body bytea, at timestamptz DEFAULT now())
"""


ENDPOINT = """
    INSERT INTO djstripe_webhookendpoint (
        id, djstripe_uuid, secret, livemode, api_version, enabled_events, status, url, application, metadata,
        stripe_data, djstripe_tolerance, djstripe_validation_method, djstripe_created, djstripe_updated
    ) VALUES (
        'we_1', %(uuid)s, %(secret)s, false, '', '["*"]', 'enabled', 'https://studio.example.com', '', '{}',
        '{}', 300, 'verify_signature', now(), now()
    )
"""


@dataclass(frozen=True, slots=True)
class DjStripe:
    port: int
    path: str
    secret: str
    database_url: str

    def signed(self, *, forged: bool = False) -> bytes:
        """One event of the size of fal's callbacks, as Stripe signs it."""
        timestamp = str(int(time.time()))
        song = {"id": f"ch_{uuid.uuid4().hex}", "object": "charge", "metadata": {"lyrics": "la " * 200}}
        event = {"id": f"evt_{uuid.uuid4().hex}", "object": "event", "type": "charge.succeeded", "livemode": False,
                 "api_version": "2020-08-27", "data": {"object": song}, "created": int(timestamp)}  # fmt: skip
        body = json.dumps(event).encode()
        secret = "whsec_another" if forged else self.secret
        signature = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={timestamp},v1={signature}"}
        return prepared(self.path, f"127.0.0.1:{self.port}", headers, body)

    def rows(self) -> int:
        return rows_of(self.database_url, "djstripe_webhookeventtrigger")


def rows_of(database_url: str, table: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608
    return int(row[0]) if row else 0


@contextmanager
def bare_site(
    database_url: str, key: Ed25519PrivateKey, application: str = "application", interface: str = "asgi"
) -> Iterator[int]:
    """The bare view under Granian, served in one of its ways; gives the port."""
    port = ports.random_free()
    public_key = key.public_key().public_bytes_raw().hex()
    given = {"BARE_DATABASE_URL": database_url, "BARE_PUBLIC_KEY": public_key, "BARE_APPLICATION": application}
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(BARE_TABLE)
    with _served(f"benchmarks.bare_site:{application}", port, given, interface):
        yield port


@contextmanager
def djstripe_site(server_url: str, secret: str) -> Iterator[DjStripe]:
    """dj-stripe's view in the way that the studio is served, with a database of its own on the same server."""
    database_url = f"{server_url.rpartition('/')[0]}/djstripe"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS djstripe WITH (FORCE)")
        connection.execute("CREATE DATABASE djstripe")
    given = {"DJSTRIPE_DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "benchmarks.djstripe_settings"}
    migrate = [sys.executable, "-m", "django", "migrate", "-v0"]
    subprocess.run(migrate, check=True, env={**os.environ, **given}, cwd=ROOT, timeout=300)
    endpoint_id = uuid.uuid4()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(ENDPOINT, {"uuid": endpoint_id, "secret": secret})
    port = ports.random_free()
    with _served("benchmarks.djstripe_site:application", port, given | {"DJSTRIPE_SERVES": "1"}, "asgi"):
        yield DjStripe(port, f"/webhook/{endpoint_id}/", secret, database_url)


@contextmanager
def _served(target: str, port: int, given: dict[str, str], interface: str) -> Iterator[None]:
    command = [sys.executable, "-m", "granian", "--interface", interface, target]
    if interface == "wsgi":
        command += ["--blocking-threads", "8"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--workers-kill-timeout", "2", "--no-ws"]
    environment = {**os.environ, **given}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _answers(port), 20, lambda: f"{target} did not start")
        yield
    finally:
        process.terminate()
        process.wait(15)


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}/", timeout=2, trust_env=False)
    except httpx.HTTPError:
        return False
    return True
