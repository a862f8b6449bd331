"""People with budgets, and a database that the test runner may empty again."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker, Settings

from studio.models import User

QUOTA_MICROS = 1_000_000
OCTOBER = datetime(2026, 10, 31, 23, 59, 59, 999_999, UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Threads need committed rows, which the runner truncates afterwards: so that one guard is off in tests."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_entry DISABLE TRIGGER entry_no_truncate")


@pytest.fixture(autouse=True)
def default_quota(settings: Settings) -> None:
    settings.NEOAPEX_MONTHLY_BUDGET = QUOTA_MICROS


@pytest.fixture
def make_person() -> Callable[[str], User]:
    return lambda name: User.objects.create_user(f"{name}@example.com")


@pytest.fixture
def ada(db: None, make_person: Callable[[str], User]) -> User:
    return make_person("ada")


@pytest.fixture
def bo(db: None, make_person: Callable[[str], User]) -> User:
    return make_person("bo")
