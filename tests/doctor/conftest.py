"""A studio that is well: a simulator as fal, a bucket with its rules, and an address that leads back to Django."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from studio.fal import client
from studio.media import lifecycle
from tests.fal.server import FalServer
from tests.glacier import GlacierBucket, bucket, s3_url
from tests.simulator.server import RunningSimulator, running_simulator

__all__ = ["bucket", "s3_url"]


@pytest.fixture(scope="package")
def one_simulator() -> Iterator[RunningSimulator]:
    with running_simulator(admin_key="admin:key") as simulator:
        yield simulator


@pytest.fixture
def sim(one_simulator: RunningSimulator, settings: Settings) -> Iterator[RunningSimulator]:
    settings.FAL_KEY = one_simulator.key
    settings.FAL_ADMIN_KEY = "admin:key"
    settings.NEOAPEX_FAL_USER_ID = one_simulator.user_id
    for name in ("QUEUE", "REST", "CDN"):
        setattr(settings, f"NEOAPEX_FAL_{name}_URL", one_simulator.url)
    settings.NEOAPEX_FAL_API_URL = f"{one_simulator.url}/v1"
    settings.NEOAPEX_FAL_JWKS_URL = f"{one_simulator.url}/.well-known/jwks.json"
    client.from_settings.cache_clear()
    yield one_simulator
    client.from_settings.cache_clear()
    one_simulator.clear_moods()
    for told in ("prices", "models"):
        one_simulator.call("PUT", f"/_sim/{told}", json={})


@pytest.fixture
def served(transactional_db: None) -> Iterator[LiveServer]:
    """Django at an address; its middleware for static files wants their folder to be there."""
    Path(django_settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture
def well(sim: RunningSimulator, bucket: GlacierBucket, served: LiveServer, settings: Settings) -> RunningSimulator:
    settings.NEOAPEX_PUBLIC_URL = served.url
    lifecycle.apply(bucket, lifecycle.read(bucket))
    return sim


@pytest.fixture
def elsewhere(settings: Settings) -> Iterator[FalServer]:
    """Whatever stands at the public address instead of the studio."""
    server = FalServer()
    server.start()
    settings.NEOAPEX_PUBLIC_URL = server.url
    yield server
    server.stop()
