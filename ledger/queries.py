"""Reads of the ledger; none of them writes, so looking at a balance opens no budget."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Exists, OuterRef, QuerySet, Sum

from ledger import quotas
from ledger.models import RESOLUTIONS, Budget, Entry, EntryKind

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


def balance(person: AbstractBaseUser, now: datetime | None = None) -> Balance:
    """The person's budget of the month of `now`; where there is none yet, what it will begin with."""
    month = quotas.month_of(now)
    budget = Budget.objects.filter(person_id=person.pk, month=month).first()
    if budget is None:
        budget = Budget(granted_micros=quotas.monthly_micros(person), held_micros=0, spent_micros=0)
    return Balance(
        month=quotas.month_name(month),
        granted_micros=budget.granted_micros,
        held_micros=budget.held_micros,
        spent_micros=budget.spent_micros,
        available_micros=budget.available_micros,
        resets_at=quotas.resets_at(month),
    )


def entries(
    person: AbstractBaseUser, month: str | None = None, cursor: int | None = None, limit: int = PAGE_ENTRIES
) -> EntryPage:
    """A page of the person's statement of a month like ``2026-11`` (without one, this month's).

    :raises InvalidMonth: when the month has another form.
    """
    first_day = quotas.parse_month(month) if month is not None else quotas.month_of()
    limit = max(1, min(limit, MAX_PAGE_ENTRIES))
    found = Entry.objects.filter(budget__person_id=person.pk, budget__month=first_day).order_by("-id")
    if cursor is not None:
        found = found.filter(id__lt=cursor)
    page = list(found[: limit + 1])
    following = page[limit - 1].pk if len(page) > limit else None
    return EntryPage(quotas.month_name(first_day), page[:limit], following)


def total_spent_micros(month: str | None = None) -> int:
    """What all people and the house spent, in one month like ``2026-11`` or ever: this is what fal's bill must say.

    :raises InvalidMonth: when the month has another form.
    """
    budgets = Budget.objects.all()
    if month is not None:
        budgets = budgets.filter(month=quotas.parse_month(month))
    return int(budgets.aggregate(total=Sum("spent_micros", default=0))["total"])


def open_holds() -> QuerySet[Entry]:
    """Holds that neither a charge nor a release has ended, oldest first."""
    outcomes = Entry.objects.filter(hold=OuterRef("pk"), kind__in=RESOLUTIONS)
    return Entry.objects.filter(~Exists(outcomes), kind=EntryKind.HOLD).select_related("budget").order_by("id")
