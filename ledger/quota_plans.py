"""Changing quotas as an admin does: what would change is shown first, then all of it happens or nothing."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from ledger import quota_changes
from ledger.budgets import default_micros
from ledger.errors import LedgerError
from ledger.models import Quota
from ledger.money import check_micros, display_dollars
from ledger.quota_changes import NewTerms, QuotaChange, TakesEffect
from ledger.quotas import KEEP, Keep

ROWS_AT_ONCE = 1000


class PlanOutdated(LedgerError):
    """Between the look at a plan and the word to carry it out, somebody changed one of its quotas."""

    code = "quota_plan_outdated"
    hint = "Look at what would change now, then confirm again."

    def __init__(self) -> None:
        super().__init__("Some of these quotas have changed since you looked at them, so nothing was done.")


@dataclass(frozen=True, slots=True)
class Wish:
    """What one person's quota shall say. A `monthly_micros` of None is the studio's default."""

    person_id: int
    monthly_micros: int | Keep | None = KEEP
    frozen: bool | Keep = KEEP
    rolls_over: bool | Keep = KEEP


@dataclass(frozen=True, slots=True)
class Terms:
    """What a quota says."""

    monthly_micros: int | None
    frozen: bool
    rolls_over: bool

    def changed_by(self, wish: Wish) -> "Terms":
        return Terms(
            self.monthly_micros if wish.monthly_micros == KEEP else wish.monthly_micros,
            self.frozen if wish.frozen == KEEP else wish.frozen,
            self.rolls_over if wish.rolls_over == KEEP else wish.rolls_over,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One quota of a plan; `quota.person` is loaded."""

    quota: Quota
    before: Terms
    after: Terms


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change, by email; `unchanged` counts the people whose quotas say so already.

    `seen` stands for everything that the plan was made from: another state of the quotas gives another one.
    """

    wishes: Sequence[Wish]
    steps: Sequence[Step]
    unchanged: int
    seen: str


@dataclass(frozen=True, slots=True)
class Done:
    step: Step
    change: QuotaChange


def terms_of(quota: Quota) -> Terms:
    return Terms(quota.monthly_micros, quota.frozen, quota.rolls_over)


def raised(quotas_found: Iterable[Quota], by_micros: int) -> list[Wish]:
    """So much more a month for each.

    :raises InvalidAmount: nought or less, or somebody would have more than a million dollars.
    """
    check_micros(by_micros)
    found = [(quota.person_id, _monthly(quota) + by_micros) for quota in quotas_found]
    return [Wish(person_id, check_micros(micros)) for person_id, micros in found]


def plan(wishes: Sequence[Wish]) -> Plan:
    """What the wishes would change as things stand. People without a quota have its defaults."""
    return _plan(wishes, Quota.objects.all())


def carry_out(
    wishes: Sequence[Wish],
    *,
    takes_effect: TakesEffect,
    reason: str,
    author: AbstractBaseUser,
    seen: str | None = None,
) -> list[Done]:
    """Change all these quotas, or none; those that say so already are left alone.

    :raises PlanOutdated: the quotas are no longer those that `seen` was made from.
    :raises LedgerError: whatever stands in the way of one of them stands in the way of all.
    """
    with transaction.atomic():
        # One order for all who do this, so that two of them wait for each other and not in a circle.
        planned = _plan(wishes, Quota.objects.select_for_update(of=("self",)))
        if seen is not None and planned.seen != seen:
            raise PlanOutdated
        wanted = [NewTerms(s.quota, s.after.monthly_micros, s.after.frozen, s.after.rolls_over) for s in planned.steps]
        changes = quota_changes.change(wanted, takes_effect=takes_effect, reason=reason, author=author)
    return [Done(step, change) for step, change in zip(planned.steps, changes, strict=True)]


def _plan(wishes: Sequence[Wish], rows: QuerySet[Quota]) -> Plan:
    found = _quotas_of([wish.person_id for wish in wishes], rows)
    steps = [
        Step(quota, terms, terms.changed_by(wish))
        for wish in wishes
        if (quota := found.get(wish.person_id)) and (terms := terms_of(quota)).changed_by(wish) != terms
    ]
    steps.sort(key=lambda step: step.quota.person.get_username())
    return Plan(wishes, steps, len(wishes) - len(steps), _digest(found.values()))


def _quotas_of(person_ids: Iterable[int], rows: QuerySet[Quota]) -> dict[int, Quota]:
    found: dict[int, Quota] = {}
    ordered = sorted(set(person_ids))
    for first in range(0, len(ordered), ROWS_AT_ONCE):
        some = ordered[first : first + ROWS_AT_ONCE]
        known = set(Quota.objects.filter(person__in=some).values_list("person_id", flat=True))
        new = [Quota(person_id=pk) for pk in some if pk not in known]
        Quota.objects.bulk_create(new, ignore_conflicts=True)
        mine = rows.filter(person__in=some).select_related("person").order_by("person_id")
        found |= {quota.person_id: quota for quota in mine}
    return found


def _digest(quotas_found: Iterable[Quota]) -> str:
    """The default counts too: where it changes, other amounts come about."""
    rows = [[row.person_id, row.monthly_micros, row.frozen, row.rolls_over] for row in quotas_found]
    return hashlib.sha256(json.dumps([default_micros(), *sorted(rows)]).encode()).hexdigest()


def _monthly(quota: Quota) -> int:
    return default_micros() if quota.monthly_micros is None else quota.monthly_micros


# --- In words --------------------------------------------------------------------------------------------------------


def differences(step: Step) -> list[tuple[str, str, str]]:
    """What changes, as (what, before, after)."""
    before, after = step.before, step.after
    rows = [
        (_("Monthly budget"), monthly_in_words(before.monthly_micros), monthly_in_words(after.monthly_micros)),
        (_("Frozen"), _yes_or_no(said=before.frozen), _yes_or_no(said=after.frozen)),
        (_("Rolls over"), _yes_or_no(said=before.rolls_over), _yes_or_no(said=after.rolls_over)),
    ]
    return [row for row in rows if row[1] != row[2]]


def monthly_in_words(micros: int | None) -> str:
    if micros is None:
        return _("%s (default)") % display_dollars(default_micros())
    return display_dollars(micros)


def _yes_or_no(*, said: bool) -> str:
    return _("yes") if said else _("no")
