"""Every way money moves. Each function is one transaction, one entry (a move: a pair), and safe to repeat.

All of them also work inside a caller's transaction, and leave it usable when they refuse. Who books on a person and on
the house in one transaction takes the person first: rows locked in one order can't deadlock.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import date, datetime

import psycopg
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from ledger import quotas, statements
from ledger.errors import (
    BudgetFrozen,
    GrantInUse,
    HoldAlreadyResolved,
    InsufficientBudget,
    InvalidAmount,
    LedgerBusy,
    MoreThanCharged,
    ReferenceConflict,
    RuleBroken,
    UnknownHold,
)
from ledger.models import RESOLUTIONS, Budget, BudgetKind, Entry, EntryKind
from ledger.money import MAX_MICROS, check_micros

HOLD_TRIES = 5

# Broken by a repeat or in a lost race: the caller looks at what is there. Any other rule is broken by a fault of ours.
_EXPECTED = frozenset({"entry_hold_once", "entry_grant_once", "budget_within_grant"})

# What BOOK writes where an operation says nothing.
_NOTHING: Mapping[str, object] = {"granted": 0, "spent": 0, "hold": None, "author": None}


def hold(*, person: AbstractBaseUser, amount_micros: int, reference: str, now: datetime | None = None) -> Entry:
    """Set money aside in the person's budget of the month of `now`; that budget appears on its first use.

    :raises InsufficientBudget: nothing was held.
    :raises BudgetFrozen: an admin stopped this person's spending.
    :raises ReferenceConflict: the reference is held already with another amount or for another person.
    :raises LedgerBusy: the budget changed under every try.
    """
    check_micros(amount_micros)
    month = quotas.month_of(now)
    parameters = {"person": person.pk, "month": month, "amount": amount_micros, "reference": reference}
    for _ in range(HOLD_TRIES):
        if booked := _book(statements.HOLD, parameters):
            return booked
        # In this order: a rival with the same reference that took the money is then seen to have it.
        budget = Budget.objects.filter(person_id=person.pk, month=month).first()
        if earlier := _hold_of(reference):
            return _same(earlier, earlier.budget.person_id == person.pk and earlier.held_delta == amount_micros)
        if quotas.is_frozen(person):
            raise BudgetFrozen
        if budget is None:
            _open_budget(person, month)
        elif budget.available_micros < amount_micros:
            raise InsufficientBudget(
                available_micros=budget.available_micros, needed_micros=amount_micros, resets_at=quotas.resets_at(month)
            )
    raise LedgerBusy


def charge(*, reference: str, amount_micros: int) -> Entry:
    """End the reference's hold by spending, in the month of the hold.

    Less than was held gives the rest back in the same entry; 0 is a free result; more is booked in full, and blocks
    the next holds instead.

    :raises UnknownHold: nothing was held under this reference.
    :raises ReferenceConflict: it was charged already with another amount.
    :raises HoldAlreadyResolved: it was released.
    """
    return _resolve(EntryKind.CHARGE, reference, check_micros(amount_micros, at_least=0))


def release(*, reference: str) -> Entry:
    """End the reference's hold by giving all of it back.

    :raises UnknownHold: nothing was held under this reference.
    :raises HoldAlreadyResolved: it was charged.
    """
    return _resolve(EntryKind.RELEASE, reference, 0)


def _resolve(kind: EntryKind, reference: str, spent_micros: int) -> Entry:
    parameters = {"kind": kind.value, "reference": reference, "spent": spent_micros}
    if booked := _book(statements.RESOLVE, parameters):
        return booked
    earlier = Entry.objects.filter(hold__reference=reference, hold__kind=EntryKind.HOLD, kind__in=RESOLUTIONS).first()
    if earlier is None:
        raise UnknownHold(reference)
    if earlier.kind != kind:
        raise HoldAlreadyResolved(reference, earlier.kind)
    return _same(earlier, earlier.spent_delta == spent_micros)


def charge_house(*, reference: str, amount_micros: int, reason: str, now: datetime | None = None) -> Entry:
    """Book what fal bills and no person pays, in the month of `now`. The house is never refused.

    :raises ReferenceConflict: the house paid another amount under this reference.
    """
    check_micros(amount_micros)
    paid = Entry.objects.filter(reference=reference, kind=EntryKind.CHARGE, hold__isnull=True)
    # A repeat is looked for first, lest it open the budget of a later month.
    entry = paid.first() or _book(
        statements.BOOK,
        {
            **_NOTHING,
            "kind": EntryKind.CHARGE.value,
            "budget": _open_house(quotas.month_of(now)).pk,
            "spent": amount_micros,
            "reference": reference,
            "reason": reason,
        },
    )
    entry = entry or paid.get()
    return _same(entry, entry.spent_delta == amount_micros)


def move_to_house(*, reference: str, amount_micros: int, reason: str) -> tuple[Entry, Entry]:
    """Let the house pay part or all of what was charged for the reference, in the month of its hold.

    One move a reference. Returns the person's entry and the house's.

    :raises UnknownHold: nothing was held under this reference.
    :raises MoreThanCharged: the person paid less than that, or nothing yet.
    :raises ReferenceConflict: another amount was moved already.
    """
    check_micros(amount_micros)
    held = _hold_of(reference)
    if held is None:
        raise UnknownHold(reference)
    charged = Entry.objects.filter(hold=held, kind=EntryKind.CHARGE).first()
    charged_micros = charged.spent_delta if charged else 0
    if amount_micros > charged_micros:
        raise MoreThanCharged(reference, charged_micros)
    with transaction.atomic():
        given = _move(held.budget, held, -amount_micros, reason)
        return given, _move(_open_house(held.budget.month), held, amount_micros, reason)


def _move(budget: Budget, held: Entry, spent_delta: int, reason: str) -> Entry:
    entry = _book(
        statements.BOOK,
        {
            **_NOTHING,
            "kind": EntryKind.ADJUST.value,
            "budget": budget.pk,
            "spent": spent_delta,
            "reference": held.reference,
            "reason": reason,
            "hold": held.pk,
        },
    )
    entry = entry or Entry.objects.get(hold=held, budget=budget, kind=EntryKind.ADJUST)
    return _same(entry, entry.spent_delta == spent_delta)


def grant(
    *,
    person: AbstractBaseUser,
    amount_micros: int,
    reference: str,
    reason: str,
    author: AbstractBaseUser | None,
    now: datetime | None = None,
) -> Entry:
    """Add to the person's budget of the month of `now` (a GRANT), or with a negative amount take back (an ADJUST).

    :raises GrantInUse: more would be taken back than is available.
    :raises ReferenceConflict: the reference stands for another amount or person.
    """
    if check_micros(amount_micros, at_least=-MAX_MICROS) == 0:
        raise InvalidAmount("A grant of nothing changes nothing.")
    entry = _grant_of(reference) or _grant(person, amount_micros, reference, reason, author, quotas.month_of(now))
    return _same(entry, entry.budget.person_id == person.pk and entry.granted_delta == amount_micros)


def _grant(
    person: AbstractBaseUser,
    amount_micros: int,
    reference: str,
    reason: str,
    author: AbstractBaseUser | None,
    month: date,
) -> Entry:
    budget = _open_budget(person, month)
    entry = _book(
        statements.BOOK if amount_micros > 0 else statements.TAKE_BACK,
        {
            **_NOTHING,
            "kind": EntryKind.GRANT.value,
            "budget": budget.pk,
            "granted": amount_micros,
            "reference": reference,
            "reason": reason,
            "author": author.pk if author else None,
        },
    )
    entry = entry or _grant_of(reference)
    if entry is None:
        budget.refresh_from_db()
        raise GrantInUse(budget.available_micros)
    return entry


def _grant_of(reference: str) -> Entry | None:
    """The GRANT, a month's first one included, or the ADJUST that took a grant back."""
    granted = Q(kind=EntryKind.GRANT) | Q(kind=EntryKind.ADJUST, hold__isnull=True)
    return Entry.objects.select_related("budget").filter(granted, reference=reference).first()


