"""What a person may spend, and in which month: quotas, freezing, and months as the ledger counts them, in UTC."""

import re
from datetime import UTC, date, datetime, time

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from ledger.errors import InvalidMonth
from ledger.models import Quota

_MONTH = re.compile(r"([1-9][0-9]{3})-(0[1-9]|1[0-2])")


def monthly_micros(person: AbstractBaseUser) -> int:
    """What each month's budget starts with: the person's own quota, else the studio's default."""
    own = Quota.objects.filter(person_id=person.pk).values_list("monthly_micros", flat=True).first()
    return default_micros() if own is None else own


def default_micros() -> int:
    return int(settings.NEOAPEX_MONTHLY_BUDGET)


def is_frozen(person: AbstractBaseUser) -> bool:
    return Quota.objects.filter(person_id=person.pk, frozen=True).exists()


def set_frozen(person: AbstractBaseUser, *, frozen: bool) -> None:
    """Freeze or unfreeze: a frozen person starts nothing new, and what is held already still ends as it would."""
    Quota.objects.update_or_create(person_id=person.pk, defaults={"frozen": frozen})


def month_of(now: datetime | None = None) -> date:
    """The first day of the month that the moment belongs to, in UTC, wherever its own clock stands."""
    now = now or timezone.now()
    if timezone.is_naive(now):
        raise ValueError("A moment without a time zone belongs to no month.")
    return now.astimezone(UTC).date().replace(day=1)


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
