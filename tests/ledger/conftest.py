"""People with budgets, and a database that the test runner may empty again."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pytest_django import Settings

from studio.models import User

QUOTA_MICROS = 1_000_000
OCTOBER = datetime(2026, 10, 31, 23, 59, 59, 999_999, UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


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
