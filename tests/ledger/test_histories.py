"""Random histories against a model in plain Python: the ledger says and does exactly what the model does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ledger import audit, operations, organisation, queries, quotas
from ledger.errors import LedgerError
from ledger.models import Entry, Quota
from ledger.quotas import TakesEffect
from studio.models import User
from tests.factories import freeze
from tests.ledger.books import assert_balanced
from tests.ledger.model import NAMES, ModelBudget, ModelLedger

AMOUNTS = st.sampled_from([1, 75_000, 112_500, 400_000, 999_999, 1_000_000])
REFERENCES = st.sampled_from(["one", "two", "three", "four", "five", "six"])


class Histories(RuleBasedStateMachine):
    references = Bundle("references")

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.people = {name: User.objects.create_user(f"{name}@example.com") for name in NAMES}
        self.model = ModelLedger()
        self.now = datetime(2026, 10, 30, 23, 30, tzinfo=UTC)
        self.answers: dict[tuple[Any, ...], Any] = {}

    def teardown(self) -> None:
        try:
            assert_balanced()
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    @property
    def month(self) -> str:
        return f"{self.now:%Y-%m}"

    def expect(self, code: str | None, operation: str, **arguments: Any) -> None:
        """The ledger refuses with the model's code, or answers; whatever it answered once, it answers again."""
        entries = Entry.objects.count()
        answer = answer_of(operation, arguments)
        if isinstance(answer, LedgerError):
            assert (answer.code, bool(answer.message), bool(answer.hint)) == (code, True, True)
            return
        assert code is None, f"{operation} went through, the model says {code}"
        asked = (operation, *(value for name, value in sorted(arguments.items()) if name != "now"))
        if asked in self.answers:
            assert Entry.objects.count() == entries
        assert self.answers.setdefault(asked, answer) == answer

    @initialize(target=references, reference=REFERENCES)
    def first(self, reference: str) -> str:
        self.hold(reference, "ada", 75_000)
        return reference

    @rule(target=references, reference=REFERENCES, name=st.sampled_from(NAMES), amount=AMOUNTS)
    def hold(self, reference: str, name: str, amount: int) -> str:
        code = self.model.hold(reference, name, self.month, amount)
        person = self.people[name]
        self.expect(code, "hold", person=person, amount_micros=amount, reference=reference, now=self.now)
        return reference

    @rule(reference=references)
    def repeat_a_hold(self, reference: str) -> None:
        if earlier := self.model.holds.get(reference):
            self.hold(reference, earlier.name, earlier.amount)

    @rule(reference=references, amount=AMOUNTS | st.just(0))
    def charge(self, reference: str, amount: int) -> None:
        code = self.model.resolve(reference, "CHARGE", amount)
        self.expect(code, "charge", reference=reference, amount_micros=amount)

    @rule(reference=references)
    def charge_what_was_held(self, reference: str) -> None:
        if earlier := self.model.holds.get(reference):
            self.charge(reference, earlier.amount)

    @rule(reference=references)
    def release(self, reference: str) -> None:
        self.expect(self.model.resolve(reference, "RELEASE", 0), "release", reference=reference)

    @rule(reference=references, amount=AMOUNTS)
    def charge_house(self, reference: str, amount: int) -> None:
        code = self.model.charge_house(reference, self.month, amount)
        self.expect(code, "charge_house", reference=reference, amount_micros=amount, reason="late", now=self.now)

    @rule(reference=references, amount=AMOUNTS)
    def move(self, reference: str, amount: int) -> None:
        code = self.model.move(reference, amount)
        self.expect(code, "move_to_house", reference=reference, amount_micros=amount, reason="unreadable")

    @rule(reference=REFERENCES, name=st.sampled_from(NAMES), amount=AMOUNTS, sign=st.sampled_from([1, -1]))
    def grant(self, reference: str, name: str, amount: int, sign: int) -> None:
        code = self.model.grant(reference, name, self.month, sign * amount)
        self.expect(
            code, "grant", person=self.people[name], amount_micros=sign * amount, reference=reference,
            reason="album", author=None, now=self.now,
        )  # fmt: skip

    @rule(name=st.sampled_from(NAMES))
    def freeze_or_thaw(self, name: str) -> None:
        self.model.frozen ^= {name}
        freeze(self.people[name], frozen=name in self.model.frozen)

    @rule(
        reference=REFERENCES, name=st.sampled_from([*NAMES, None]), amount=AMOUNTS, sign=st.sampled_from([1, -1]),
        house_pays=st.booleans(),
    )  # fmt: skip
    def adjust(self, reference: str, name: str | None, amount: int, sign: int, house_pays: bool) -> None:
        house_pays = house_pays and name is not None
        code = self.model.adjust(reference, name, self.month, sign * amount, house_pays)
        person = self.people[name] if name else None
        self.expect(
            code, "adjust", person=person, spent_micros=sign * amount, reference=reference, reason="fal",
            author=None, house_pays=house_pays, now=self.now,
        )  # fmt: skip

    @rule(name=st.sampled_from(NAMES), micros=st.sampled_from([0, 500_000, 2_000_000]), at_once=st.booleans())
    def set_quota(self, name: str, micros: int, at_once: bool) -> None:
        self.model.change_quota(name, self.month, micros, at_once)
        when = TakesEffect.NOW if at_once else TakesEffect.NEXT_MONTH
        quotas.change(
            person=self.people[name], monthly_micros=micros, takes_effect=when, reason="x", author=None, now=self.now
        )

    @rule(name=st.sampled_from(NAMES))
    def roll_over_or_not(self, name: str) -> None:
        self.model.rolls_over ^= {name}
        Quota.objects.update_or_create(person=self.people[name], defaults={"rolls_over": name in self.model.rolls_over})

    @rule(cap=st.sampled_from([None, 0, 200_000, 1_000_000, 3_000_000]))
    def cap_the_organisation(self, cap: int | None) -> None:
        self.model.cap = cap
        organisation.set_cap(cap, self.now)

    @rule(hours=st.sampled_from([1, 24, 24 * 20]))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @invariant()
    def balances_agree(self) -> None:
        for name, person in self.people.items():
            unopened = ModelBudget(self.model.first_grant(name, self.month))
            expected = self.model.budgets.get((name, self.month), unopened)
            balance = queries.balance(person, self.now)
            assert (balance.granted_micros, balance.held_micros, balance.spent_micros, balance.available_micros) == (
                expected.granted, expected.held, expected.spent, expected.available,
            )  # fmt: skip

    @invariant()
    def books_balance(self) -> None:
        assert list(audit.drifts()) == []

    @invariant()
    def totals_agree(self) -> None:
        assert queries.total_spent_micros(self.month) == self.model.total(self.month)
        assert organisation.this_month(self.now).used_micros == self.model.used(self.month)
        assert organisation.cap_micros() == self.model.cap
        for name, person in self.people.items():
            for balance in queries.months_of(person):
                days = sum(day.spent_micros for day in queries.spending(person, balance.month))
                assert days == balance.spent_micros == self.model.budgets[name, balance.month].spent
        open_references = {reference for reference, hold in self.model.holds.items() if hold.outcome is None}
        assert {hold.reference for hold in queries.open_holds()} == open_references


def answer_of(operation: str, arguments: dict[str, Any]) -> object:
    try:
        return getattr(operations, operation)(**arguments)
    except LedgerError as error:
        return error


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("histories", "steps"), [(5, 20), pytest.param(20, 40, marks=[pytest.mark.slow, pytest.mark.timeout(400)])]
)
def test_any_history_ends_as_the_model_says(histories: int, steps: int) -> None:
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
