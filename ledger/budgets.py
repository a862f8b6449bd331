"""How a month's budget comes to be: on its first use, from the quota, with what the last month carries over."""

from datetime import date

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, transaction

from ledger import months, statements
from ledger.booking import book
from ledger.models import Budget, BudgetKind, EntryKind, Quota


def monthly_micros(person: AbstractBaseUser) -> int:
    """What each month's budget starts with: the person's own quota, else the studio's default."""
    own = Quota.objects.filter(person_id=person.pk).values_list("monthly_micros", flat=True).first()
    return default_micros() if own is None else own


def default_micros() -> int:
    return int(settings.NEOAPEX_MONTHLY_BUDGET)


def first_grant_micros(person: AbstractBaseUser, month: date) -> int:
    """What a month that nobody opened yet will begin with."""
    before = _carries_over(person, month)
    return monthly_micros(person) + (max(0, before.available_micros) if before else 0)


def open_budget(person: AbstractBaseUser, month: date) -> Budget:
    """The person's budget of the month, made with its GRANT where nobody used it before."""
    mine = Budget.objects.filter(person_id=person.pk, month=month)
    if (budget := mine.first()) is not None:
        return budget
    # Nobody sees the month before its first grants are in it.
    with transaction.atomic():
        opened = book(
            statements.OPEN_BUDGET,
            {
                "person": person.pk,
                "month": month,
                "granted": monthly_micros(person),
                "reference": f"quota:{person.pk}:{months.month_name(month)}",
                "reason": "The month's budget",
            },
        )
        if opened is not None and (before := _carries_over(person, month)) is not None:
            _carry_over(before, opened.budget)
    return mine.get()


def open_house(month: date) -> Budget:
    house = Budget.objects.filter(kind=BudgetKind.HOUSE, month=month)
    if (budget := house.first()) is not None:
        return budget
    with connection.cursor() as cursor:
        cursor.execute(statements.OPEN_HOUSE, {"month": month})
    return house.get()


def _carries_over(person: AbstractBaseUser, month: date) -> Budget | None:
    """The last budget before the month, if the person's quota rolls over. Months that nobody used gave nothing."""
    if not Quota.objects.filter(person_id=person.pk, rolls_over=True).exists():
        return None
    return Budget.objects.filter(person_id=person.pk, month__lt=month).order_by("-month").first()


def _carry_over(before: Budget, opened: Budget) -> None:
    """Take what is unused out of the one month and grant it in the other, so that it can't be used in both."""
    unused = Budget.objects.select_for_update(no_key=True).get(pk=before.pk).available_micros
    if unused <= 0:
        return
    names = {"from": months.month_name(before.month), "to": months.month_name(opened.month)}
    reference = f"{before.person_id}:{names['from']}:{names['to']}"
    parts = {"label": "", "spent": 0, "hold": None, "author": None}
    out = {
        "budget": before.pk,
        "granted": -unused,
        "reference": f"carry-out:{reference}",
        "reason": f"Carried over to {names['to']}",
    }
    into = {
        "kind": EntryKind.GRANT.value,
        "budget": opened.pk,
        "granted": unused,
        "reference": f"carry-in:{reference}",
        "reason": f"Carried over from {names['from']}",
    }
    if book(statements.TAKE_BACK, parts | out):
        book(statements.BOOK, parts | into)
