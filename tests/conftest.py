"""What all tests share: which come first, and a database that can be emptied."""

from pathlib import Path

import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

HERE = Path(__file__).parent
# Files and folders whose tests take longest: a process that got one of them last would leave the other idle.
# The browser's come one after the other, so that a process starts one studio and one Chromium for all that it gets.
LONGEST = (
    "browser/test_every_page.py",
    "browser/test_making_songs.py",
    "browser",
    "embedded/test_studio.py",
    "studio/test_killed_anywhere.py",
    "journeys/test_fals_faults.py",
    "chaos",
    "journeys",
    "neoapex/test_start.py",
    "ledger/test_races.py",
    "fuzz",
    "embedded",
    "studio/reconciliation",
    "ledger",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place_in_line(item.path.relative_to(HERE)))


def place_in_line(file: Path) -> int:
    parents = {str(part) for part in (file, *file.parents)}
    return next((place for place, name in enumerate(LONGEST) if name in parents), len(LONGEST))


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


@pytest.fixture(autouse=True)
def fal_is_within_reach() -> None:
    """What one test failed at is not to shut out the next: the breaker outlives processes, and tests too."""
    from studio.fal import breaker  # noqa: PLC0415 - as above
    from studio.redis_server import connection  # noqa: PLC0415

    for key in connection().scan_iter(f"{breaker.NAMESPACE}:*"):
        connection().delete(key)
