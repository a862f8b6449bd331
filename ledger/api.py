"""The ledger over HTTP: a person's balance and statement, for reading only."""

from typing import Annotated

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from ninja import Query, Router

from ledger import queries
from ledger.schemas import BalanceOut, StatementOut

credits_router = Router(tags=["credits"])
ledger_router = Router(tags=["ledger"])

# An entry's id; the bound is bigint's, which PostgreSQL would refuse to compare beyond.
Cursor = Annotated[int | None, Query(ge=1, lt=2**63)]


def person_of(request: HttpRequest) -> AbstractBaseUser:
    assert isinstance(request.user, AbstractBaseUser), "the API object lets nobody in without a person"  # noqa: S101
    return request.user


@credits_router.get("/balance", response=BalanceOut, summary="This month's budget, in dollars")
def balance(request: HttpRequest) -> BalanceOut:
    return BalanceOut.of(queries.balance(person_of(request)))


@ledger_router.get("/entries", response=StatementOut, summary="The statement of a month, newest first")
def entries(request: HttpRequest, month: str | None = None, cursor: Cursor = None) -> StatementOut:
    return StatementOut.of(queries.entries(person_of(request), month, cursor))
