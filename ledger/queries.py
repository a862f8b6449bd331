"""Reads of the ledger; none of them writes, so looking at a balance opens no budget."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Exists, OuterRef, QuerySet, Sum

from ledger import budgets, months
from ledger.models import RESOLUTIONS, Budget, Entry, EntryKind, Spending

PAGE_ENTRIES = 50
MAX_PAGE_ENTRIES = 200


@dataclass(frozen=True, slots=True)
class Balance:
    """A person's month: granted = available + held + spent. Available is negative after a charge above its hold."""

    month: str
    granted_micros: int
    held_micros: int
    spent_micros: int
    available_micros: int
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Entries, newest first; `next_cursor` leads to the older ones, and is None on the last page."""

    month: str
    entries: list[Entry]
    next_cursor: int | None


@dataclass(frozen=True, slots=True)
class DaySpending:
    """Negative where more was given back on that day than spent."""

    day: date
    label: str
    spent_micros: int


def balance(person: AbstractBaseUser, now: datetime | None = None) -> Balance:
    """The person's budget of the month of `now`; where there is none yet, what it will begin with."""
    month = months.month_of(now)
    budget = _budget(person, month)
    return _balance(budget or _empty(month, budgets.first_grant_micros(person, month)))


def balance_of(person: AbstractBaseUser, month: str) -> Balance:
    """A month like ``2026-11`` as it stands in the books: with nothing granted where no budget was opened.

    :raises InvalidMonth: when the month has another form.
    """
    first_day = months.parse_month(month)
    return _balance(_budget(person, first_day) or _empty(first_day, 0))


def months_of(person: AbstractBaseUser) -> list[Balance]:
    """The person's months with a budget, newest first."""
    return [_balance(budget) for budget in Budget.objects.filter(person_id=person.pk).order_by("-month")]


def entries(
    person: AbstractBaseUser, month: str | None = None, cursor: int | None = None, limit: int = PAGE_ENTRIES
) -> EntryPage:
    """A page of the person's statement of a month like ``2026-11`` (without one, this month's).

    :raises InvalidMonth: when the month has another form.
    """
    first_day = months.parse_month(month) if month is not None else months.month_of()
    limit = max(1, min(limit, MAX_PAGE_ENTRIES))
    budget = _budget(person, first_day)
    if budget is None:
        return EntryPage(months.month_name(first_day), [], None)
    found = Entry.objects.filter(budget=budget).order_by("-id")
    if cursor is not None:
        found = found.filter(id__lt=cursor)
    page = list(found[: limit + 1])
    following = page[limit - 1].pk if len(page) > limit else None
    return EntryPage(months.month_name(first_day), page[:limit], following)


def statement(person: AbstractBaseUser, month: str) -> Iterator[Entry]:
    """Every entry of a month, oldest first, a few at a time: a month of any length costs the same memory.

    :raises InvalidMonth: when the month has another form.
    """
    budget = _budget(person, months.parse_month(month))
    return Entry.objects.filter(budget=budget).order_by("id").iterator(chunk_size=500) if budget else iter(())


def spending(person: AbstractBaseUser, month: str) -> list[DaySpending]:
    """What a month's days cost, by label, in order of days.

    :raises InvalidMonth: when the month has another form.
    """
    days = Spending.objects.filter(budget__person_id=person.pk, budget__month=months.parse_month(month))
    rows = days.order_by("day", "label").values_list("day", "label", "spent_micros")
    return [DaySpending(day, label, micros) for day, label, micros in rows]


def _budget(person: AbstractBaseUser, month: date) -> Budget | None:
    return Budget.objects.filter(person_id=person.pk, month=month).first()


def _empty(month: date, granted_micros: int) -> Budget:
    return Budget(month=month, granted_micros=granted_micros, held_micros=0, spent_micros=0)


def _balance(budget: Budget) -> Balance:
    return Balance(
        month=months.month_name(budget.month),
        granted_micros=budget.granted_micros,
        held_micros=budget.held_micros,
        spent_micros=budget.spent_micros,
        available_micros=budget.available_micros,
        resets_at=months.resets_at(budget.month),
    )


def total_spent_micros(month: str | None = None) -> int:
    """What all people and the house spent, in one month like ``2026-11`` or ever: this is what fal's bill must say.

    :raises InvalidMonth: when the month has another form.
    """
    budgets = Budget.objects.all()
    if month is not None:
        budgets = budgets.filter(month=months.parse_month(month))
    return int(budgets.aggregate(total=Sum("spent_micros", default=0))["total"])


def open_holds() -> QuerySet[Entry]:
    """Holds that neither a charge nor a release has ended, oldest first."""
    outcomes = Entry.objects.filter(hold=OuterRef("pk"), kind__in=RESOLUTIONS)
    return Entry.objects.filter(~Exists(outcomes), kind=EntryKind.HOLD).select_related("budget").order_by("id")
