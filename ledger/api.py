"""The ledger over HTTP: a person's balance. The statement also names songs, so it is the studio's."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from ninja import Router

from ledger import queries
from ledger.schemas import BalanceOut

credits_router = Router(tags=["credits"])


def person_of(request: HttpRequest) -> AbstractBaseUser:
    assert isinstance(request.user, AbstractBaseUser), "the API object lets nobody in without a person"  # noqa: S101
    return request.user


@credits_router.get("/balance", response=BalanceOut, summary="This month's budget, in dollars")
def balance(request: HttpRequest) -> BalanceOut:
    return BalanceOut.of(queries.balance(person_of(request)))
