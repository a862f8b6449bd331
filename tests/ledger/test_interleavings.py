"""Operations at the same time say and do what they would one after the other, in at least one order."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

from django.db import transaction
from hypothesis import strategies as st

from ledger import operations, organisation, queries, quotas
from ledger.errors import LedgerError
from ledger.models import Budget, Quota
from ledger.quotas import TakesEffect
from studio.models import User
from tests.factories import freeze
from tests.ledger.model import NAMES, ModelLedger

AT_ONCE = 4
MONTHS = ("first", "second")
AMOUNTS = st.sampled_from([1, 75_000, 400_000, 600_000, 1_000_000])
SIGNED = st.builds(lambda micros, sign: micros * sign, AMOUNTS, st.sampled_from([1, -1]))
# Few of each, so that they meet.
SONGS = st.sampled_from(["one", "two", "three"])
FIXES = st.sampled_from(["fix", "gift"])
PEOPLE = st.sampled_from(NAMES)
NOW = st.sampled_from(MONTHS)
# A hold looks at the person's and at everybody's money, one after the other: which of the two it names when neither
# sufficed in the end may be the one that was short first.
NO_MONEY = {"insufficient_budget", "organisation_cap_reached"}
_worlds = count()


@dataclass(frozen=True)
class Act:
    """Steps of one transaction, each by its name and what it is asked with."""

    steps: tuple[tuple[str, dict[str, Any]], ...]

    def __repr__(self) -> str:
        return " + ".join(
            f"{name}({', '.join(f'{key}={it}' for key, it in asked.items())})" for name, asked in self.steps
        )


def act(name: str, /, **asked: st.SearchStrategy[Any]) -> st.SearchStrategy[Act]:
    return st.fixed_dictionaries(asked).map(lambda chosen: Act(((name, chosen),)))


def together(first: str, second: str, amounts: st.SearchStrategy[int], **firsts: st.SearchStrategy[Any]) -> Any:
    """Both steps for one song, in one transaction: as a song's outcome is settled."""
    return st.builds(
        lambda reference, micros, more: Act(
            ((first, {"reference": reference, **more}), (second, micros | {"reference": reference}))
        ),
        SONGS,
        st.fixed_dictionaries({"amount": amounts}),
        st.fixed_dictionaries(firsts),
    )


HOLDS = act("hold", reference=SONGS, name=PEOPLE, month=NOW, amount=AMOUNTS)
CHARGES = act("charge", reference=SONGS, amount=AMOUNTS | st.just(0))
ACTS = st.one_of(
    HOLDS,
    HOLDS,
    CHARGES,
    act("release", reference=SONGS),
    act("charge_house", reference=SONGS, month=NOW, amount=AMOUNTS),
    act("move", reference=SONGS, amount=AMOUNTS),
    act("grant", reference=FIXES, name=PEOPLE, month=NOW, amount=SIGNED),
    act("adjust", reference=FIXES, name=PEOPLE | st.none(), month=NOW, amount=SIGNED, house_pays=st.booleans()),
    act("change_quota", name=PEOPLE, month=NOW, micros=st.sampled_from([0, 500_000, 2_000_000]), now=st.booleans()),
    act("set_cap", month=NOW, cap=st.sampled_from([None, 0, 600_000, 2_000_000])),
    act("freeze", name=PEOPLE, frozen=st.booleans()),
    together("release", "charge_house", AMOUNTS),
    together("charge", "move", AMOUNTS, amount=AMOUNTS),
)


class World:
    """Two people and two months that nobody used before, beside the model of them."""

    def __init__(self, rolls_over: Sequence[str]) -> None:
        self.number = next(_worlds)
        self.people = {name: User.objects.create_user(f"{name}{self.number}@example.com") for name in NAMES}
        self.model = ModelLedger(rolls_over=set(rolls_over))
        for name in rolls_over:
            Quota.objects.create(person=self.people[name], rolls_over=True)
        self.moments = {
            month: datetime(2100 + self.number, place, 1, tzinfo=UTC) for place, month in enumerate(MONTHS, start=1)
        }

    def answer(self, act: Act) -> str | None:
        """What the ledger says."""
        try:
            with transaction.atomic() if len(act.steps) > 1 else nullcontext():
                for name, asked in act.steps:
                    self._do(name, **asked)
        except LedgerError as refusal:
            return refusal.code
        return None

    def _do(self, name: str, **asked: Any) -> None:
        if "month" in asked:
            asked["now"] = self.moments[asked.pop("month")]
        if "name" in asked:
            named = asked.pop("name")
            asked["person"] = self.people[named] if named else None
        if "reference" in asked:
            asked["reference"] = f"{self.number} {asked['reference']}"
        if "amount" in asked:
            asked["spent_micros" if name == "adjust" else "amount_micros"] = asked.pop("amount")
        DO[name](**asked)

    def states(self, month: str) -> dict[str, Any]:
        """What the ledger's books say of a month."""
        now = self.moments[month]
        balances = {name: queries.balance_of(person, f"{now:%Y-%m}") for name, person in self.people.items()}
        return {
            **{name: (of.granted_micros, of.held_micros, of.spent_micros) for name, of in balances.items()},
            "all": organisation.this_month(now).used_micros,
            "cap": organisation.cap_micros(),
        }

    def opened(self) -> list[tuple[str, str]]:
        names = {person.pk: name for name, person in self.people.items()}
        places = {moment.date(): month for month, moment in self.moments.items()}
        budgets = Budget.objects.filter(person__in=self.people.values()).order_by("created_at")
        return [(names[budget.person_id], places[budget.month]) for budget in budgets if budget.person_id]


def change_quota(*, person: User, now: datetime, micros: int, at_once: bool) -> None:
    when = TakesEffect.NOW if at_once else TakesEffect.NEXT_MONTH
    quotas.change(person=person, monthly_micros=micros, takes_effect=when, reason="x", author=None, now=now)


DO: dict[str, Callable[..., object]] = {
    "hold": operations.hold,
    "charge": operations.charge,
    "release": operations.release,
    "charge_house": partial(operations.charge_house, reason="late"),
    "move": partial(operations.move_to_house, reason="unreadable"),
    "grant": partial(operations.grant, reason="album", author=None),
    "adjust": partial(operations.adjust, reason="fal", author=None),
    "change_quota": change_quota,
    "set_cap": organisation.set_cap,
    "freeze": freeze,
}
