"""Quotas: what a month begins with, when a change takes effect, and what is carried over."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger import operations, queries, quotas
from ledger.errors import InsufficientBudget, InvalidAmount, ReasonMissing
from ledger.models import Budget, Entry, Quota
from ledger.quotas import QuotaChange, TakesEffect
from studio.models import User
from tests.ledger.books import assert_balanced
from tests.ledger.conftest import NOVEMBER, OCTOBER, QUOTA_MICROS

NOW, NEXT = TakesEffect.NOW, TakesEffect.NEXT_MONTH
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def change(person: User, micros: Any, takes_effect: TakesEffect = NOW, **more: Any) -> QuotaChange:
    asked = {"reason": "a new album", "author": None, "now": NOVEMBER} | more
    try:
        return quotas.change(person=person, monthly_micros=micros, takes_effect=takes_effect, **asked)
    finally:
        assert_balanced()


def granted(person: User, now: datetime = NOVEMBER) -> int:
    assert_balanced()
    return queries.balance(person, now).granted_micros


def hold(person: User, micros: int, reference: str, now: datetime = NOVEMBER) -> Entry:
    return operations.hold(person=person, amount_micros=micros, reference=reference, now=now)


class TestNow:
    def test_a_raise_is_there_at_once_and_in_the_months_to_come(self, ada: User) -> None:
        hold(ada, 1, "song")
        did = change(ada, 3 * QUOTA_MICROS)
        assert did == QuotaChange(QUOTA_MICROS, 3 * QUOTA_MICROS, granted_delta=2 * QUOTA_MICROS)
        assert (granted(ada), granted(ada, DECEMBER)) == (3 * QUOTA_MICROS, 3 * QUOTA_MICROS)

    def test_what_was_to_begin_next_month_can_be_had_now_after_all(self, ada: User) -> None:
        change(ada, 2 * QUOTA_MICROS, NEXT)
        assert granted(ada) == QUOTA_MICROS
        assert change(ada, 2 * QUOTA_MICROS).granted_delta == QUOTA_MICROS
        assert granted(ada) == 2 * QUOTA_MICROS

    def test_a_cut_takes_back_what_is_available_and_says_what_it_could_not(self, ada: User) -> None:
        hold(ada, 600_000, "song")
        did = change(ada, 500_000)
        assert (did.granted_delta, did.short_micros) == (-400_000, 100_000)
        assert queries.balance(ada, NOVEMBER).available_micros == 0
        with pytest.raises(InsufficientBudget):
            hold(ada, 1, "more")

    def test_after_an_overrun_a_cut_takes_nothing(self, ada: User) -> None:
        hold(ada, QUOTA_MICROS, "song")
        operations.charge(reference="song", amount_micros=QUOTA_MICROS + 5)
        assert change(ada, 0).granted_delta == 0

    def test_grants_beside_the_quota_stay(self, ada: User) -> None:
        operations.grant(person=ada, amount_micros=5, reference="gift", reason="birthday", author=None, now=NOVEMBER)
        change(ada, 2 * QUOTA_MICROS)
        change(ada, 500_000)
        assert granted(ada) == 500_005

    def test_the_same_change_twice_books_once(self, ada: User) -> None:
        change(ada, 2 * QUOTA_MICROS)
        assert change(ada, 2 * QUOTA_MICROS).granted_delta == 0
        assert granted(ada) == 2 * QUOTA_MICROS

    def test_the_default_can_be_gone_back_to(self, ada: User) -> None:
        change(ada, 5)
        assert change(ada, None) == QuotaChange(5, QUOTA_MICROS, granted_delta=QUOTA_MICROS - 5)
        assert Quota.objects.get(person=ada).monthly_micros is None


class TestNextMonth:
    @pytest.mark.parametrize("used", [True, False])
    def test_this_month_stays_what_it_was_whoever_uses_it_first(self, ada: User, used: bool) -> None:
        if used:
            hold(ada, 1, "song")
        assert change(ada, 5, NEXT).granted_delta == 0
        assert (granted(ada), granted(ada, DECEMBER)) == (QUOTA_MICROS, 5)

    def test_a_change_now_after_one_for_next_month_counts_from_what_this_month_has(self, ada: User) -> None:
        change(ada, 2 * QUOTA_MICROS, NEXT)
        assert change(ada, 3 * QUOTA_MICROS).granted_delta == 2 * QUOTA_MICROS
        assert granted(ada) == 3 * QUOTA_MICROS


class TestChange:
    def test_what_is_not_given_stays(self, ada: User) -> None:
        change(ada, 7, frozen=True, rolls_over=True)
        quotas.change(person=ada, takes_effect=NOW, frozen=False, reason="back", author=None)
        quota = Quota.objects.get(person=ada)
        assert (quota.monthly_micros, quota.frozen, quota.rolls_over) == (7, False, True)

    def test_freezing_opens_no_budget(self, ada: User) -> None:
        quotas.change(person=ada, takes_effect=NOW, frozen=True, reason="away", author=None)
        assert quotas.is_frozen(ada)
        assert not Budget.objects.exists()

    @pytest.mark.parametrize("micros", [-1, 10**18, True, 1.5, float("nan"), "5"])
    def test_a_quota_is_a_sensible_amount(self, ada: User, micros: Any) -> None:
        with pytest.raises(InvalidAmount):
            change(ada, micros)
        assert not Quota.objects.exists()

    def test_a_change_says_why(self, ada: User) -> None:
        with pytest.raises(ReasonMissing):
            change(ada, 5, reason=" ")
        assert not Quota.objects.exists()
        assert not Budget.objects.exists()


class TestRollingOver:
    @pytest.fixture(autouse=True)
    def rolls_over(self, ada: User) -> None:
        Quota.objects.create(person=ada, rolls_over=True)

    def test_what_was_left_is_moved_into_the_new_month(self, ada: User) -> None:
        hold(ada, 400_000, "song", OCTOBER)
        assert granted(ada, NOVEMBER) == QUOTA_MICROS + 600_000, "the balance says so beforehand"
        hold(ada, 1, "more")
        assert granted(ada, NOVEMBER) == QUOTA_MICROS + 600_000
        assert queries.balance_of(ada, "2026-10").available_micros == 0
        with pytest.raises(InsufficientBudget):
            hold(ada, 1, "late", OCTOBER)

    def test_what_comes_free_later_stays_in_its_month(self, ada: User) -> None:
        hold(ada, 400_000, "song", OCTOBER)
        hold(ada, 1, "more")
        operations.release(reference="song")
        assert queries.balance_of(ada, "2026-10").available_micros == 400_000
        assert granted(ada, NOVEMBER) == QUOTA_MICROS + 600_000

    def test_months_that_nobody_used_carry_nothing(self, ada: User) -> None:
        hold(ada, QUOTA_MICROS - 7, "song", OCTOBER)
        hold(ada, 1, "more", NEW_YEAR)
        assert granted(ada, NEW_YEAR) == QUOTA_MICROS + 7
        assert [balance.month for balance in queries.months_of(ada)] == ["2027-01", "2026-10"]

    def test_an_overrun_carries_nothing_over(self, ada: User) -> None:
        hold(ada, QUOTA_MICROS, "song", OCTOBER)
        operations.charge(reference="song", amount_micros=QUOTA_MICROS + 5)
        hold(ada, 1, "more")
        assert granted(ada, NOVEMBER) == QUOTA_MICROS

    def test_others_lose_what_they_did_not_use(self, bo: User) -> None:
        hold(bo, 1, "song", OCTOBER)
        hold(bo, 1, "more")
        assert granted(bo) == QUOTA_MICROS

    def test_twelve_quiet_months_add_up_one_by_one(self, ada: User) -> None:
        at = datetime(2026, 1, 15, tzinfo=UTC)
        for number in range(12):
            hold(ada, 1, f"song {number}", at + timedelta(days=30.4 * number))
        assert queries.balance_of(ada, "2026-12").granted_micros == 12 * QUOTA_MICROS - 11
