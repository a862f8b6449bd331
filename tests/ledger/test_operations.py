"""What each way of moving money does, when it is repeated, and why it refuses."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, timezone
from unittest.mock import patch

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from ledger import booking, budgets, operations, queries, quotas, statements
from ledger.errors import (
    BudgetFrozen,
    GrantInUse,
    HoldAlreadyResolved,
    InsufficientBudget,
    InvalidAmount,
    LedgerBusy,
    MoreThanCharged,
    ReasonMissing,
    ReferenceConflict,
    UnknownHold,
)
from ledger.models import Budget, Entry, EntryKind, Quota
from studio.models import User
from tests.factories import freeze
from tests.ledger.books import assert_balanced
from tests.ledger.conftest import NOVEMBER, OCTOBER, QUOTA_MICROS
from tests.ledger.functions import mutated

SONG = 75_000
DUO = 112_500


def nobody_looks() -> AbstractContextManager[None]:
    """As if the money went between the look and the UPDATE."""
    return mutated("ledger_hold", "left_micros < amount", "FALSE")


def line(entry: Entry) -> tuple[str, int, int, int]:
    return entry.kind, entry.granted_delta, entry.held_delta, entry.spent_delta


def month(person: User, now: datetime = NOVEMBER) -> tuple[int, int, int, int]:
    assert_balanced()
    balance = queries.balance(person, now)
    assert balance.granted_micros == balance.available_micros + balance.held_micros + balance.spent_micros
    return balance.granted_micros, balance.held_micros, balance.spent_micros, balance.available_micros


def held(person: User, amount_micros: int = SONG, reference: str = "song", now: datetime = NOVEMBER) -> Entry:
    return operations.hold(person=person, amount_micros=amount_micros, reference=reference, now=now)


class TestHold:
    def test_the_first_hold_opens_the_month_with_the_quota(self, ada: User) -> None:
        assert line(held(ada)) == ("HOLD", 0, SONG, 0)
        assert month(ada) == (QUOTA_MICROS, SONG, 0, QUOTA_MICROS - SONG)
        opened = Entry.objects.get(kind=EntryKind.GRANT)
        assert line(opened) == ("GRANT", QUOTA_MICROS, 0, 0)

    def test_a_quota_of_ones_own_wins_over_the_default(self, ada: User) -> None:
        Quota.objects.create(person=ada, monthly_micros=200_000)
        held(ada)
        assert month(ada)[0] == 200_000

    def test_a_quota_of_nothing_is_not_the_default(self, ada: User) -> None:
        Quota.objects.create(person=ada, monthly_micros=0)
        with pytest.raises(InsufficientBudget):
            held(ada)
        assert month(ada) == (0, 0, 0, 0)

    def test_the_last_micro_can_be_held_and_not_one_more(self, ada: User) -> None:
        held(ada, QUOTA_MICROS)
        with pytest.raises(InsufficientBudget) as refusal:
            held(ada, 1, "more")
        assert (refusal.value.available_micros, refusal.value.needed_micros) == (0, 1)
        assert refusal.value.resets_at == datetime(2026, 12, 1, tzinfo=UTC)
        assert month(ada) == (QUOTA_MICROS, QUOTA_MICROS, 0, 0)

    def test_a_repeated_hold_is_the_same_entry(self, ada: User) -> None:
        assert held(ada) == held(ada)
        assert month(ada)[1] == SONG

    def test_a_repeat_finds_its_entry_when_nothing_is_left_and_after_the_month(self, ada: User) -> None:
        first = held(ada, QUOTA_MICROS, now=OCTOBER)
        assert held(ada, QUOTA_MICROS, now=OCTOBER) == first
        assert held(ada, QUOTA_MICROS, now=NOVEMBER) == first
        assert month(ada)[1] == 0

    def test_the_same_reference_with_another_amount_is_a_conflict(self, ada: User) -> None:
        held(ada)
        with pytest.raises(ReferenceConflict):
            held(ada, DUO)
        assert month(ada)[1] == SONG

    def test_the_same_reference_of_another_person_is_a_conflict(self, ada: User, bo: User) -> None:
        held(ada)
        held(bo, reference="other")
        with pytest.raises(ReferenceConflict):
            held(bo)
        assert month(bo)[1] == SONG

    def test_a_frozen_person_holds_nothing_new_until_unfrozen(self, ada: User) -> None:
        first = held(ada)
        freeze(ada, frozen=True)
        with pytest.raises(BudgetFrozen):
            held(ada, reference="second")
        assert held(ada) == first
        assert month(ada)[1] == SONG
        freeze(ada, frozen=False)
        held(ada, reference="second")
        assert month(ada)[1] == 2 * SONG

    def test_somebody_elses_freeze_stops_nobody(self, ada: User, bo: User) -> None:
        freeze(bo, frozen=True)
        held(ada)
        assert not quotas.is_frozen(ada)

    @pytest.mark.parametrize("amount", [0, -1, 1.5, True, 10**12 + 1])
    def test_amounts_that_are_no_positive_integers_are_refused(self, ada: User, amount: int) -> None:
        with pytest.raises(InvalidAmount):
            held(ada, amount)

    def test_a_refusal_leaves_the_callers_transaction_usable(self, ada: User) -> None:
        with transaction.atomic():
            held(ada)
            for amount, reference in ((DUO, "song"), (QUOTA_MICROS, "more")):
                with pytest.raises((ReferenceConflict, InsufficientBudget)):
                    held(ada, amount, reference)
            held(ada, reference="second")
        assert month(ada)[1] == 2 * SONG

    def test_a_hold_goes_with_the_callers_transaction_when_that_fails(self, ada: User) -> None:
        with transaction.atomic():
            held(ada)
            transaction.set_rollback(True)
        assert month(ada) == (QUOTA_MICROS, 0, 0, QUOTA_MICROS)
        assert not Entry.objects.exists()

    def test_a_lost_race_is_run_again_and_may_be_won(self, ada: User) -> None:
        held(ada, QUOTA_MICROS, "rival")
        run = booking.run

        def lose_and_let_the_rival_go(statement: str, parameters: Mapping[str, object]) -> tuple[object, ...] | None:
            row = run(statement, parameters)
            if row is None:
                run(statements.RESOLVE, {"kind": "RELEASE", "reference": "rival", "spent": 0})
            return row

        with patch.object(booking, "run", lose_and_let_the_rival_go), nobody_looks():
            assert held(ada, QUOTA_MICROS).reference == "song"
        assert month(ada)[1] == QUOTA_MICROS

    def test_a_race_lost_every_time_ends_in_busy(self, ada: User) -> None:
        held(ada, 1)
        with nobody_looks(), pytest.raises(LedgerBusy):
            held(ada, QUOTA_MICROS, "more")
        assert month(ada)[1] == 1

    def test_one_statement_holds_when_the_month_is_open(
        self, ada: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        held(ada)
        with django_assert_num_queries(3):  # with the savepoint and its end
            held(ada, reference="second")


class TestCharge:
    def test_a_charge_of_what_was_held_spends_it(self, ada: User) -> None:
        hold = held(ada)
        charged = operations.charge(reference="song", amount_micros=SONG)
        assert line(charged) == ("CHARGE", 0, -SONG, SONG)
        assert charged.hold_id == hold.pk
        assert month(ada) == (QUOTA_MICROS, 0, SONG, QUOTA_MICROS - SONG)

    def test_a_charge_below_the_hold_returns_the_rest_in_the_same_entry(self, ada: User) -> None:
        held(ada, DUO)
        assert line(operations.charge(reference="song", amount_micros=SONG)) == ("CHARGE", 0, -DUO, SONG)
        assert month(ada) == (QUOTA_MICROS, 0, SONG, QUOTA_MICROS - SONG)

    def test_a_free_result_returns_all_of_it(self, ada: User) -> None:
        held(ada)
        assert line(operations.charge(reference="song", amount_micros=0)) == ("CHARGE", 0, -SONG, 0)
        assert month(ada) == (QUOTA_MICROS, 0, 0, QUOTA_MICROS)

    def test_a_charge_above_the_hold_is_booked_in_full_and_blocks_the_next_hold(self, ada: User) -> None:
        held(ada, QUOTA_MICROS)
        operations.charge(reference="song", amount_micros=QUOTA_MICROS + 1)
        assert month(ada) == (QUOTA_MICROS, 0, QUOTA_MICROS + 1, -1)
        with pytest.raises(InsufficientBudget) as refusal:
            held(ada, 1, "next")
        assert refusal.value.available_micros == -1
        assert "$0.00 of this month's budget is left" in refusal.value.message

    def test_an_overrun_never_widens_what_later_holds_may_take(self, ada: User) -> None:
        held(ada)
        operations.charge(reference="song", amount_micros=2 * SONG)
        held(ada, QUOTA_MICROS - 2 * SONG, "rest")
        with pytest.raises(InsufficientBudget):
            held(ada, 1, "more")

    def test_a_second_charge_changes_nothing(self, ada: User) -> None:
        held(ada)
        first = operations.charge(reference="song", amount_micros=SONG)
        assert operations.charge(reference="song", amount_micros=SONG) == first
        assert month(ada)[2] == SONG

    def test_a_second_charge_of_another_amount_is_a_conflict(self, ada: User) -> None:
        held(ada)
        operations.charge(reference="song", amount_micros=SONG)
        with pytest.raises(ReferenceConflict):
            operations.charge(reference="song", amount_micros=0)
        assert month(ada)[2] == SONG

    def test_a_charge_after_a_release_is_refused(self, ada: User) -> None:
        held(ada)
        operations.release(reference="song")
        with pytest.raises(HoldAlreadyResolved) as refusal:
            operations.charge(reference="song", amount_micros=0)
        assert refusal.value.kind == "RELEASE"
        assert month(ada) == (QUOTA_MICROS, 0, 0, QUOTA_MICROS)

    @pytest.mark.django_db
    def test_a_charge_without_a_hold_is_refused(self) -> None:
        operations.charge_house(reference="song", amount_micros=SONG, reason="test")
        with pytest.raises(UnknownHold):
            operations.charge(reference="song", amount_micros=SONG)

    @pytest.mark.parametrize("amount", [-1, 0.075, False, 10**12 + 1])
    def test_amounts_that_are_no_integers_from_zero_are_refused(self, ada: User, amount: int) -> None:
        held(ada)
        with pytest.raises(InvalidAmount):
            operations.charge(reference="song", amount_micros=amount)

    def test_a_frozen_persons_holds_still_end(self, ada: User) -> None:
        held(ada)
        held(ada, reference="second")
        freeze(ada, frozen=True)
        operations.charge(reference="song", amount_micros=SONG)
        operations.release(reference="second")
        assert month(ada) == (QUOTA_MICROS, 0, SONG, QUOTA_MICROS - SONG)

    def test_a_hold_of_october_that_is_charged_in_november_stays_in_october(self, ada: User) -> None:
        held(ada, now=OCTOBER)
        operations.charge(reference="song", amount_micros=SONG)
        assert month(ada, OCTOBER) == (QUOTA_MICROS, 0, SONG, QUOTA_MICROS - SONG)
        assert month(ada, NOVEMBER) == (QUOTA_MICROS, 0, 0, QUOTA_MICROS)

    def test_a_refused_charge_leaves_the_callers_transaction_usable(self, ada: User) -> None:
        with transaction.atomic():
            held(ada)
            operations.release(reference="song")
            with pytest.raises(HoldAlreadyResolved):
                operations.charge(reference="song", amount_micros=SONG)
            operations.charge_house(reference="song", amount_micros=SONG, reason="late success", now=NOVEMBER)
        assert queries.total_spent_micros() == SONG


class TestRelease:
    def test_a_release_gives_all_of_it_back(self, ada: User) -> None:
        hold = held(ada)
        released = operations.release(reference="song")
        assert line(released) == ("RELEASE", 0, -SONG, 0)
        assert released.hold_id == hold.pk
        assert month(ada) == (QUOTA_MICROS, 0, 0, QUOTA_MICROS)

    def test_a_second_release_changes_nothing(self, ada: User) -> None:
        held(ada)
        assert operations.release(reference="song") == operations.release(reference="song")
        assert month(ada)[1] == 0

    def test_a_release_after_a_charge_is_refused(self, ada: User) -> None:
        held(ada)
        operations.charge(reference="song", amount_micros=0)
        with pytest.raises(HoldAlreadyResolved) as refusal:
            operations.release(reference="song")
        assert refusal.value.kind == "CHARGE"

    @pytest.mark.django_db
    def test_a_release_without_a_hold_is_refused(self) -> None:
        with pytest.raises(UnknownHold):
            operations.release(reference="song")

    def test_a_released_reference_holds_nothing_again(self, ada: User) -> None:
        first = held(ada)
        operations.release(reference="song")
        assert held(ada) == first
        assert month(ada)[1] == 0


@pytest.mark.django_db
class TestHouse:
    def test_the_house_pays_without_a_limit_and_counts_in_the_total(self, ada: User) -> None:
        held(ada)
        operations.charge(reference="song", amount_micros=SONG)
        paid = operations.charge_house(reference="late", amount_micros=10**12, reason="late success", now=NOVEMBER)
        assert line(paid) == ("CHARGE", 0, 0, 10**12)
        assert paid.reason == "late success"
        assert_balanced()
        assert queries.total_spent_micros("2026-11") == 10**12 + SONG
        assert queries.total_spent_micros("2026-10") == 0

    def test_a_second_charge_of_the_house_changes_nothing_even_a_month_later(self) -> None:
        first = operations.charge_house(reference="late", amount_micros=SONG, reason="late", now=OCTOBER)
        assert operations.charge_house(reference="late", amount_micros=SONG, reason="again", now=NOVEMBER) == first
        assert queries.total_spent_micros() == SONG
        assert Budget.objects.count() == 1
        assert_balanced()

    def test_the_house_paying_another_amount_for_the_same_is_a_conflict(self) -> None:
        operations.charge_house(reference="late", amount_micros=SONG, reason="late", now=NOVEMBER)
        with pytest.raises(ReferenceConflict):
            operations.charge_house(reference="late", amount_micros=DUO, reason="late", now=NOVEMBER)

    def test_the_house_has_one_budget_a_month(self) -> None:
        for number, now in enumerate((OCTOBER, NOVEMBER, NOVEMBER)):
            operations.charge_house(reference=f"late {number}", amount_micros=SONG, reason="late", now=now)
        assert Budget.objects.filter(kind="HOUSE").count() == 2

    @pytest.mark.parametrize("amount", [0, -1, 0.5])
    def test_the_house_pays_positive_integers_only(self, amount: int) -> None:
        with pytest.raises(InvalidAmount):
            operations.charge_house(reference="late", amount_micros=amount, reason="late")

    @pytest.mark.parametrize("reason", ["", "  \n"])
    def test_a_charge_without_a_reason_is_refused(self, reason: str) -> None:
        with pytest.raises(ReasonMissing):
            operations.charge_house(reference="late", amount_micros=SONG, reason=reason)
        assert queries.total_spent_micros() == 0


class TestMoveToHouse:
    @pytest.fixture(autouse=True)
    def charged(self, ada: User) -> None:
        held(ada, DUO, now=OCTOBER)
        operations.charge(reference="song", amount_micros=DUO)

    def move(self, amount_micros: int) -> tuple[Entry, Entry]:
        return operations.move_to_house(reference="song", amount_micros=amount_micros, reason="unreadable")

    def test_a_move_keeps_the_months_total_as_fal_bills_it(self, ada: User) -> None:
        given, taken = self.move(37_500)
        assert (line(given), line(taken)) == (("ADJUST", 0, 0, -37_500), ("ADJUST", 0, 0, 37_500))
        assert month(ada, OCTOBER) == (QUOTA_MICROS, 0, SONG, QUOTA_MICROS - SONG)
        house = Budget.objects.get(kind="HOUSE")
        assert (f"{house.month:%Y-%m}", house.spent_micros) == ("2026-10", 37_500)
        assert queries.total_spent_micros("2026-10") == DUO

    def test_a_second_move_changes_nothing(self, ada: User) -> None:
        assert self.move(37_500) == self.move(37_500)
        assert queries.total_spent_micros() == DUO
        assert month(ada, OCTOBER)[2] == SONG

    def test_a_second_move_of_another_amount_is_a_conflict(self, ada: User) -> None:
        self.move(37_500)
        with pytest.raises(ReferenceConflict):
            self.move(SONG)
        assert month(ada, OCTOBER)[2] == SONG

    def test_all_of_it_can_move_and_not_one_micro_more(self, ada: User) -> None:
        with pytest.raises(MoreThanCharged) as refusal:
            self.move(DUO + 1)
        assert refusal.value.charged_micros == DUO
        self.move(DUO)
        assert month(ada, OCTOBER) == (QUOTA_MICROS, 0, 0, QUOTA_MICROS)

    def test_what_was_not_charged_cannot_move(self, ada: User) -> None:
        held(ada, reference="open")
        with pytest.raises(MoreThanCharged) as refusal:
            operations.move_to_house(reference="open", amount_micros=1, reason="unreadable")
        assert refusal.value.charged_micros == 0
        with pytest.raises(UnknownHold):
            operations.move_to_house(reference="unknown", amount_micros=1, reason="unreadable")

    def test_a_moved_overrun_gives_the_room_back(self, ada: User) -> None:
        held(ada, QUOTA_MICROS - DUO, "rest", OCTOBER)
        operations.charge(reference="rest", amount_micros=QUOTA_MICROS)
        assert month(ada, OCTOBER)[3] == -DUO
        operations.move_to_house(reference="rest", amount_micros=QUOTA_MICROS, reason="unreadable")
        assert month(ada, OCTOBER)[3] == QUOTA_MICROS - DUO
        with pytest.raises(InsufficientBudget):
            held(ada, QUOTA_MICROS - DUO + 1, "too much", OCTOBER)

    def test_half_a_move_is_never_written(self, ada: User) -> None:
        with patch.object(budgets, "open_house", side_effect=RuntimeError), pytest.raises(RuntimeError):
            self.move(SONG)
        assert month(ada, OCTOBER)[2] == DUO


class TestGrant:
    def grant(self, person: User, amount_micros: int, reference: str = "extra", now: datetime = NOVEMBER) -> Entry:
        return operations.grant(
            person=person, amount_micros=amount_micros, reference=reference, reason="album", author=person, now=now
        )

    def test_a_grant_adds_to_the_months_quota(self, ada: User) -> None:
        granted = self.grant(ada, 500_000)
        assert line(granted) == ("GRANT", 500_000, 0, 0)
        assert (granted.reason, granted.author_id) == ("album", ada.pk)
        assert month(ada) == (QUOTA_MICROS + 500_000, 0, 0, QUOTA_MICROS + 500_000)
        assert month(ada, OCTOBER)[0] == QUOTA_MICROS

    def test_a_second_grant_changes_nothing_even_a_month_later(self, ada: User) -> None:
        assert self.grant(ada, 500_000, now=OCTOBER) == self.grant(ada, 500_000)
        assert self.grant(ada, -500_000, "back", OCTOBER) == self.grant(ada, -500_000, "back")
        assert month(ada)[0] == QUOTA_MICROS
        assert Budget.objects.count() == 1

    def test_a_reference_stands_for_one_grant_of_one_person(self, ada: User, bo: User) -> None:
        self.grant(ada, 500_000)
        for person, amount in ((ada, 400_000), (bo, 500_000), (ada, -500_000)):
            with pytest.raises(ReferenceConflict):
                self.grant(person, amount)
        assert month(ada)[0] == QUOTA_MICROS + 500_000

    def test_what_nobody_uses_can_be_taken_back_and_not_one_micro_more(self, ada: User) -> None:
        held(ada)
        with pytest.raises(GrantInUse) as refusal:
            self.grant(ada, -(QUOTA_MICROS - SONG + 1))
        assert refusal.value.available_micros == QUOTA_MICROS - SONG
        assert line(self.grant(ada, -(QUOTA_MICROS - SONG))) == ("ADJUST", -(QUOTA_MICROS - SONG), 0, 0)
        assert month(ada) == (SONG, SONG, 0, 0)

    def test_after_an_overrun_nothing_can_be_taken_back(self, ada: User) -> None:
        held(ada)
        operations.charge(reference="song", amount_micros=QUOTA_MICROS + 1)
        with pytest.raises(GrantInUse):
            self.grant(ada, -1)

    @pytest.mark.parametrize("amount", [0, 1.5, 10**12 + 1, -(10**12) - 1])
    def test_a_grant_is_an_integer_that_changes_something(self, ada: User, amount: int) -> None:
        with pytest.raises(InvalidAmount):
            self.grant(ada, amount)


class TestMonths:
    def test_the_month_turns_at_midnight_utc(self, ada: User) -> None:
        held(ada, reference="last", now=OCTOBER)
        held(ada, reference="first", now=OCTOBER + timedelta(microseconds=1))
        assert [f"{budget.month}" for budget in Budget.objects.order_by("month")] == ["2026-10-01", "2026-11-01"]

    @pytest.mark.parametrize(("hours", "name"), [(14, "2026-10"), (-12, "2026-11"), (0, "2026-11")])
    def test_a_local_clock_does_not_move_the_month(self, ada: User, hours: int, name: str) -> None:
        local = datetime(2026, 11, 1, 0, 30, tzinfo=timezone(timedelta(hours=hours)))
        held(ada, now=local)
        assert queries.balance(ada, local).month == name
        assert queries.balance(ada, local).held_micros == SONG

    def test_the_year_turns_too(self, ada: User) -> None:
        december = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
        assert queries.balance(ada, december).resets_at == datetime(2027, 1, 1, tzinfo=UTC)

    def test_a_moment_without_a_time_zone_is_refused(self, ada: User) -> None:
        with pytest.raises(ValueError, match="time zone"):
            held(ada, now=datetime(2026, 11, 1))  # noqa: DTZ001
