"""Months as the ledger counts them: in UTC, named by their first day."""

import re
from datetime import UTC, date, datetime, time

from django.utils import timezone

from ledger.errors import InvalidMonth, MonthToCome

MONTH_PATTERN = "([1-9][0-9]{3})-(0[1-9]|1[0-2])"
_MONTH = re.compile(MONTH_PATTERN)


def month_of(now: datetime | None = None) -> date:
    """The first day of the month that the moment belongs to, in UTC, wherever its own clock stands."""
    now = now or timezone.now()
    if timezone.is_naive(now):
        raise ValueError("A moment without a time zone belongs to no month.")
    return now.astimezone(UTC).date().replace(day=1)


def start_of(month: date) -> datetime:
    return datetime.combine(month, time(), UTC)


def resets_at(month: date) -> datetime:
    """When the next month's budget begins."""
    year, following = divmod(month.year * 12 + month.month, 12)
    return datetime.combine(date(year, following + 1, 1), time(), UTC)


def month_name(month: date) -> str:
    return f"{month:%Y-%m}"


def parse_month(name: str) -> date:
    """The first day of a month named like ``2026-11``.

    :raises InvalidMonth: for any other form.
    """
    match = _MONTH.fullmatch(name)
    if match is None:
        raise InvalidMonth(name)
    return date(int(match[1]), int(match[2]), 1)


def parse_begun_month(name: str) -> date:
    """As `parse_month`, for a month that there can be books of: this one or an earlier one.

    :raises MonthToCome: it has not begun yet.
    """
    month = parse_month(name)
    if month > month_of():
        raise MonthToCome(name)
    return month
