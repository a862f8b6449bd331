"""The ledger's rules once more, in plain Python and without a database: what each operation says and does."""

from dataclasses import dataclass, field

from tests.ledger.conftest import QUOTA_MICROS

NAMES = ("ada", "bo")


@dataclass
class ModelBudget:
    granted: int
    held: int = 0
    spent: int = 0
    # What of the grant came from the quota.
    quota: int = 0

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
    """Each method gives the code of the refusal, or None."""

    quotas: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, QUOTA_MICROS))
    frozen: set[str] = field(default_factory=set)
    rolls_over: set[str] = field(default_factory=set)
    cap: int | None = None
    budgets: dict[tuple[str, str], ModelBudget] = field(default_factory=dict)
    holds: dict[str, ModelHold] = field(default_factory=dict)
    house: dict[str, tuple[str, int]] = field(default_factory=dict)
    # What the house's adjustments add up to, by month.
    corrected: dict[str, int] = field(default_factory=dict)
    # Grants and adjustments share their references: what was asked for under each.
    grants: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def first_grant(self, name: str, month: str) -> int:
        before = self.last_before(name, month)
        return self.quotas[name] + (max(0, before.available) if before else 0)

    def last_before(self, name: str, month: str) -> ModelBudget | None:
        """The budget that the month carries over from, if any."""
        earlier = [of for who, of in self.budgets if who == name and of < month]
        return self.budgets[name, max(earlier)] if earlier and name in self.rolls_over else None

    def open(self, name: str, month: str) -> ModelBudget:
        if (name, month) not in self.budgets:
            granted, before = self.first_grant(name, month), self.last_before(name, month)
            if before:
                before.granted -= max(0, before.available)
            self.budgets[name, month] = ModelBudget(granted, quota=self.quotas[name])
        return self.budgets[name, month]

    def hold(self, reference: str, name: str, month: str, amount: int) -> str | None:
        if earlier := self.holds.get(reference):
            return None if (earlier.name, earlier.amount) == (name, amount) else "reference_conflict"
        if name in self.frozen:
            return "budget_frozen"
        budget = self.open(name, month)
        if budget.available < amount:
            return "insufficient_budget"
        if self.cap is not None and self.used(month) + amount > self.cap:
            return "organisation_cap_reached"
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
        if self.budgets[hold.name, hold.month].spent < amount:
            return "spent_below_zero"
        hold.moved = amount
        self.budgets[hold.name, hold.month].spent -= amount
        return None

    def grant(self, reference: str, name: str, month: str, amount: int) -> str | None:
        asked = ("grant", name, amount)
        if reference in self.grants:
            return None if self.grants[reference] == asked else "reference_conflict"
        budget = self.open(name, month)
        if amount < 0 and budget.available < -amount:
            return "grant_in_use"
        self.grants[reference] = asked
        budget.granted += amount
        return None

    def adjust(self, reference: str, name: str | None, month: str, amount: int, house_pays: bool) -> str | None:
        asked = ("adjust", name, amount, house_pays)
        if reference in self.grants:
            return None if self.grants[reference] == asked else "reference_conflict"
        by_house = -amount if house_pays else amount if name is None else 0
        if name is not None:
            before = self.budgets.get((name, month)) or ModelBudget(self.first_grant(name, month))
            if before.spent + amount < 0:
                return "spent_below_zero"
            if amount > max(before.available, 0):
                return "insufficient_budget"
        if self.house_spent(month) + by_house < 0:
            return "spent_below_zero"
        self.grants[reference] = asked
        self.corrected[month] = self.corrected.get(month, 0) + by_house
        if name is not None:
            self.open(name, month).spent += amount
        return None

    def change_quota(self, name: str, month: str, micros: int, now: bool) -> None:
        budget = self.open(name, month)
        self.quotas[name] = micros
        if now:
            delta = max(micros - budget.quota, -max(0, budget.available))
            budget.granted += delta
            budget.quota += delta

    def house_spent(self, month: str) -> int:
        late = sum(amount for of, amount in self.house.values() if of == month)
        moved = sum(hold.moved for hold in self.holds.values() if hold.month == month)
        return late + moved + self.corrected.get(month, 0)

    def total(self, month: str) -> int:
        return sum(budget.spent for (_, of), budget in self.budgets.items() if of == month) + self.house_spent(month)

    def used(self, month: str) -> int:
        return self.total(month) + sum(budget.held for (_, of), budget in self.budgets.items() if of == month)
