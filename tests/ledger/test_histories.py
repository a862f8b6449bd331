"""Random histories against a model in plain Python: the ledger says and does exactly what the model does."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ledger import operations, queries
from ledger.errors import LedgerError
from ledger.models import Entry, Quota
from studio.models import User
from tests.factories import freeze
from tests.ledger.books import assert_balanced
from tests.ledger.conftest import QUOTA_MICROS

NAMES = ("ada", "bo")
AMOUNTS = st.sampled_from([1, 75_000, 112_500, 400_000, 999_999, 1_000_000])
REFERENCES = st.sampled_from(["one", "two", "three", "four", "five", "six"])


@dataclass
class ModelBudget:
    granted: int
    held: int = 0
    spent: int = 0

    @property
    def available(self) -> int:
        return self.granted - self.held - self.spent


@dataclass
class ModelHold:
    name: str
    month: str
    amount: int
    outcome: tuple[str, int] | None = None
    moved: int = 0


@dataclass
class ModelLedger:
    """The same rules without a database: each method gives the code of the refusal, or None."""

    quotas: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, QUOTA_MICROS))
    frozen: set[str] = field(default_factory=set)
    budgets: dict[tuple[str, str], ModelBudget] = field(default_factory=dict)
    holds: dict[str, ModelHold] = field(default_factory=dict)
    house: dict[str, tuple[str, int]] = field(default_factory=dict)
    grants: dict[str, tuple[str, int]] = field(default_factory=dict)

    def open(self, name: str, month: str) -> ModelBudget:
        return self.budgets.setdefault((name, month), ModelBudget(self.quotas[name]))

    def hold(self, reference: str, name: str, month: str, amount: int) -> str | None:
        if earlier := self.holds.get(reference):
            return None if (earlier.name, earlier.amount) == (name, amount) else "reference_conflict"
        if name in self.frozen:
            return "budget_frozen"
        budget = self.open(name, month)
        if budget.available < amount:
            return "insufficient_budget"
        budget.held += amount
        self.holds[reference] = ModelHold(name, month, amount)
        return None

    def resolve(self, reference: str, kind: str, spent: int) -> str | None:
        hold = self.holds.get(reference)
        if hold is None:
            return "unknown_hold"
        if hold.outcome is None:
            hold.outcome = (kind, spent)
            budget = self.budgets[hold.name, hold.month]
            budget.held -= hold.amount
            budget.spent += spent
            return None
        if hold.outcome[0] != kind:
            return "hold_already_resolved"
        return None if hold.outcome[1] == spent else "reference_conflict"

    def charge_house(self, reference: str, month: str, amount: int) -> str | None:
        return None if self.house.setdefault(reference, (month, amount))[1] == amount else "reference_conflict"

    def move(self, reference: str, amount: int) -> str | None:
        hold = self.holds.get(reference)
        if hold is None:
            return "unknown_hold"
        if amount > (hold.outcome[1] if hold.outcome else 0):
            return "more_than_charged"
        if hold.moved:
            return None if hold.moved == amount else "reference_conflict"
        hold.moved = amount
        self.budgets[hold.name, hold.month].spent -= amount
        return None

    def grant(self, reference: str, name: str, month: str, amount: int) -> str | None:
        if reference in self.grants:
            return None if self.grants[reference] == (name, amount) else "reference_conflict"
        budget = self.open(name, month)
        if amount < 0 and budget.available < -amount:
            return "grant_in_use"
        self.grants[reference] = (name, amount)
        budget.granted += amount
        return None

    def total(self, month: str) -> int:
        people = sum(budget.spent for (_, of), budget in self.budgets.items() if of == month)
        late = sum(amount for of, amount in self.house.values() if of == month)
        return people + late + sum(hold.moved for hold in self.holds.values() if hold.month == month)


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

    @rule(name=st.sampled_from(NAMES), micros=st.sampled_from([0, 500_000, 2_000_000]))
    def set_quota(self, name: str, micros: int) -> None:
        self.model.quotas[name] = micros
        Quota.objects.update_or_create(person=self.people[name], defaults={"monthly_micros": micros})

    @rule(hours=st.sampled_from([1, 24, 24 * 20]))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @invariant()
    def balances_agree(self) -> None:
        for name, person in self.people.items():
            expected = self.model.budgets.get((name, self.month), ModelBudget(self.model.quotas[name]))
            balance = queries.balance(person, self.now)
            assert (balance.granted_micros, balance.held_micros, balance.spent_micros, balance.available_micros) == (
                expected.granted, expected.held, expected.spent, expected.available,
            )  # fmt: skip

    @invariant()
    def totals_agree(self) -> None:
        assert queries.total_spent_micros(self.month) == self.model.total(self.month)
        open_references = {reference for reference, hold in self.model.holds.items() if hold.outcome is None}
        assert {hold.reference for hold in queries.open_holds()} == open_references


def answer_of(operation: str, arguments: dict[str, Any]) -> object:
    try:
        return getattr(operations, operation)(**arguments)
    except LedgerError as error:
        return error


@pytest.mark.django_db
@pytest.mark.parametrize(("histories", "steps"), [(10, 25), pytest.param(50, 50, marks=pytest.mark.slow)])
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