def _open_budget(person: AbstractBaseUser, month: date) -> Budget:
    """The person's budget of the month, made with its GRANT where nobody used it before."""
    mine = Budget.objects.filter(person_id=person.pk, month=month)
    if (budget := mine.first()) is not None:
        return budget
    _book(
        statements.OPEN_BUDGET,
        {
            "person": person.pk,
            "month": month,
            "granted": quotas.monthly_micros(person),
            "reference": f"quota:{person.pk}:{quotas.month_name(month)}",
            "reason": "The month's budget",
        },
    )
    return mine.get()


def _open_house(month: date) -> Budget:
    house = Budget.objects.filter(kind=BudgetKind.HOUSE, month=month)
    if (budget := house.first()) is not None:
        return budget
    with connection.cursor() as cursor:
        cursor.execute(statements.OPEN_HOUSE, {"month": month})
    return house.get()


def _hold_of(reference: str) -> Entry | None:
    """A hold never changes, so what it says can be read without a lock."""
    return Entry.objects.select_related("budget").filter(reference=reference, kind=EntryKind.HOLD).first()


def _same(earlier: Entry, says_the_same: bool) -> Entry:
    if not says_the_same:
        raise ReferenceConflict(earlier.reference)
    return earlier


def _book(statement: str, parameters: Mapping[str, object]) -> Entry | None:
    """Run one statement that changes a budget and writes the entry that explains it; None when it wrote nothing.

    :raises RuleBroken: naming the constraint that stood in the way.
    """
    # One statement is a transaction of its own; inside the caller's, a savepoint keeps theirs alive when it fails.
    undoable = transaction.atomic() if connection.in_atomic_block else nullcontext()
    try:
        with undoable:
            return next(iter(Entry.objects.raw(statement, parameters)), None)
    except IntegrityError as error:
        constraint = _constraint_of(error)
        if constraint in _EXPECTED:
            return None
        raise RuleBroken(constraint) from error


def _constraint_of(error: IntegrityError) -> str:
    cause = error.__cause__
    return (cause.diag.constraint_name or "") if isinstance(cause, psycopg.Error) else ""
