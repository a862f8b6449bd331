"""Changing the quotas of many at once does for each what changing one does."""

from dataclasses import astuple, dataclass, replace
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from ledger import operations, quota_changes, quotas
from ledger.errors import InvalidAmount, ReasonMissing
from ledger.models import Budget, Entry, Quota
from ledger.quota_changes import NewTerms
from ledger.quotas import QuotaChange, TakesEffect
from studio.models import User
from tests.ledger.books import assert_balanced
from tests.ledger.conftest import NOVEMBER, OCTOBER

AMOUNTS = st.sampled_from([None, 0, 1, 400_000, 1_000_000, 3_000_000])


@dataclass(frozen=True)
class Case:
    """A person's quota and what they did before, and the quota that they get."""

    before: int | None
    after: int | None
    rolled_over: bool
    rolls_over: bool
    frozen: bool
    last_month: bool
    held: int
    given: int
    changed_before: int | None


CASES = st.builds(
    Case,
    before=AMOUNTS,
    after=AMOUNTS,
    rolled_over=st.booleans(),
    rolls_over=st.booleans(),
    frozen=st.booleans(),
    last_month=st.booleans(),
    held=st.sampled_from([0, 0, 300_000]),
    given=st.sampled_from([0, 0, 500_000]),
    changed_before=st.sampled_from([None, None, 2_000_000]),
)


def lived(name: str, case: Case) -> Quota:
    """The case's person, with the month as they have used it."""
    person = User.objects.create_user(f"{name}@example.com")
    quota = Quota.objects.create(person=person, monthly_micros=case.before, rolls_over=case.rolled_over)
    if case.last_month:
        operations.grant(person=person, amount_micros=7, reference=f"{name} old", reason="?", author=None, now=OCTOBER)
    if case.given:
        operations.grant(
            person=person, amount_micros=case.given, reference=f"{name} gift", reason="?", author=None, now=NOVEMBER
        )
    if case.changed_before is not None:
        quotas.change(
            person=person,
            monthly_micros=case.changed_before,
            takes_effect=TakesEffect.NOW,
            reason="?",
            author=None,
            now=NOVEMBER,
        )
    budget = Budget.objects.filter(person=person, month=NOVEMBER.date()).first()
    if case.held and budget and budget.available_micros >= case.held:
        operations.hold(person=person, amount_micros=case.held, reference=f"{name} song", now=NOVEMBER)
    quota.refresh_from_db()
    return quota


def left_behind(quota: Quota) -> list[Any]:
    """All that the ledger says of the person, but for ids."""
    quota.refresh_from_db()
    entries = Entry.objects.filter(budget__person=quota.person).order_by("budget__month", "pk")
    lines = [
        (line.kind, line.granted_delta, line.held_delta, line.reason, _nameless(line.reference, quota))
        for line in entries
    ]
    return [quota.monthly_micros, quota.frozen, quota.rolls_over, *lines]


def _nameless(reference: str, quota: Quota) -> str:
    return reference.split(" ", 1)[-1].replace(f":{quota.person_id}:", ":person:")


@pytest.mark.slow
@how(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases=st.lists(CASES, min_size=1, max_size=4), when=st.sampled_from(TakesEffect))
@pytest.mark.usefixtures("db")
def test_many_at_once_end_as_each_alone(cases: list[Case], when: TakesEffect) -> None:
    with transaction.atomic():
        said: dict[str, Any] = {"takes_effect": when, "reason": "Because", "author": None, "now": NOVEMBER}
        alone, together = (
            [lived(f"{group}{number}", case) for number, case in enumerate(cases)] for group in ("a", "b")
        )
        one_by_one = [
            quotas.change(
                person=quota.person,
                monthly_micros=quotas.KEEP if quota.monthly_micros == case.after else case.after,
                frozen=case.frozen,
                rolls_over=case.rolls_over,
                **said,
            )
            for quota, case in zip(alone, cases, strict=True)
        ]
        wanted = [
            NewTerms(quota, case.after, case.frozen, case.rolls_over)
            for quota, case in zip(together, cases, strict=True)
        ]
        at_once = quota_changes.change(wanted, **said)
        assert [astuple(change) for change in at_once] == [astuple(change) for change in one_by_one]
        assert [left_behind(quota) for quota in together] == [left_behind(quota) for quota in alone]
        assert_balanced()
        transaction.set_rollback(True)


def test_nothing_is_changed_without_a_reason_or_beyond_all_measure(ada: User) -> None:
    terms = NewTerms(Quota.objects.create(person=ada), 5, frozen=False, rolls_over=False)
    said: dict[str, Any] = {"takes_effect": TakesEffect.NOW, "author": None}
    with pytest.raises(ReasonMissing):
        quota_changes.change([terms], reason=" ", **said)
    for micros in (-1, 1_000_000_000_001):
        with pytest.raises(InvalidAmount):
            quota_changes.change([replace(terms, monthly_micros=micros)], reason="?", **said)
    assert Quota.objects.get().monthly_micros is None
    assert not Budget.objects.exists()


def test_what_could_not_be_taken_back_is_told(ada: User) -> None:
    operations.hold(person=ada, amount_micros=900_000, reference="song")
    terms = NewTerms(Quota.objects.create(person=ada), 0, frozen=False, rolls_over=False)
    changes = quota_changes.change([terms], takes_effect=TakesEffect.NOW, reason="?", author=None)
    assert changes == [QuotaChange(1_000_000, 0, -100_000, 900_000)]
