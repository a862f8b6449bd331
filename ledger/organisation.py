"""What everybody together may spend in a month, where an admin says so; the house counts and is never refused."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection, transaction
from django.db.models import F, Sum

from ledger import months, statements
from ledger.models import Budget, Organisation, OrganisationMonth
from ledger.money import check_micros

MONTHS_AHEAD = 12


@dataclass(frozen=True, slots=True)
class OrganisationUse:
    """A month of everybody together. `cap_micros` and `left_micros` are None without a cap; left may be negative."""

    month: str
    cap_micros: int | None
    used_micros: int

    @property
    def left_micros(self) -> int | None:
        return None if self.cap_micros is None else self.cap_micros - self.used_micros


def cap_micros() -> int | None:
    return Organisation.objects.values_list("monthly_cap_micros", flat=True).first()


def set_cap(cap: int | None, now: datetime | None = None) -> None:
    """Cap what everybody may hold and spend, from this month on; None takes the cap away.

    Nothing that is held or spent is undone by a cap below it: new holds are refused until there is room.

    :raises InvalidAmount: below nought, or above a million dollars.
    """
    if cap is not None:
        check_micros(cap, at_least=0)
    with transaction.atomic():
        _stop_booking()
        Organisation.objects.update_or_create(pk=1, defaults={"monthly_cap_micros": cap})
        if cap is None:
            OrganisationMonth.objects.all().delete()
        else:
            OrganisationMonth.objects.update(cap_micros=cap)
            _count_from(months.month_of(now))


def open_month(month: date) -> None:
    """Begin to count a month that nobody counts yet. Not in a transaction that booked before: that could deadlock."""
    with transaction.atomic():
        _stop_booking()
        _count_from(month)


def left_micros(now: datetime | None = None) -> int | None:
    """What all together may still hold in the month of `now`; None without a cap, negative where the house went on."""
    month = OrganisationMonth.objects.filter(month=months.month_of(now)).first()
    return this_month(now).left_micros if month is None else month.cap_micros - month.used_micros


def this_month(now: datetime | None = None) -> OrganisationUse:
    month = months.month_of(now)
    used = Budget.objects.filter(month=month).aggregate(used=Sum(F("held_micros") + F("spent_micros"), default=0))
    return OrganisationUse(months.month_name(month), cap_micros(), int(used["used"]))


def _stop_booking() -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements.STOP_BOOKING)


def _count_from(month: date) -> None:
    """Count the month and those to come, so that hardly anybody ever has to wait for this at the turn of a month."""
    with connection.cursor() as cursor:
        for _ in range(MONTHS_AHEAD):
            cursor.execute(statements.COUNT_MONTH, {"month": month})
            month = months.resets_at(month).date()
