"""fal from cans, doorbells that only note who rang, and a database that the test runner may empty again."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from studio import dispatch, doorbell, rounds, sweep
from studio.fal.mock import MockFalClient
from studio.models import User
from tests.studio import people

Rings = list[tuple[str, dict[str, str]]]


@pytest.fixture(autouse=True)
def studio_settings(settings: Settings) -> Settings:
    settings.NEOAPEX_PUBLIC_URL = "https://studio.example.com"
    settings.SETTLE_BY_POLLING = False
    settings.NEOAPEX_FAL_USER_ID = "our-account"
    return settings


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch) -> Rings:
    """Every ring, as (task, ids); nobody hears them."""
    rung: Rings = []
    monkeypatch.setattr(doorbell, "ring", lambda task, **ids: rung.append((task, ids)))
    monkeypatch.setattr(doorbell, "ring_soon", lambda task, **ids: rung.append((task, ids)))
    return rung


@pytest.fixture(autouse=True)
def fal(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFalClient]:
    client = MockFalClient()
    monkeypatch.setattr(dispatch, "from_settings", lambda: client)
    monkeypatch.setattr(sweep, "from_settings", lambda: client)
    # One question at a time, so that what is to go wrong next goes wrong where a test wants it.
    monkeypatch.setattr(rounds, "ASKERS", 1)
    yield client
    endpoints = {call.endpoint_id for call in client.calls}
    assert endpoints <= {"sonauto/v2/text-to-music"}, "the tests here ask for songs only"


@pytest.fixture
def ada(db: None) -> User:
    return people.person("ada")


@pytest.fixture
def bo(db: None) -> User:
    return people.person("bo")
