"""Changing what quotas say, for one person or ten thousand: in a few statements, so that nobody waits long."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, transaction
from django.db.models import Count, Sum

from ledger import booking, budgets, months
from ledger.budgets import default_micros
from ledger.errors import ReasonMissing
from ledger.models import Budget, Entry, Quota
from ledger.money import check_micros

NOTHING_EXPECTED: Final[frozenset[str]] = frozenset()

# In the order of people, so that two who do this wait for each other and not in a circle.
OPEN_BUDGETS: Final = """
WITH opened AS (
    INSERT INTO ledger_budget (kind, person_id, month, granted_micros)
    SELECT 'PERSON', person_id, %(month)s, granted
    FROM unnest(%(people)s::bigint[], %(granted)s::bigint[]) AS wanted (person_id, granted) ORDER BY person_id
    ON CONFLICT DO NOTHING
    RETURNING id, person_id, granted_micros
), entry AS (
    INSERT INTO ledger_entry (kind, budget_id, granted_delta, reference, reason)
    SELECT 'GRANT', id, granted_micros, concat('quota:', person_id, ':', %(name)s::text), 'The month''s budget'
    FROM opened
    RETURNING id
)
SELECT count(*) FROM entry
"""
SAVE_QUOTAS: Final = """
WITH saved AS (
    UPDATE ledger_quota SET monthly_micros = wanted.monthly, frozen = wanted.frozen, rolls_over = wanted.rolls_over
    FROM unnest(%(quotas)s::bigint[], %(monthly)s::bigint[], %(frozen)s::boolean[], %(rolls_over)s::boolean[])
        AS wanted (id, monthly, frozen, rolls_over)
    WHERE ledger_quota.id = wanted.id
    RETURNING ledger_quota.id
)
SELECT count(*) FROM saved
"""
BOOK_GRANTS: Final = """
WITH entry AS (
    INSERT INTO ledger_entry (kind, budget_id, granted_delta, reference, reason, author_id)
    SELECT
        CASE WHEN delta > 0 THEN 'GRANT' ELSE 'ADJUST' END, budget_id, delta, reference, %(reason)s, %(author)s::bigint
    FROM unnest(%(budgets)s::bigint[], %(deltas)s::bigint[], %(references)s::text[])
        AS wanted (budget_id, delta, reference)
    RETURNING budget_id, granted_delta
), booked AS (
    UPDATE ledger_budget SET granted_micros = granted_micros + granted_delta
    FROM entry WHERE ledger_budget.id = entry.budget_id
    RETURNING ledger_budget.id
)
SELECT count(*) FROM booked
"""


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


@dataclass(frozen=True, slots=True)
class NewTerms:
    """A quota as it is now, read under a lock, and what it shall say."""

    quota: Quota
    monthly_micros: int | None
    frozen: bool
    rolls_over: bool
    # The amount was given, be it the same: what was to begin next month may be wished for now.
    says_monthly: bool = False

    @property
    def moves_money(self) -> bool:
        return self.says_monthly or self.quota.monthly_micros != self.monthly_micros


@dataclass(frozen=True, slots=True)
class _Follow:
    """What one person's month gets or gives back."""

    budget_id: int
    delta: int
    short: int
    reference: str


def change(
    wanted: Sequence[NewTerms],
    *,
    takes_effect: TakesEffect,
    reason: str,
    author: AbstractBaseUser | None,
    now: datetime | None = None,
) -> list[QuotaChange]:
    """Change all these quotas, one answer for each in order, or none. The caller holds the locks on the quotas.

    NOW also books the difference to this month's budget; what is held or spent is never taken away. NEXT_MONTH leaves
    this month at what it was. Freezing and rolling over take effect at once in either case.

    :raises InvalidAmount, ReasonMissing: nothing was changed.
    """
    if not reason.strip():
        raise ReasonMissing
    for terms in wanted:
        check_micros(terms.monthly_micros or 0, at_least=0)
    month = months.month_of(now)
    moving = [terms for terms in wanted if terms.moves_money]
    with transaction.atomic():
        _open_budgets(moving, month)
        _save(wanted)
        follows = _follow(moving, month) if takes_effect == TakesEffect.NOW else {}
        _book(follows.values(), reason, author)
    return [_answer(terms, follows.get(terms.quota.person_id)) for terms in wanted]


