"""What a person may spend: reading and changing quotas, now or from the next month on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, transaction
from django.db.models import Count, Sum

from ledger import budgets, months, operations
from ledger.budgets import default_micros, monthly_micros
from ledger.errors import ReasonMissing
from ledger.models import Budget, Entry, Quota
from ledger.money import check_micros

__all__ = ["KEEP", "QuotaChange", "TakesEffect", "change", "default_micros", "is_frozen", "monthly_micros"]

KEEP: Final = "keep"
Keep = Literal["keep"]


class TakesEffect(models.TextChoices):
    NOW = "NOW"
    NEXT_MONTH = "NEXT_MONTH"


@dataclass(frozen=True, slots=True)
class QuotaChange:
    """What a change did. `granted_delta` was added to this month's budget (or taken from it, when negative);
    `short_micros` should have been taken too, but was held or spent already."""

    before_micros: int
    after_micros: int
    granted_delta: int = 0
    short_micros: int = 0


def is_frozen(person: AbstractBaseUser) -> bool:
    return Quota.objects.filter(person_id=person.pk, frozen=True).exists()


def change(
    *,
    person: AbstractBaseUser,
    takes_effect: TakesEffect,
    reason: str,
    author: AbstractBaseUser | None,
    monthly_micros: int | Keep | None = KEEP,
    frozen: bool | Keep = KEEP,
    rolls_over: bool | Keep = KEEP,
    now: datetime | None = None,
) -> QuotaChange:
    """Change what is given; the rest stays. A `monthly_micros` of None is the studio's default.

    NOW also books the difference to this month's budget; what is held or spent is never taken away. NEXT_MONTH leaves
    this month at what it was. Freezing and rolling over take effect at once in either case.

    :raises InvalidAmount: below nought, or above a million dollars.
    :raises ReasonMissing: nothing was changed.
    """
    if monthly_micros is not None and monthly_micros != KEEP:
        check_micros(monthly_micros, at_least=0)
    if not reason.strip():
        raise ReasonMissing
    asked = {"monthly_micros": monthly_micros, "frozen": frozen, "rolls_over": rolls_over}
    with transaction.atomic():
        Quota.objects.get_or_create(person_id=person.pk)
        quota = Quota.objects.select_for_update().get(person_id=person.pk)
        # This month is opened from the quota that it began with, whoever uses it first.
        budget = budgets.open_budget(person, months.month_of(now)) if monthly_micros != KEEP else None
        before = _micros_of(quota)
        for name, value in asked.items():
            if value != KEEP:
                setattr(quota, name, value)
        quota.save(update_fields=list(asked))
        after = _micros_of(quota)
        if budget is None or takes_effect != TakesEffect.NOW:
            return QuotaChange(before, after)
        given, short = _follow(person, budget, after, reason, author)
        return QuotaChange(before, after, given, short)


def _micros_of(quota: Quota) -> int:
    return default_micros() if quota.monthly_micros is None else quota.monthly_micros


def _follow(
    person: AbstractBaseUser, budget: Budget, quota_micros: int, reason: str, author: AbstractBaseUser | None
) -> tuple[int, int]:
    """Bring what the quota gave this month to what it says now; grants beside it stay. What was given, what not."""
    available = Budget.objects.select_for_update(no_key=True).get(pk=budget.pk).available_micros
    prefix = f"quota:{person.pk}:{months.month_name(budget.month)}"
    given = Entry.objects.filter(budget=budget, reference__startswith=prefix).exclude(granted_delta=0)
    sums = given.aggregate(micros=Sum("granted_delta", default=0), times=Count("pk"))
    wanted = quota_micros - int(sums["micros"])
    delta = max(wanted, -max(0, available))
    if delta:
        operations.grant(
            person=person,
            amount_micros=delta,
            reference=f"{prefix}:{sums['times']}",
            reason=reason,
            author=author,
            now=months.start_of(budget.month),
        )
    return delta, delta - wanted
