"""The same work in two ledgers: set a song's price aside if it is there, then spend it."""

from decimal import Decimal
from typing import Any, Protocol

from django.db import connection

# A song in micros and in dollars.
SONG_MICROS = 75_000
SONG_DOLLARS = "0.075"
PLENTY_MICROS = 900_000_000_000
HORDAK_BALANCES = """
SELECT name, COALESCE(SUM(debit), 0) - COALESCE(SUM(credit), 0)
FROM hordak_leg JOIN hordak_account ON hordak_account.id = account_id
GROUP BY name
"""


class Side(Protocol):
    """`prepare` makes so many accounts with plenty in them and one with nothing; `pair` and `refusal` are measured.

    `check` raises AssertionError unless the books balance with nothing held.
    """

    def prepare(self, accounts: int) -> None: ...

    def load(self, accounts: int) -> None: ...

    def pair(self, account: int, reference: str) -> None: ...

    def refusal(self, reference: str) -> None: ...

    def check(self) -> None: ...


class Ours:
    """`ledger.operations`, journal rows and days' sums included."""

    settings = "neoapex.settings"

    def __init__(self) -> None:
        from ledger import audit, operations, organisation, queries, quotas  # noqa: PLC0415 # after Django's setup
        from ledger.errors import InsufficientBudget  # noqa: PLC0415
        from studio.models import User  # noqa: PLC0415

        self.operations, self.quotas, self.organisation = operations, quotas, organisation
        self.audit, self.queries = audit, queries
        self.users, self.refused = User, InsufficientBudget
        self.people: list[Any] = []

    def prepare(self, accounts: int) -> None:
        for number in range(accounts + 1):
            person = self.users.objects.create(email=f"{number}@example.com")
            self.quotas.change(
                person=person,
                takes_effect=self.quotas.TakesEffect.NOW,
                monthly_micros=PLENTY_MICROS if number else 0,
                reason="bench",
                author=None,
            )

    def load(self, accounts: int) -> None:
        self.poor, *self.people = self.users.objects.order_by("pk")[: accounts + 1]

    def pair(self, account: int, reference: str) -> None:
        self.operations.hold(
            person=self.people[account], amount_micros=SONG_MICROS, reference=reference, label="text-to-music"
        )
        self.operations.charge(reference=reference, amount_micros=SONG_MICROS)

    def refusal(self, reference: str) -> None:
        try:
            self.operations.hold(person=self.poor, amount_micros=SONG_MICROS, reference=reference)
        except self.refused:
            return
        raise AssertionError("nothing was there to hold")

    def check(self) -> None:
        assert list(self.audit.drifts()) == [], "the books do not balance"
        assert not self.queries.open_holds().exists(), "something is still held"


class Hordak:
    """Its own advice for a limit: lock the account, look at its balance, and only then transfer.

    Each budget has accounts of its own for what is held and spent, so that budgets have no row to wait for in common.
    """

    settings = "benchmarks.hordak_settings"

    def __init__(self) -> None:
        from django.db import transaction  # noqa: PLC0415
        from hordak.models import Account  # noqa: PLC0415
        from moneyed import Money  # noqa: PLC0415

        self.atomic, self.accounts = transaction.atomic, Account
        self.song, self.plenty = Money(SONG_DOLLARS, "USD"), Money(PLENTY_MICROS // 1_000_000, "USD")
        self.budgets: list[Any] = []

    def prepare(self, accounts: int) -> None:
        bank = self._account("bank")
        for number in range(accounts + 1):
            budget = self._account(f"budget {number}")
            self._account(f"held {number}")
            self._account(f"spent {number}")
            if number:
                bank.transfer_to(budget, self.plenty)

    def _account(self, name: str) -> Any:
        return self.accounts.objects.create(name=name, type="AS", currencies=["USD"])

    def load(self, accounts: int) -> None:
        named = {account.name: account for account in self.accounts.objects.all()}
        self.poor, *self.budgets = (named[f"budget {number}"] for number in range(accounts + 1))
        self.nothing_held, *self.held = (named[f"held {number}"] for number in range(accounts + 1))
        _, *self.spent = (named[f"spent {number}"] for number in range(accounts + 1))

    def pair(self, account: int, reference: str) -> None:
        assert self._hold(self.budgets[account], self.held[account], reference)
        with self.atomic():
            self.held[account].transfer_to(self.spent[account], self.song, description=reference)

    def refusal(self, reference: str) -> None:
        assert not self._hold(self.poor, self.nothing_held, reference)

    def _hold(self, budget: Any, held: Any, reference: str) -> bool:
        with self.atomic():
            locked = self.accounts.objects.select_for_update().get(pk=budget.pk)
            if sum((money.amount for money in locked.get_balance().monies()), Decimal()) < self.song.amount:
                return False
            locked.transfer_to(held, self.song, description=reference)
        return True

    def check(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(HORDAK_BALANCES)
            balances = dict(cursor.fetchall())
        assert not sum(balances.values()), "the books do not balance"
        assert not any(left for name, left in balances.items() if name.startswith("held")), "something is still held"


SIDES: dict[str, type[Ours] | type[Hordak]] = {"ours": Ours, "hordak": Hordak}
