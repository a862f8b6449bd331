"""The statement over HTTP: what a person's money was spent on, for reading only."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import WithJsonSchema

from ledger import queries as ledger
from ledger.money import format_dollars
from ledger.months import MONTH_PATTERN
from ledger.schemas import BalanceOut
from studio import statements
from studio.api import person_of
from studio.schemas import DaySpentOut, LineOut, MonthsOut, SpendingOut, StatementOut

router = Router(tags=["ledger"])

# An entry's id; the bound is bigint's, which PostgreSQL would refuse to compare beyond.
Cursor = Annotated[int | None, Query(ge=1, lt=2**63)]
# Told to programs; the ledger itself judges it, in its own words.
Month = Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^{MONTH_PATTERN}$"})]


@router.get("/entries", response=StatementOut, summary="The statement of a month, newest first")
def entries(request: HttpRequest, month: Month | None = None, cursor: Cursor = None) -> StatementOut:
    person = person_of(request)
    page = ledger.entries(person, month, cursor)
    lines = [LineOut.of(line) for line in statements.lines(person, page.entries)]
    following = None if page.next_cursor is None else str(page.next_cursor)
    return StatementOut(month=page.month, entries=lines, next_cursor=following)


@router.get("/months", response=MonthsOut, summary="Every month with a budget, newest first")
def all_months(request: HttpRequest) -> MonthsOut:
    return MonthsOut(months=[BalanceOut.of(balance) for balance in ledger.months_of(person_of(request))])


@router.get("/spending", response=SpendingOut, summary="What each day of a month cost, and what for")
def spending(request: HttpRequest, month: Month | None = None) -> SpendingOut:
    person = person_of(request)
    name = month if month is not None else ledger.balance(person).month
    days = [
        DaySpentOut(day=spent.day, label=spent.label, spent=format_dollars(spent.spent_micros))
        for spent in ledger.spending(person, name)
    ]
    return SpendingOut(month=name, days=days)
