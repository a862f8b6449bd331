"""The database keeps the ledger's laws by itself, whoever writes."""

from datetime import date
from importlib import import_module
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import ProtectedError

from ledger import operations
from ledger.errors import LedgerBusy, RuleBroken
from ledger.models import Budget, Entry, Quota
from studio.models import User
from tests.ledger.conftest import NOVEMBER, QUOTA_MICROS
from tests.ledger.functions import mutated

SONG = 75_000
MONTH = date(2026, 11, 1)


@pytest.fixture
def held(ada: User) -> Entry:
    return operations.hold(person=ada, amount_micros=SONG, reference="song", now=NOVEMBER)


def broken_rule(error: DatabaseError) -> str | None:
    assert isinstance(error.__cause__, psycopg.Error)
    return error.__cause__.diag.constraint_name


def run(*commands: str) -> None:
    with connection.cursor() as cursor:
        for command in commands:
            cursor.execute(command)


class TestEntriesAreAppendOnly:
    @pytest.fixture(autouse=True)
    def truncate_guard(self, held: Entry) -> Entry:
        """Switched on as in every database but the tests'; the test's transaction takes it back."""
        run("SET CONSTRAINTS ALL IMMEDIATE", "ALTER TABLE ledger_entry ENABLE TRIGGER entry_no_truncate")
        return held

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE ledger_entry SET held_delta = 1",
            "UPDATE ledger_entry SET reason = 'typo' WHERE id = 0",
            "DELETE FROM ledger_entry",
            "TRUNCATE ledger_entry",
            "TRUNCATE ledger_budget CASCADE",
        ],
    )
    def test_no_statement_changes_what_is_written(self, held: Entry, statement: str) -> None:
        with pytest.raises(IntegrityError, match="never changed or removed"), transaction.atomic():
            run(statement)
        assert Entry.objects.get(pk=held.pk).held_delta == SONG

    def test_the_orm_changes_nothing_either(self, held: Entry) -> None:
        held.reason = "typo"
        for write in (held.save, held.delete, Entry.objects.all().delete):
            with pytest.raises((IntegrityError, ProtectedError)), transaction.atomic():
                write()

    def test_the_guards_can_be_taken_off_and_put_back(self) -> None:
        migration = import_module("ledger.migrations.0002_entries_are_append_only")
        run(
            migration.BACKWARD,
            "UPDATE ledger_entry SET reason = 'x'",
            "SET CONSTRAINTS ALL IMMEDIATE",
            migration.FORWARD,
        )
        with pytest.raises(IntegrityError), transaction.atomic():
            Entry.objects.update(reason="y")

    def test_a_person_with_a_budget_cannot_be_deleted(self, ada: User) -> None:
        with pytest.raises(ProtectedError):
            ada.delete()


class TestBudgetRules:
    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"kind": "HOUSE"}, "budget_kind_fits_person"),
            ({"kind": "HUH"}, "budget_kind_fits_person"),
            ({"person": None}, "budget_kind_fits_person"),
            ({"month": date(2026, 11, 2)}, "budget_month_is_first_day"),
            ({"granted_micros": -1, "overrun_micros": 1}, "budget_not_negative"),
            ({"held_micros": -1}, "budget_not_negative"),
            ({"spent_micros": -1}, "budget_not_negative"),
            ({"overrun_micros": -1}, "budget_not_negative"),
            ({"held_micros": 11}, "budget_within_grant"),
            ({"spent_micros": 11}, "budget_within_grant"),
            ({"held_micros": 6, "spent_micros": 6, "overrun_micros": 1}, "budget_within_grant"),
        ],
    )
    def test_a_budget_that_makes_no_sense_is_refused(self, ada: User, changes: dict[str, Any], rule: str) -> None:
        sound: dict[str, Any] = {
            "kind": "PERSON", "person": ada, "month": MONTH,
            "granted_micros": 10, "held_micros": 0, "spent_micros": 0, "overrun_micros": 0,
        }  # fmt: skip
        with pytest.raises(IntegrityError) as refusal, transaction.atomic():
            Budget.objects.create(**sound | changes)
        assert broken_rule(refusal.value) == rule
        Budget.objects.create(**sound)

    @pytest.mark.parametrize("column", ["granted_micros", "held_micros"])
    @pytest.mark.django_db
    def test_nothing_is_granted_to_the_house_or_held_in_it(self, column: str) -> None:
        with pytest.raises(IntegrityError) as refusal:
            Budget.objects.create(kind="HOUSE", month=MONTH, **{column: 1})
        assert broken_rule(refusal.value) == "budget_kind_fits_person"

    def test_a_month_has_one_budget_a_person_and_one_house(self, ada: User) -> None:
        for owner in ({"kind": "PERSON", "person": ada}, {"kind": "HOUSE"}):
            Budget.objects.create(month=MONTH, **owner)
            with pytest.raises(IntegrityError), transaction.atomic():
                Budget.objects.create(month=MONTH, **owner)

    def test_a_quota_is_not_negative(self, ada: User) -> None:
        with pytest.raises(IntegrityError) as refusal:
            Quota.objects.create(person=ada, monthly_micros=-1)
        assert broken_rule(refusal.value) == "quota_not_negative"


