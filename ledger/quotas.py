"""What a person may spend: reading a quota, and changing it now or from the next month on."""

from datetime import datetime
from typing import Final, Literal

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from ledger import quota_changes
from ledger.budgets import default_micros, monthly_micros
from ledger.errors import ReasonMissing
from ledger.models import Quota
from ledger.quota_changes import NewTerms, QuotaChange, TakesEffect

__all__ = ["KEEP", "QuotaChange", "TakesEffect", "change", "default_micros", "is_frozen", "monthly_micros"]

KEEP: Final = "keep"
Keep = Literal["keep"]


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

    :raises InvalidAmount: below nought, or above a million dollars.
    :raises ReasonMissing: nothing was changed.
    """
    if not reason.strip():
        raise ReasonMissing
    with transaction.atomic():
        Quota.objects.get_or_create(person_id=person.pk)
        quota = Quota.objects.select_for_update(of=("self",)).select_related("person").get(person_id=person.pk)
        terms = NewTerms(
            quota,
            quota.monthly_micros if monthly_micros == KEEP else monthly_micros,
            frozen=quota.frozen if frozen == KEEP else frozen,
            rolls_over=quota.rolls_over if rolls_over == KEEP else rolls_over,
            says_monthly=monthly_micros != KEEP,
        )
        (done,) = quota_changes.change([terms], takes_effect=takes_effect, reason=reason, author=author, now=now)
        return done
