"""The audit: clean books have no drift, and each way of tampering with them is found and told."""

import logging
import re
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import pytest
from django.core.management import call_command
from django.db import connection

from ledger import audit, operations, organisation, tasks
from ledger.models import AuditRun, Budget
from studio.models import User
from tests.ledger.conftest import NOVEMBER
from tests.ledger.functions import mutated
from tests.ledger.test_races import race

SONG = 75_000


@pytest.fixture
def books(ada: User) -> User:
    """A hold, a charge below its hold, one above it, a release, a move and the house's own."""
    organisation.set_cap(5_000_000, NOVEMBER)
    for reference, spent in (("open", None), ("less", SONG - 1), ("more", SONG + 1), ("none", 0)):
        operations.hold(person=ada, amount_micros=SONG, reference=reference, label="extend", now=NOVEMBER)
        if spent is not None:
            operations.charge(reference=reference, amount_micros=spent)
    operations.move_to_house(reference="less", amount_micros=5, reason="unreadable")
    operations.charge_house(reference="late", amount_micros=SONG, reason="late", now=NOVEMBER)
    return ada


@contextmanager
def guard_off() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE ledger_entry DISABLE TRIGGER entry_append_only")
        try:
            yield
        finally:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE ledger_entry ENABLE TRIGGER entry_append_only")


def rules() -> set[str]:
    return {drift["rule"] for drift in audit.drifts()}


@pytest.mark.usefixtures("books")
class TestDrifts:
    def test_clean_books_have_none(self) -> None:
        run = audit.run()
        assert (run.drifts, run.budgets, run.entries) == ([], 2, 11)
        assert run.finished_at is not None

    @pytest.mark.parametrize(
        ("tampering", "rule"),
        [
            ("UPDATE ledger_budget SET spent_micros = spent_micros + 1 WHERE kind = 'HOUSE'", "counters"),
            ("UPDATE ledger_budget SET granted_micros = granted_micros + 1 WHERE kind = 'PERSON'", "counters"),
            ("UPDATE ledger_budget SET overrun_micros = overrun_micros + 1 WHERE kind = 'PERSON'", "counters"),
            ("UPDATE ledger_budget SET held_micros = held_micros - 1 WHERE kind = 'PERSON'", "open holds"),
            ("UPDATE ledger_spending SET spent_micros = spent_micros + 1", "days"),
            ("UPDATE ledger_spending SET label = 'inpaint' WHERE label = 'extend'", "days"),
            ("UPDATE ledger_spending SET day = day - 1", "days"),
            ("DELETE FROM ledger_spending", "days"),
            ("UPDATE ledger_organisationmonth SET used_micros = used_micros + 1", "organisation"),
            ("UPDATE ledger_entry SET spent_delta = spent_delta + 1 WHERE kind = 'CHARGE'", "counters"),
            ("UPDATE ledger_entry SET held_delta = held_delta - 1 WHERE kind = 'CHARGE' AND held_delta < 0", "outcome"),
            ("UPDATE ledger_entry SET label = 'x' WHERE kind = 'HOLD'", "outcome"),
        ],
    )
    def test_tampering_is_found(self, tampering: str, rule: str) -> None:
        with guard_off(), connection.cursor() as cursor:
            cursor.execute(tampering)
        assert any(rule in broken for broken in rules()), rules()

    def test_a_guard_that_is_off_is_found(self) -> None:
        with guard_off():
            assert rules() == {"entries can't be changed"}

    def test_a_function_that_forgot_a_counter_is_found(self) -> None:
        with mutated("ledger_resolve", "overrun_micros + GREATEST(entry.held_delta + entry.spent_delta, 0)", "0"):
            operations.charge(reference="open", amount_micros=SONG)
        assert rules() == {"the counters are the sums of the entries"}

    def test_the_command_says_where_and_ends_with_1(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("audit_ledger")
        assert re.fullmatch(r"2 budgets, 11 entries, 0 drifts\n", capsys.readouterr().out)
        Budget.objects.filter(kind="HOUSE").update(spent_micros=1)
        with pytest.raises(SystemExit) as end:
            call_command("audit_ledger")
        told = capsys.readouterr().out
        assert end.value.code == 1
        house = Budget.objects.get(kind="HOUSE")
        assert f"DRIFT in budget {house.pk}" in told

    def test_at_night_it_is_loud(self, caplog: pytest.LogCaptureFixture) -> None:
        Budget.objects.filter(kind="HOUSE").update(spent_micros=1)
        with caplog.at_level(logging.CRITICAL):
            tasks.audit_nightly()
        assert [record.message for record in caplog.records] == ["the ledger drifts"]
        assert AuditRun.objects.latest().drifts

    def test_one_that_breaks_off_has_no_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def killed() -> Iterator[dict[str, object]]:
            raise KeyboardInterrupt

        monkeypatch.setattr(audit, "drifts", killed)
        with pytest.raises(KeyboardInterrupt):
            audit.run()
        assert AuditRun.objects.latest().finished_at is None


@pytest.mark.django_db(transaction=True)
def test_books_that_are_being_written_are_no_drift(make_person: Callable[[str], User]) -> None:
    people = [make_person(name) for name in ("ada", "bo")]
    organisation.set_cap(5_000_000, NOVEMBER)

    def live(number: int) -> object:
        if number % 6 == 0:
            return (audit.run().drifts,)
        reference = f"song {number}"
        operations.hold(person=people[number % 2], amount_micros=1_000, reference=reference, now=NOVEMBER)
        return operations.charge(reference=reference, amount_micros=900)

    results = race(60, live)
    assert [found for found in results if isinstance(found, tuple)] == [([],)] * 10


@pytest.mark.slow
@pytest.mark.django_db
def test_twenty_times_the_drifts_take_no_more_memory() -> None:
    def peak(budgets: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM ledger_budget")
            cursor.execute(
                "INSERT INTO ledger_budget (kind, month, spent_micros)"
                " SELECT 'HOUSE', date '1000-01-01' + n * interval '1 month', 1 FROM generate_series(1, %s) n",
                [budgets],
            )
        tracemalloc.start()
        assert sum(1 for _ in islice(audit.drifts(), 200_000)) == budgets
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    assert peak(60_000) < 1.5 * peak(3_000)