class TestEntryRules:
    @pytest.mark.parametrize(
        "changes",
        [
            {"kind": "GRANT", "granted_delta": -1},
            {"kind": "GRANT", "granted_delta": 1, "spent_delta": 1},
            {"kind": "GRANT", "granted_delta": 1, "hold": True},
            {"kind": "HOLD", "held_delta": 0},
            {"kind": "HOLD", "held_delta": -1},
            {"kind": "HOLD", "held_delta": 1, "hold": True},
            {"kind": "HOLD", "held_delta": 1, "granted_delta": 1},
            {"kind": "CHARGE", "held_delta": 0, "spent_delta": 1, "hold": True},
            {"kind": "CHARGE", "held_delta": -1, "spent_delta": -1, "hold": True},
            {"kind": "CHARGE", "held_delta": -1, "spent_delta": 1},
            {"kind": "CHARGE", "spent_delta": 0},
            {"kind": "CHARGE", "granted_delta": 1, "spent_delta": 1},
            {"kind": "RELEASE", "held_delta": -1},
            {"kind": "RELEASE", "held_delta": 1, "hold": True},
            {"kind": "RELEASE", "held_delta": -1, "spent_delta": 1, "hold": True},
            {"kind": "ADJUST", "granted_delta": 1},
            {"kind": "ADJUST", "granted_delta": -1, "hold": True},
            {"kind": "ADJUST", "granted_delta": -1, "spent_delta": 1},
            {"kind": "ADJUST", "held_delta": -1, "spent_delta": 1, "hold": True},
            {"kind": "ADJUST", "hold": True},
            {"kind": "HUH", "granted_delta": 1},
        ],
    )
    def test_a_line_whose_numbers_belie_its_kind_is_refused(self, held: Entry, changes: dict[str, Any]) -> None:
        fields = {"budget": held.budget, "reference": "other", "reason": "test", **changes}
        fields["hold"] = held if changes.get("hold") else None
        with pytest.raises(IntegrityError) as refusal:
            Entry.objects.create(**fields)
        assert broken_rule(refusal.value) == "entry_kind_fits_deltas"

    @pytest.mark.parametrize(
        "sound",
        [
            {"kind": "GRANT", "granted_delta": 0},
            {"kind": "HOLD", "held_delta": 1},
            {"kind": "CHARGE", "held_delta": -1, "spent_delta": 0, "hold": True},
            {"kind": "CHARGE", "spent_delta": 1},
            {"kind": "RELEASE", "held_delta": -1, "hold": True},
            {"kind": "ADJUST", "granted_delta": -1},
            {"kind": "ADJUST", "spent_delta": -1, "hold": True},
        ],
    )
    def test_a_line_that_fits_its_kind_is_taken_once(self, held: Entry, sound: dict[str, Any]) -> None:
        fields = {"budget": held.budget, "reference": "other", "reason": "test", **sound}
        fields["hold"] = held if sound.get("hold") else None
        Entry.objects.create(**fields)
        with pytest.raises(IntegrityError) as refusal:
            Entry.objects.create(**fields)
        assert (broken_rule(refusal.value) or "").endswith("_once")

    def test_a_hold_ends_in_a_charge_or_a_release_and_not_in_both(self, held: Entry) -> None:
        ending: dict[str, Any] = {"budget": held.budget, "reference": "song", "hold": held, "held_delta": -SONG}
        Entry.objects.create(kind="CHARGE", **ending)
        with pytest.raises(IntegrityError) as refusal:
            Entry.objects.create(kind="RELEASE", **ending)
        assert broken_rule(refusal.value) == "entry_hold_resolved_once"

    @pytest.mark.parametrize(
        ("changes", "rule"), [({"reference": ""}, "entry_reference_given"), ({"reason": ""}, "entry_reason_given")]
    )
    def test_a_grant_says_what_it_is_for(self, held: Entry, changes: dict[str, str], rule: str) -> None:
        sound = {"kind": "GRANT", "budget": held.budget, "granted_delta": 1, "reference": "extra", "reason": "album"}
        with pytest.raises(IntegrityError) as refusal:
            Entry.objects.create(**sound | changes)
        assert broken_rule(refusal.value) == rule


@pytest.mark.usefixtures("held")
class TestBrokenRulesAreNamed:
    def test_the_last_line_against_overspending_refuses_like_the_first(self, ada: User) -> None:
        """As if the condition were gone: the function sees more money than the constraint does."""
        refused = pytest.raises(LedgerBusy)
        blind = mutated("ledger_hold", "left_micros < amount", "FALSE")
        with blind, mutated("ledger_hold", "<= granted_micros", "<= granted_micros + 1000000000"), refused:
            operations.hold(person=ada, amount_micros=QUOTA_MICROS, reference="more", now=NOVEMBER)
        assert Budget.objects.get(person=ada).held_micros == SONG

    def test_books_that_were_tampered_with_stop_a_charge_by_name(self, ada: User) -> None:
        Budget.objects.filter(person=ada).update(held_micros=0)
        with pytest.raises(RuleBroken) as refusal:
            operations.charge(reference="song", amount_micros=SONG)
        assert refusal.value.constraint == "budget_not_negative"
        assert refusal.value.code == "ledger_rule_broken"
