"""What all tests share: which come first, which run in one process, and a database that can be emptied."""

import os
import sys
from pathlib import Path

import hypothesis
import pytest
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# A busy machine makes no property false.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

HERE = Path(__file__).parent
# They share a whole studio and a Chromium.
TOGETHER = {"browser"}
# What takes longest comes first: a process that got it last would leave the other idle. While one process is busy with
# the browser, the other does what mostly waits.
LONGEST = (
    "browser",
    "journeys",
    "docs/test_commands.py",
    "deploy/test_services_run.py",
    "chaos",
    "embedded/test_studio.py",
    "studio/test_killed_anywhere.py",
    "neoapex/test_start.py",
    "ledger/test_races.py",
    "fuzz",
    "embedded",
    "studio/reconciliation",
    "ledger",
)


class FilesAndFolders(LoadScopeScheduling):  # type: ignore[misc] # no types there
    """Tests of one file run in one process, those of a folder that shares a studio in one as well."""

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0])
        return file.parent.name if file.parent.name in TOGETHER else str(file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesAndFolders:
    return FilesAndFolders(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place_in_line(item.path.relative_to(HERE)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """And at once, for whoever does not want to wait for the end of a long run."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nFAILED {report.nodeid} ({report.when})", file=sys.__stderr__, flush=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Last of all the names, for whoever sees only the end of the output."""
    for kind in ("failed", "error"):
        for report in terminalreporter.stats.get(kind, []):
            said = str(getattr(report.longrepr, "reprcrash", None) or "").partition("\n")[0]
            terminalreporter.write_line(f"{kind.upper()} {report.nodeid} {said[-200:]}")


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