def _answer(terms: NewTerms, follow: _Follow | None) -> QuotaChange:
    before, after = _monthly(terms.quota.monthly_micros), _monthly(terms.monthly_micros)
    return QuotaChange(before, after, follow.delta, follow.short) if follow else QuotaChange(before, after)


def _monthly(own_micros: int | None) -> int:
    return default_micros() if own_micros is None else own_micros


def _open_budgets(moving: Sequence[NewTerms], month: date) -> None:
    """This month begins as the quotas say now. What a month carries over is one person's matter."""
    missing = _without_budget(moving, month)
    for terms in missing:
        if terms.quota.rolls_over:
            budgets.open_budget(terms.quota.person, month)
    plain = [terms.quota for terms in missing if not terms.quota.rolls_over]
    if plain:
        opened = {
            "month": month,
            "name": months.month_name(month),
            "people": [quota.person_id for quota in plain],
            "granted": [_monthly(quota.monthly_micros) for quota in plain],
        }
        booking.run(OPEN_BUDGETS, opened, expected=NOTHING_EXPECTED)


def _without_budget(moving: Sequence[NewTerms], month: date) -> list[NewTerms]:
    people = [terms.quota.person_id for terms in moving]
    there = set(Budget.objects.filter(month=month, person__in=people).values_list("person_id", flat=True))
    return sorted(
        (terms for terms in moving if terms.quota.person_id not in there), key=lambda terms: terms.quota.person_id
    )


def _save(wanted: Sequence[NewTerms]) -> None:
    columns: Mapping[str, Any] = {
        "quotas": [terms.quota.pk for terms in wanted],
        "monthly": [terms.monthly_micros for terms in wanted],
        "frozen": [terms.frozen for terms in wanted],
        "rolls_over": [terms.rolls_over for terms in wanted],
    }
    booking.run(SAVE_QUOTAS, columns, expected=NOTHING_EXPECTED)


def _follow(moving: Sequence[NewTerms], month: date) -> dict[int, _Follow]:
    """By person, what brings their month to what the quota says now; money given beside the quota stays."""
    wished = {terms.quota.person_id: _monthly(terms.monthly_micros) for terms in moving}
    rows = Budget.objects.select_for_update(no_key=True).filter(month=month, person__in=wished).order_by("person_id")
    found = list(rows)
    given = _given([budget.pk for budget in found])
    follows = {}
    for budget in found:
        assert budget.person_id is not None  # noqa: S101 - only people's budgets were asked for
        micros, times = given.get(budget.pk, (0, 0))
        missing = wished[budget.person_id] - micros
        delta = max(missing, -max(0, budget.available_micros))
        reference = f"quota:{budget.person_id}:{months.month_name(month)}:{times}"
        follows[budget.person_id] = _Follow(budget.pk, delta, delta - missing, reference)
    return follows


def _given(budget_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """What the quota has given to each of these budgets so far, and in how many entries."""
    entries = Entry.objects.filter(budget__in=budget_ids, reference__startswith="quota:").exclude(granted_delta=0)
    sums = entries.values_list("budget_id").annotate(micros=Sum("granted_delta"), times=Count("pk"))
    return {budget_id: (int(micros), times) for budget_id, micros, times in sums}


def _book(follows: Iterable[_Follow], reason: str, author: AbstractBaseUser | None) -> None:
    moves = [follow for follow in follows if follow.delta]
    if not moves:
        return
    columns = {
        "budgets": [follow.budget_id for follow in moves],
        "deltas": [follow.delta for follow in moves],
        "references": [follow.reference for follow in moves],
        "reason": reason,
        "author": author.pk if author else None,
    }
    booking.run(BOOK_GRANTS, columns, expected=NOTHING_EXPECTED)
