"""An admin lets the house settle a line: once, for the amount that was seen, and the next run is equal."""

from typing import Any

import pytest

from ledger import operations as ledger
from ledger.errors import ReasonMissing
from ledger.models import Entry
from studio import comparison, reconciliation
from studio.models import LineKind, ReconciliationLine, User
from studio.reconciliation import BillOutOfReach, HouseSpentLess, LineNotBookable, LineOutdated
from tests.ledger.books import assert_balanced
from tests.studio.people import house_micros, race
from tests.studio.reconciliation.bills import INPAINT, SONG, Bill, reconciled, song

WHY = "fal billed it"


def only_line() -> ReconciliationLine:
    [line] = reconciliation.lines(reconciliation.run())
    return line


def house_has_spent(micros: int) -> None:
    ledger.charge_house(reference="other", amount_micros=micros, reason="another song")


def test_every_entry_about_a_song_counts_half_a_move_too(bill: Bill, ada: User) -> None:
    """No operation writes one; were it there, the books would not be what fal bills."""
    generation = song(ada)
    bill.add(generation.request_id)
    hold = Entry.objects.get(kind="HOLD", reference=generation.hold_reference)
    half = {"kind": "ADJUST", "spent_delta": -25_000, "reason": "x"}
    Entry.objects.create(budget=hold.budget, reference=hold.reference, hold=hold, **half)
    line = only_line()
    assert (line.kind, line.ours_micros, line.fals_micros) == (LineKind.DIFFERS, 50_000, SONG)


def test_what_fal_billed_alone_goes_to_the_house_and_the_next_run_is_equal(bill: Bill, ada: User, bo: User) -> None:
    bill.add("unheard-of", endpoint_id=INPAINT)
    line = reconciliation.book(only_line(), author=bo, reason=WHY)
    assert line.booked_at is not None
    assert line.booked_by == bo
    entry = Entry.objects.get(reference="fal:unheard-of")
    assert (entry.kind, entry.spent_delta, entry.label, entry.reason) == ("CHARGE", SONG, "inpaint", WHY)
    assert entry.author_id == bo.pk
    assert house_micros() == SONG
    answer = reconciled()
    assert (answer.code, answer.json["matched"]) == (0, 1)
    assert_balanced()


def test_what_fal_billed_beyond_a_charge_goes_to_the_house(bill: Bill, ada: User) -> None:
    generation = song(ada)
    bill.add(generation.request_id, 112_500)
    reconciliation.book(only_line(), author=ada, reason=WHY)
    assert house_micros() == 112_500 - SONG
    assert reconciled().code == 0
    assert_balanced()


def test_what_fal_billed_less_is_taken_from_the_house(bill: Bill, ada: User) -> None:
    generation = song(ada)
    bill.add(generation.request_id, 50_000)
    house_has_spent(SONG)
    reconciliation.book(only_line(), author=ada, reason=WHY)
    assert house_micros() == 50_000
    assert Entry.objects.get(reference=f"fal:{generation.request_id}").kind == "ADJUST"
    assert reconciled().code == 0
    assert_balanced()


def test_the_house_does_not_go_below_nought(ada: User) -> None:
    song(ada)
    line = only_line()
    house_has_spent(SONG - 1)
    with pytest.raises(HouseSpentLess, match="house"):
        reconciliation.book(line, author=ada, reason=WHY)
    line.refresh_from_db()
    assert line.booked_at is None
    assert house_micros() == SONG - 1


def test_what_is_given_back_to_the_person_under_the_next_reference_counts(ada: User) -> None:
    generation = song(ada)
    request_id = str(generation.request_id)
    ledger.adjust(
        person=ada,
        spent_micros=-SONG,
        reference=comparison.correction_reference(request_id),
        reason="fal never billed it",
        author=ada,
    )
    assert reconciled().code == 0


def test_booking_twice_books_once(bill: Bill, ada: User, bo: User) -> None:
    bill.add("unheard-of")
    line = only_line()
    first = reconciliation.book(line, author=ada, reason=WHY)
    bill.sim.set_mood(call="platform", answer_status=500)
    second = reconciliation.book(line, author=bo, reason="again, and fal need not be asked")
    assert (second.booked_at, second.booked_by) == (first.booked_at, ada)
    assert house_micros() == SONG


