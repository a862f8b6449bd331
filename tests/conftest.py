"""What all tests share: which of them run in one process, and a database that can be emptied."""

from pathlib import Path

import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

# Their tests share a whole studio, or keep the machine so busy that two at once would disturb each other.
TOGETHER = {"browser": "browser", "embedded": "embedded"}


# First, because the plugin that sends tests to processes reads the groups in this hook too.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file run in one process, those of a folder that shares a studio in one as well."""
    for item in items:
        folder = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group(TOGETHER.get(folder, f"{folder}/{Path(item.path).name}")))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Threads need committed rows, which the runner truncates afterwards: so that one guard is off in tests."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_entry DISABLE TRIGGER entry_no_truncate")


@pytest.fixture(autouse=True)
def unwritten_tallies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that writes what was refused would write into whichever test is running by then."""
    from webhooks.tallies import Tallies  # noqa: PLC0415 - Django is set up by now

    monkeypatch.setattr(Tallies, "start", lambda _: None)
