"""Corrections of what was spent: with a reason, within what was spent, and with fal's bill still whole."""

from typing import Any

import pytest

from ledger import operations, queries
from ledger.errors import InsufficientBudget, InvalidAmount, ReasonMissing, ReferenceConflict, SpentBelowZero
from ledger.models import Entry, EntryKind
from studio.models import User
from tests.ledger.books import assert_balanced
from tests.ledger.conftest import NOVEMBER, OCTOBER, QUOTA_MICROS

SONG = 75_000


@pytest.fixture
def spent(ada: User) -> User:
    operations.hold(person=ada, amount_micros=SONG, reference="song", label="extend", now=NOVEMBER)
    operations.charge(reference="song", amount_micros=SONG)
    return ada


def adjust(person: User | None, micros: int, **changes: Any) -> Entry:
    asked = {"reference": "fix", "reason": "fal took it back", "author": None, "now": NOVEMBER} | changes
    try:
        return operations.adjust(person=person, spent_micros=micros, **asked)
    finally:
        assert_balanced()


def spent_of(person: User) -> int:
    return queries.balance(person, NOVEMBER).spent_micros


def test_what_was_spent_can_be_given_back(spent: User) -> None:
    entry = adjust(spent, -SONG, author=spent)
    assert (entry.kind, entry.spent_delta, entry.author_id) == (EntryKind.ADJUST, -SONG, spent.pk)
    assert (spent_of(spent), queries.total_spent_micros()) == (0, 0)


def test_where_the_house_pays_the_whole_stays_what_fal_billed(spent: User) -> None:
    adjust(spent, -SONG, house_pays=True)
    assert (spent_of(spent), queries.total_spent_micros("2026-11")) == (0, SONG)


def test_a_repeat_is_the_same_entry_even_a_month_later(spent: User) -> None:
    first = adjust(spent, -SONG, house_pays=True)
    assert adjust(spent, -SONG, house_pays=True, now=OCTOBER) == first
    assert Entry.objects.filter(kind=EntryKind.ADJUST).count() == 2


@pytest.mark.parametrize("again", [{"spent_micros": -1}, {"person": None}])
def test_a_reference_stands_for_one_adjustment(spent: User, again: dict[str, Any]) -> None:
    adjust(spent, -SONG)
    asked: dict[str, Any] = {"person": spent, "spent_micros": -SONG, "reference": "fix", "reason": "x", "author": None}
    with pytest.raises(ReferenceConflict):
        operations.adjust(**asked | again, now=NOVEMBER)
    assert spent_of(spent) == 0


@pytest.mark.parametrize("house_pays", [True, False])
def test_no_more_can_be_given_back_than_was_spent(spent: User, house_pays: bool) -> None:
    with pytest.raises(SpentBelowZero) as refusal:
        adjust(spent, -SONG - 1, house_pays=house_pays)
    assert refusal.value.spent_micros == SONG
    assert (spent_of(spent), queries.total_spent_micros()) == (SONG, SONG)


def test_the_house_does_not_fall_below_nothing_either(spent: User) -> None:
    with pytest.raises(SpentBelowZero):
        adjust(None, -1)
    operations.charge_house(reference="late", amount_micros=SONG, reason="late", now=NOVEMBER)
    adjust(None, -SONG)
    assert queries.total_spent_micros() == SONG


def test_a_correction_upwards_takes_what_is_available_and_no_more(spent: User) -> None:
    with pytest.raises(InsufficientBudget):
        adjust(spent, QUOTA_MICROS)
    adjust(spent, QUOTA_MICROS - SONG)
    assert queries.balance(spent, NOVEMBER).available_micros == 0


def test_half_of_a_pair_is_never_written(spent: User) -> None:
    """The house has nothing spent, so it can't take a charge over the other way round."""
    with pytest.raises(SpentBelowZero):
        adjust(spent, SONG, house_pays=True)
    assert spent_of(spent) == SONG


@pytest.mark.parametrize("micros", [0, 1.5, True, 10**18, -(10**18), float("nan"), "75000"])
def test_an_adjustment_is_an_integer_that_changes_something(spent: User, micros: Any) -> None:
    with pytest.raises(InvalidAmount):
        adjust(spent, micros)


@pytest.mark.parametrize("reason", ["", " \n"])
def test_an_adjustment_says_why(spent: User, reason: str) -> None:
    with pytest.raises(ReasonMissing):
        adjust(spent, -1, reason=reason)


def test_the_house_cannot_take_over_from_itself() -> None:
    with pytest.raises(ValueError, match="itself"):
        operations.adjust(person=None, spent_micros=1, reference="x", reason="x", author=None, house_pays=True)


def test_days_and_labels_are_summed_as_they_are_booked(spent: User) -> None:
    operations.move_to_house(reference="song", amount_micros=5_000, reason="unreadable")
    (day,) = queries.spending(spent, "2026-11")
    assert (day.label, day.spent_micros) == ("extend", SONG - 5_000)
    adjust(spent, -1_000)
    assert [(day.label, day.spent_micros) for day in queries.spending(spent, "2026-11")] == [
        ("", -1_000),
        ("extend", SONG - 5_000),
    ]


@pytest.mark.parametrize("first", [True, False])
def test_who_pays_is_part_of_what_a_reference_stands_for(spent: User, first: bool) -> None:
    adjust(spent, -5, house_pays=first)
    with pytest.raises(ReferenceConflict):
        adjust(spent, -5, house_pays=not first)


def test_an_overrun_that_was_moved_away_widens_no_adjustment(spent: User) -> None:
    """The constraint alone would let it through: it leaves out what charges once took above their holds."""
    operations.hold(person=spent, amount_micros=1, reference="dear", now=NOVEMBER)
    operations.charge(reference="dear", amount_micros=500_000)
    operations.move_to_house(reference="dear", amount_micros=500_000, reason="unreadable")
    with pytest.raises(InsufficientBudget):
        adjust(spent, QUOTA_MICROS - SONG + 1)
    adjust(spent, QUOTA_MICROS - SONG)


def test_what_was_given_back_already_cannot_move_to_the_house(spent: User) -> None:
    adjust(spent, -SONG)
    with pytest.raises(SpentBelowZero):
        operations.move_to_house(reference="song", amount_micros=SONG, reason="unreadable")
    assert (spent_of(spent), queries.total_spent_micros()) == (0, 0)
