"""The organisation's own cap: it holds for all people together, counts the house, and never refuses it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction

from ledger import operations, organisation
from ledger.errors import InsufficientBudget, InvalidAmount, OrganisationCapReached, ReferenceConflict, SpentBelowZero
from ledger.models import Entry, OrganisationMonth
from studio.models import User
from tests.ledger.books import assert_balanced
from tests.ledger.conftest import NOVEMBER, OCTOBER, QUOTA_MICROS
from tests.ledger.test_races import race

SONG = 75_000
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


def hold(person: User, reference: str, micros: int = SONG, now: datetime = NOVEMBER) -> Entry:
    try:
        return operations.hold(person=person, amount_micros=micros, reference=reference, now=now)
    finally:
        assert_balanced()


def used(now: datetime = NOVEMBER) -> int:
    assert_balanced()
    return organisation.this_month(now).used_micros


class TestCap:
    def test_all_people_together_hold_no_more_than_it(self, ada: User, bo: User) -> None:
        organisation.set_cap(2 * SONG, NOVEMBER)
        hold(ada, "one")
        hold(bo, "two")
        with pytest.raises(OrganisationCapReached) as refusal:
            hold(ada, "three")
        assert refusal.value.resets_at == DECEMBER
        assert "2" not in refusal.value.message, "its figures are not everybody's business"

    def test_everybodys_own_budget_holds_beside_it(self, ada: User) -> None:
        organisation.set_cap(10 * QUOTA_MICROS, NOVEMBER)
        with pytest.raises(InsufficientBudget):
            hold(ada, "one", QUOTA_MICROS + 1)

    def test_a_month_begins_with_all_of_it(self, ada: User) -> None:
        organisation.set_cap(SONG, NOVEMBER)
        hold(ada, "one")
        hold(ada, "two", now=DECEMBER)
        months = OrganisationMonth.objects.filter(month__in=(NOVEMBER, DECEMBER))
        assert list(months.values_list("cap_micros", "used_micros")) == [(SONG, SONG)] * 2

    def test_what_is_given_back_can_be_held_again(self, ada: User) -> None:
        organisation.set_cap(SONG, NOVEMBER)
        hold(ada, "one")
        operations.release(reference="one")
        hold(ada, "two")
        operations.charge(reference="two", amount_micros=SONG - 5)
        hold(ada, "three", 5)

    def test_a_repeat_is_answered_when_nothing_is_left(self, ada: User, bo: User) -> None:
        organisation.set_cap(SONG, NOVEMBER)
        first = hold(ada, "one")
        assert hold(ada, "one") == first
        with pytest.raises(ReferenceConflict):
            hold(bo, "one")

    def test_the_house_counts_and_is_never_refused(self, ada: User) -> None:
        organisation.set_cap(SONG, NOVEMBER)
        for late in ("a", "b"):
            operations.charge_house(reference=late, amount_micros=SONG, reason="late", now=NOVEMBER)
        assert organisation.this_month(NOVEMBER).left_micros == -SONG
        with pytest.raises(OrganisationCapReached):
            hold(ada, "one", 1)

    def test_moves_and_adjustments_are_counted_too(self, ada: User) -> None:
        organisation.set_cap(QUOTA_MICROS, NOVEMBER)
        hold(ada, "one")
        operations.charge(reference="one", amount_micros=SONG + 5)
        operations.move_to_house(reference="one", amount_micros=10, reason="unreadable")
        assert used() == SONG + 5
        adjustment: dict[str, Any] = {"reason": "fal", "author": None, "now": NOVEMBER}
        operations.adjust(person=ada, spent_micros=-15, reference="less", **adjustment)
        operations.adjust(person=None, spent_micros=5, reference="more", **adjustment)
        assert used() == SONG - 5

    @pytest.mark.django_db
    def test_the_house_gives_back_no_more_than_it_spent(self) -> None:
        organisation.set_cap(QUOTA_MICROS, NOVEMBER)
        with pytest.raises(SpentBelowZero):
            operations.adjust(person=None, spent_micros=-1, reference="less", reason="fal", author=None, now=NOVEMBER)

    def test_october_is_counted_in_october(self, ada: User) -> None:
        organisation.set_cap(QUOTA_MICROS, OCTOBER)
        hold(ada, "one", now=OCTOBER)
        operations.charge(reference="one", amount_micros=5)
        assert used(OCTOBER) == 5


class TestSettingIt:
    def test_without_one_nothing_is_counted(self, ada: User) -> None:
        hold(ada, "one")
        assert not OrganisationMonth.objects.exists()
        assert organisation.this_month(NOVEMBER) == organisation.OrganisationUse("2026-11", None, SONG)
        assert organisation.this_month(NOVEMBER).left_micros is None

    def test_what_was_held_before_counts(self, ada: User) -> None:
        hold(ada, "one")
        organisation.set_cap(2 * SONG - 1, NOVEMBER)
        with pytest.raises(OrganisationCapReached):
            hold(ada, "two")

    def test_one_below_what_is_used_undoes_nothing(self, ada: User) -> None:
        hold(ada, "one")
        organisation.set_cap(1, NOVEMBER)
        operations.charge(reference="one", amount_micros=SONG)
        assert organisation.this_month(NOVEMBER).left_micros == 1 - SONG

    def test_raising_it_makes_room_at_once(self, ada: User) -> None:
        organisation.set_cap(0, NOVEMBER)
        with pytest.raises(OrganisationCapReached):
            hold(ada, "one")
        organisation.set_cap(SONG, NOVEMBER)
        hold(ada, "one")

    def test_taking_it_away_and_setting_it_again_counts_what_came_between(self, ada: User) -> None:
        organisation.set_cap(SONG, NOVEMBER)
        organisation.set_cap(None, NOVEMBER)
        hold(ada, "one", 5 * SONG)
        organisation.set_cap(6 * SONG, NOVEMBER)
        assert OrganisationMonth.objects.get(month=NOVEMBER).used_micros == 5 * SONG
        assert organisation.cap_micros() == 6 * SONG

    @pytest.mark.django_db
    @pytest.mark.parametrize("cap", [-1, 10**18, 1.5, True])
    def test_a_cap_that_makes_no_sense_is_refused(self, cap: int) -> None:
        with pytest.raises(InvalidAmount):
            organisation.set_cap(cap)
        assert organisation.cap_micros() is None


@pytest.mark.django_db(transaction=True)
class TestRaces:
    @pytest.fixture
    def people(self, make_person: Callable[[str], User]) -> list[User]:
        return [make_person(name) for name in ("ada", "bo", "cleo")]

    @pytest.mark.parametrize("month", [NOVEMBER, DECEMBER])
    def test_of_sixty_holds_by_three_people_just_those_under_the_cap_get_in(
        self, people: list[User], month: datetime
    ) -> None:
        """In a month that nobody opened or counted yet: all of them try that at once, too."""
        organisation.set_cap(10 * SONG, OCTOBER)
        results = race(
            60,
            lambda n: operations.hold(person=people[n % 3], amount_micros=SONG, reference=f"song {n}", now=month),
        )
        assert sum(isinstance(result, Entry) for result in results) == 10
        assert used(month) == 10 * SONG

    @pytest.mark.parametrize("when", [0, 20, 40])
    def test_setting_it_amid_holds_counts_every_one_of_them(self, people: list[User], when: int) -> None:
        def live(number: int) -> object:
            if number == when:
                organisation.set_cap(4 * SONG, NOVEMBER)
                return (number,)
            if number % 5 == 0:
                return operations.charge_house(
                    reference=f"late {number}", amount_micros=SONG, reason="late", now=NOVEMBER
                )
            entry = operations.hold(
                person=people[number % 3], amount_micros=SONG, reference=f"song {number}", now=NOVEMBER
            )
            return operations.release(reference=entry.reference) if number % 3 == 0 else entry

        race(60, live)
        month = OrganisationMonth.objects.get(month=NOVEMBER)
        assert month.used_micros == organisation.this_month(NOVEMBER).used_micros
        assert_balanced()

    @pytest.mark.parametrize("counted", [True, False])
    def test_a_month_that_nobody_counts_yet_is_counted_by_the_first(self, ada: User, counted: bool) -> None:
        organisation.set_cap(2 * SONG, NOVEMBER)
        if not counted:
            OrganisationMonth.objects.all().delete()
        operations.charge_house(reference="late", amount_micros=SONG, reason="late", now=NOVEMBER)
        assert organisation.left_micros(NOVEMBER) == SONG
        hold(ada, "one")
        with pytest.raises(OrganisationCapReached):
            hold(ada, "two")

    def test_the_turn_of_a_month_amid_long_transactions_is_no_deadlock(self, people: list[User]) -> None:
        organisation.set_cap(QUOTA_MICROS, OCTOBER)
        for number in range(6):
            hold(people[number % 3], f"october {number}", 5, OCTOBER)

        def end_and_begin(number: int) -> Entry:
            operations.release(reference=f"october {number}")
            return operations.hold(
                person=people[number % 3], amount_micros=5, reference=f"november {number}", now=NOVEMBER
            )

        results = race(6, lambda number: in_one_transaction(end_and_begin, number))
        assert all(isinstance(result, Entry) for result in results)
        assert_balanced()

    def test_releases_house_charges_and_moves_at_once_never_wait_in_a_circle(self, people: list[User]) -> None:
        organisation.set_cap(QUOTA_MICROS * 3, NOVEMBER)
        for number in range(40):
            hold_for = people[number % 3]
            operations.hold(person=hold_for, amount_micros=1_000, reference=f"song {number}", now=NOVEMBER)

        def end(number: int) -> Entry | tuple[Entry, Entry]:
            reference = f"song {number}"
            match number % 3:
                case 0:
                    operations.release(reference=reference)
                    return operations.charge_house(reference=reference, amount_micros=5, reason="late", now=NOVEMBER)
                case 1:
                    operations.charge(reference=reference, amount_micros=700)
                    return operations.move_to_house(reference=reference, amount_micros=300, reason="unreadable")
                case _:
                    operations.charge(reference=reference, amount_micros=900)
                    return operations.adjust(
                        person=people[number % 3], spent_micros=-5, reference=f"fix {number}", reason="fix",
                        author=None, house_pays=True, now=NOVEMBER,
                    )  # fmt: skip

        results = race(40, lambda number: in_one_transaction(end, number))
        assert not any(isinstance(result, Exception) for result in results)
        assert_balanced()


def in_one_transaction(work: Callable[[int], object], number: int) -> object:
    with transaction.atomic():
        return work(number)
