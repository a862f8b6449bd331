"""Admins and their browsers, for tests of the admin's pages."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import Settings

from studio.models import User

Somebody = Callable[..., Client]


@pytest.fixture(autouse=True)
def plain_static_files(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STATIC_ROOT.mkdir()
    backend = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create_superuser("root@example.com")


@pytest.fixture
def boss(superuser: User) -> Client:
    return browser_of(superuser)


@pytest.fixture
def staff_with(db: None) -> Somebody:
    """A browser of a member of staff with just these permissions."""

    def make(*codenames: str) -> Client:
        person = User.objects.create_user(f"{uuid.uuid4().hex}@example.com", is_staff=True)
        person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return browser_of(person)

    return make


def browser_of(person: User, *, checks_csrf: bool = False) -> Client:
    client = Client(enforce_csrf_checks=checks_csrf)
    client.force_login(person)
    return client


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, f"{answer.status_code} {answer.headers.get('Location')}"
    return str(answer.content.decode())
