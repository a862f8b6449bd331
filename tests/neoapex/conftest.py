"""People with tokens and sessions, doorbells that nobody hears, and a look at every error's shape."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django_guid.log_filters import CorrelationId
from pytest_django import Settings

from neoapex import events
from neoapex.logs import JsonLines
from studio import doorbell, tokens
from studio.models import Generation, User
from tests import factories


@pytest.fixture(autouse=True)
def silent_doorbells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorbell, "ring", lambda *_, **__: None)
    monkeypatch.setattr(doorbell, "ring_soon", lambda *_, **__: None)


@pytest.fixture(autouse=True)
def files_in_a_folder_of_the_test(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATIC_ROOT.mkdir()
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": {"location": str(tmp_path / "media")}},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture(autouse=True)
def fresh_rate_limits() -> None:
    cache.clear()


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada@example.com")


@pytest.fixture
def ben(db: None) -> User:
    return User.objects.create_user("ben@example.com")


@pytest.fixture
def token_client() -> Callable[[User], Client]:
    """A program with a personal token; CSRF is enforced, as everywhere."""

    def make(person: User) -> Client:
        raw = tokens.create(person, "test")[1]
        return Client(
            enforce_csrf_checks=True, raise_request_exception=False, headers={"Authorization": f"Bearer {raw}"}
        )

    return make


@pytest.fixture
def program(ada: User, token_client: Callable[[User], Client]) -> Client:
    return token_client(ada)


@pytest.fixture
def browser(ada: User) -> Client:
    """Ada's browser, logged in."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False, headers={"Accept": "text/html,*/*;q=0.8"})
    client.force_login(ada)
    return client


@pytest.fixture
def stranger() -> Client:
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What has been logged since, read back from the very lines that a process writes."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    handler.addFilter(CorrelationId(correlation_id_field="request_id"))
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[events.Hub]:
    """A hub of the test's own, as each process has one."""
    fresh = events.Hub()
    monkeypatch.setattr(events, "hub", fresh)
    monkeypatch.setattr(events, "RESUBSCRIBE_SECONDS", 0.05)
    yield fresh
    assert not fresh._listeners, "everybody who came is gone"


@pytest.fixture
def adas(ada: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.create(ada, 'x')[1]}"}


@pytest.fixture
def song(ada: User) -> Generation:
    return factories.make_generation(person=ada)
