"""Each guard of the ledger is needed: without it, the race or the sequence that it stands against goes wrong."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from django.db import DatabaseError, connection

from ledger import audit, operations, organisation
from ledger.errors import LedgerError
from ledger.models import Budget, Entry, Quota
from studio.models import User
from tests.ledger.conftest import NOVEMBER, OCTOBER, QUOTA_MICROS
from tests.ledger.functions import mutated
from tests.ledger.test_races import race, without_the_check

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TENTH = QUOTA_MICROS // 10
ROUNDS = 20
FITS = "WHERE id = budget.id AND held_micros + spent_micros + amount <= granted_micros"
ROOM = "WHERE month = in_month AND used_micros + amount <= cap_micros"
EMPTY = "TRUNCATE ledger_entry, ledger_budget, ledger_spending, ledger_organisationmonth CASCADE"
Probe = Callable[[list[User]], bool]


@pytest.fixture
def people(make_person: Callable[[str], User]) -> list[User]:
    return [make_person(name) for name in ("ada", "bo", "cleo")]


def hold(person: User, reference: str, micros: int = TENTH) -> Entry:
    return operations.hold(person=person, amount_micros=micros, reference=reference, now=NOVEMBER)


def at_once(count: int, work: Callable[[int], object]) -> int:
    """How many of so many got through."""
    return sum(not isinstance(result, Exception) for result in race(count, work))


def overspent(people: list[User]) -> bool:
    at_once(100, lambda number: hold(people[0], f"song {number}"))
    return Budget.objects.get().held_micros > QUOTA_MICROS


def cap_overspent(people: list[User]) -> bool:
    organisation.set_cap(QUOTA_MICROS, NOVEMBER)
    at_once(100, lambda number: hold(people[number % 3], f"song {number}"))
    return organisation.this_month(NOVEMBER).used_micros > QUOTA_MICROS


def drifted(people: list[User]) -> bool:
    """Everything once, one after the other."""
    organisation.set_cap(10 * QUOTA_MICROS, NOVEMBER)
    for number, spent in enumerate((TENTH, 5, 2 * TENTH)):
        hold(people[0], f"song {number}")
        operations.charge(reference=f"song {number}", amount_micros=spent)
    operations.move_to_house(reference="song 0", amount_micros=5, reason="unreadable")
    operations.charge_house(reference="late", amount_micros=5, reason="late", now=NOVEMBER)
    operations.adjust(person=people[0], spent_micros=-5, reference="fix", reason="fal", author=None, now=NOVEMBER)
    return bool(list(audit.drifts()))


def miscounted(people: list[User]) -> bool:
    """A cap that is set while people hold and the house is charged."""

    def live(number: int) -> object:
        if number == 20:
            organisation.set_cap(QUOTA_MICROS, NOVEMBER)
            return (number,)
        if number % 2:
            return operations.charge_house(reference=f"{number}", amount_micros=5, reason="late", now=NOVEMBER)
        return hold(people[number % 3], f"song {number}", 5)

    for _ in range(5):
        at_once(60, live)
        if list(audit.drifts()):
            return True
        with connection.cursor() as cursor:
            cursor.execute(EMPTY)
            cursor.execute("TRUNCATE ledger_organisation")
    return False


def froze_nobody(people: list[User]) -> bool:
    Quota.objects.create(person=people[0], frozen=True)
    return at_once(1, lambda _: hold(people[0], "song")) == 1


def took_too_much_back(people: list[User]) -> bool:
    hold(people[0], "song", QUOTA_MICROS)
    grant = {"person": people[0], "reason": "x", "author": None, "now": NOVEMBER}
    try:
        operations.grant(amount_micros=-5, reference="cut", **grant)  # type: ignore[arg-type]
    except LedgerError:
        return False
    return Budget.objects.get().available_micros < 0


def adjusted_too_much(people: list[User]) -> bool:
    hold(people[0], "dear", 1)
    operations.charge(reference="dear", amount_micros=5 * TENTH)
    operations.move_to_house(reference="dear", amount_micros=5 * TENTH, reason="unreadable")
    more = {"reference": "fix", "reason": "fal", "author": None, "now": NOVEMBER}
    try:
        operations.adjust(person=people[0], spent_micros=QUOTA_MICROS + 1, **more)  # type: ignore[arg-type]
    except LedgerError:
        return False
    return True


def carried_twice(people: list[User]) -> bool:
    Quota.objects.create(person=people[0], rolls_over=True)
    operations.hold(person=people[0], amount_micros=1, reference="october", now=OCTOBER)
    hold(people[0], "song", 1)
    return sum(budget.granted_micros for budget in Budget.objects.all()) > 2 * QUOTA_MICROS


@contextmanager
def open_to_change() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_entry DISABLE TRIGGER entry_append_only")
        yield
        cursor.execute("ALTER TABLE ledger_entry ENABLE TRIGGER entry_append_only")


def changed(people: list[User]) -> bool:
    entry = hold(people[0], "song")
    try:
        return Entry.objects.filter(pk=entry.pk).update(reason="rewritten") == 1
    except DatabaseError:
        return False


GUARDS: dict[str, tuple[list[Callable[[], object]], Probe]] = {
    "the hold's condition": (
        [lambda: mutated("ledger_hold", FITS, "WHERE id = budget.id"), without_the_check], overspent,
    ),
    "the cap's condition": ([lambda: mutated("ledger_hold", ROOM, "WHERE month = in_month")], cap_overspent),
    "the look at who is frozen": ([lambda: mutated("ledger_hold", "AND frozen", "AND FALSE")], froze_nobody),
    "the overrun of a charge": (
        [lambda: mutated("ledger_resolve", "overrun_micros + GREATEST", "0 * GREATEST")], drifted,
    ),
    "the month's count of a charge": (
        [lambda: mutated("ledger_resolve", "IF entry.held_delta + entry.spent_delta <> 0", "IF FALSE")], drifted,
    ),
    "the day's count of a charge": (
        [lambda: mutated("ledger_resolve", "IF entry.spent_delta <> 0", "IF FALSE")], drifted,
    ),
    "the day's count of the rest": ([lambda: mutated("ledger_book", "IF spent <> 0", "IF FALSE")], drifted),
    "the month's count of the house": (
        [lambda: mutated("ledger_book", "IF counts AND whose.kind = 'HOUSE'", "IF FALSE")], drifted,
    ),
    "the month's count of an adjustment": (
        [lambda: mutated("ledger_book", "IF counts AND whose.kind = 'PERSON'", "IF FALSE")], drifted,
    ),
    "that a move counts for nothing": (
        [lambda: mutated("ledger_book", "spent <> 0 AND given_hold IS NULL", "spent > 0")], drifted,
    ),
    "that the house says it will book": (
        [lambda: mutated("ledger_book", "LOCK TABLE ledger_budget IN ROW EXCLUSIVE MODE", "NULL")], miscounted,
    ),
    "the condition of taking back": (
        [
            lambda: mutated("ledger_take_back", "AND held_micros + spent_micros <= granted_micros + granted", ""),
            without_the_check,
        ],
        took_too_much_back,
    ),
    "the condition of an adjustment": (
        [lambda: mutated("ledger_book", "spent <= 0 OR NOT counts", "TRUE")], adjusted_too_much,
    ),
    "the trigger": ([open_to_change], changed),
}  # fmt: skip


def ever(goes_wrong: Probe, people: list[User]) -> bool:
    """Whether it goes wrong in some of the rounds: where the machine is busy, threads may happen to queue up nicely."""
    for _ in range(ROUNDS):
        try:
            if goes_wrong(people):
                return True
        finally:
            with connection.cursor() as cursor:
                cursor.execute(EMPTY)
                cursor.execute("TRUNCATE ledger_organisation, ledger_quota")
    return False


@pytest.mark.parametrize("guard", GUARDS)
def test_without_it_things_go_wrong_and_with_it_they_do_not(people: list[User], guard: str) -> None:
    removals, goes_wrong = GUARDS[guard]
    with ExitStack() as stack:
        for removal in removals:
            stack.enter_context(removal())  # type: ignore[arg-type]
        assert ever(goes_wrong, people), "the guard is not needed, or the probe can't see why"
    assert not goes_wrong(people)


def test_what_is_carried_over_is_gone_from_where_it_was(people: list[User]) -> None:
    assert not carried_twice(people)