def test_the_same_request_s_line_of_another_run_is_outdated(bill: Bill, ada: User) -> None:
    bill.add("unheard-of")
    earlier, later = only_line(), only_line()
    reconciliation.book(earlier, author=ada, reason=WHY)
    with pytest.raises(LineOutdated, match=r"\$0.00 now, and by \$0.075"):
        reconciliation.book(later, author=ada, reason=WHY)
    assert house_micros() == SONG


def test_what_was_settled_meanwhile_is_outdated(bill: Bill, ada: User) -> None:
    generation = song(ada, state="FAILED")
    bill.add(generation.request_id)
    line = only_line()
    ledger.charge_house(reference=generation.hold_reference, amount_micros=SONG, reason="success after a release")
    with pytest.raises(LineOutdated):
        reconciliation.book(line, author=ada, reason=WHY)
    assert house_micros() == SONG


def test_what_fal_billed_meanwhile_is_outdated(bill: Bill, ada: User) -> None:
    generation = song(ada)
    line = only_line()
    house_has_spent(SONG)
    bill.add(generation.request_id)
    with pytest.raises(LineOutdated):
        reconciliation.book(line, author=ada, reason=WHY)
    assert house_micros() == SONG


def test_what_fal_bills_after_a_booking_can_be_booked_as_well(bill: Bill, ada: User) -> None:
    bill.add("unheard-of")
    reconciliation.book(only_line(), author=ada, reason=WHY)
    for more, reference in ((25_000, "fal-2:unheard-of"), (-50_000, "fal-3:unheard-of")):
        bill.add("unheard-of", more)
        line = only_line()
        assert line.difference_micros == more
        reconciliation.book(line, author=ada, reason=WHY)
        assert Entry.objects.get(reference=reference).spent_delta == more
    assert house_micros() == 50_000
    assert reconciled().code == 0
    assert_balanced()


def test_a_price_can_not_be_booked(bill: Bill, ada: User) -> None:
    bill.list_prices({INPAINT: {"unit_price": 0.08}})
    with pytest.raises(LineNotBookable):
        reconciliation.book(only_line(), author=ada, reason=WHY)


def test_what_is_under_way_can_not_be_booked(bill: Bill, ada: User) -> None:
    generation = song(ada, state="RUNNING")
    bill.add(generation.request_id)
    line = only_line()
    assert line.kind == LineKind.UNDER_WAY
    with pytest.raises(LineNotBookable):
        reconciliation.book(line, author=ada, reason=WHY)
    assert house_micros() == 0


@pytest.mark.parametrize("micros", [SONG, 50_000])
def test_without_a_reason_nothing_is_booked(bill: Bill, ada: User, micros: int) -> None:
    generation = song(ada)
    bill.add(generation.request_id, micros + 1)
    house_has_spent(SONG)
    line = only_line()
    with pytest.raises(ReasonMissing):
        reconciliation.book(line, author=ada, reason="  ")
    line.refresh_from_db()
    assert line.booked_at is None
    assert house_micros() == SONG


@pytest.mark.parametrize("mood", [{"answer_status": 503}, {"answer_status": 403}, {"answer_status": 429}], ids=str)
def test_without_fal_nothing_is_booked(bill: Bill, ada: User, mood: dict[str, Any]) -> None:
    bill.add("unheard-of")
    line = only_line()
    bill.sim.set_mood(call="platform", **mood)
    with pytest.raises(BillOutOfReach, match=str(mood["answer_status"])):
        reconciliation.book(line, author=ada, reason=WHY)
    assert house_micros() == 0


@pytest.mark.django_db(transaction=True)
def test_eight_admins_who_book_at_once_book_once(bill: Bill, ada: User) -> None:
    bill.add("unheard-of")
    found = [only_line(), only_line()]
    answers = race(8, lambda number: reconciliation.book(found[number % 2], author=ada, reason=WHY))
    assert house_micros() == SONG
    assert Entry.objects.filter(reference__contains="unheard-of").count() == 1
    assert sum(not isinstance(answer, Exception) for answer in answers) == 4
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {LineOutdated}
    assert ReconciliationLine.objects.exclude(booked_at=None).count() == 1
    assert_balanced()
