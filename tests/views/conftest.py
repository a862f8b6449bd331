"""A browser without JavaScript for each of two people."""

from pathlib import Path
from unittest.mock import Mock

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from studio.models import User
from tests import factories

PLAIN_STATIC = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@pytest.fixture(autouse=True)
def _static_files_without_a_manifest(settings: Settings, tmp_path: Path) -> None:
    """Nothing was collected here: static files keep their own names."""
    settings.STORAGES = {**settings.STORAGES, **PLAIN_STATIC}
    settings.STATIC_ROOT = tmp_path


@pytest.fixture(autouse=True)
def _nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no worker: a ring would wait for nobody in Redis."""
    monkeypatch.setattr("studio.doorbell.ring", Mock())
    monkeypatch.setattr("studio.doorbell.ring_soon", Mock())


@pytest.fixture(autouse=True)
def _nothing_was_counted_before() -> None:
    cache.clear()


@pytest.fixture
def ada(db: None) -> User:
    return factories.ada()


@pytest.fixture
def ben(db: None) -> User:
    return factories.ben()


@pytest.fixture
def browser(ada: User) -> Client:
    """Ada's, logged in."""
    client = Client()
    client.force_login(ada, "allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.fixture
def ben_browser(ben: User) -> Client:
    client = Client()
    client.force_login(ben, "allauth.account.auth_backends.AuthenticationBackend")
    return client
