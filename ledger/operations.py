"""Every way money moves. Each function is one transaction, one entry (a move: a pair), and safe to repeat.

All of them also work inside a caller's transaction, and leave it usable when they refuse. Who books on a person and on
the house in one transaction takes the person first: rows locked in one order can't deadlock.
"""

from collections.abc import Mapping
from datetime import date, datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Q

from ledger import booking, budgets, months, organisation, statements
from ledger.booking import EXPECTED, book
from ledger.errors import (
    BudgetFrozen,
    GrantInUse,
    HoldAlreadyResolved,
    InsufficientBudget,
    InvalidAmount,
    LedgerBusy,
    MoreThanCharged,
    OrganisationCapReached,
    ReasonMissing,
    ReferenceConflict,
    SpentBelowZero,
    UnknownHold,
)
from ledger.models import RESOLUTIONS, Budget, BudgetKind, Entry, EntryKind
from ledger.money import MAX_MICROS, check_micros

HOLD_TRIES = 5

# What BOOK writes where an operation says nothing.
_NOTHING: Mapping[str, object] = {"granted": 0, "spent": 0, "label": "", "hold": None, "author": None}


# What stands in the way of giving back more than was spent.
_BELOW_ZERO = EXPECTED | {"budget_not_negative", "organisation_month_not_negative"}


def hold(
    *, person: AbstractBaseUser, amount_micros: int, reference: str, label: str = "", now: datetime | None = None
) -> Entry:
    """Set money aside in the person's budget of the month of `now`; that budget appears on its first use.

    :raises InsufficientBudget: nothing was held.
    :raises OrganisationCapReached: nor here; the person has enough, and all together have not.
    :raises BudgetFrozen: an admin stopped this person's spending.
    :raises ReferenceConflict: the reference is held already with another amount or for another person.
    :raises LedgerBusy: the budget changed under every try.
    """
    check_micros(amount_micros)
    month = months.month_of(now)
    parameters = {
        "person": person.pk,
        "month": month,
        "amount": amount_micros,
        "reference": reference,
        "label": label,
    }
    for _ in range(HOLD_TRIES):
        row = booking.run(statements.HOLD, parameters)
        if row is None:
            continue
        *columns, obstacle, left_micros = row
        match obstacle:
            case None:
                return booking.entry_of(tuple(columns))
            case "HELD" if earlier := _hold_of(reference):
                return _same(earlier, earlier.budget.person_id == person.pk and earlier.held_delta == amount_micros)
            case "FROZEN":
                raise BudgetFrozen
            case "INSUFFICIENT":
                raise InsufficientBudget(
                    available_micros=left_micros, needed_micros=amount_micros, resets_at=months.resets_at(month)
                )
            case "CAPPED":
                raise OrganisationCapReached(resets_at=months.resets_at(month))
            case "NO_BUDGET":
                budgets.open_budget(person, month)
            case "NOT_COUNTED":
                organisation.open_month(month)
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
    if booked := book(statements.RESOLVE, parameters):
        return booked
    earlier = Entry.objects.filter(hold__reference=reference, hold__kind=EntryKind.HOLD, kind__in=RESOLUTIONS).first()
    if earlier is None:
        raise UnknownHold(reference)
    if earlier.kind != kind:
        raise HoldAlreadyResolved(reference, earlier.kind)
    return _same(earlier, earlier.spent_delta == spent_micros)


def charge_house(
    *,
    reference: str,
    amount_micros: int,
    reason: str,
    label: str = "",
    author: AbstractBaseUser | None = None,
    now: datetime | None = None,
) -> Entry:
    """Book what fal bills and no person pays, in the month of `now`. The house is never refused.

    :raises ReferenceConflict: the house paid another amount under this reference.
    """
    check_micros(amount_micros)
    paid = Entry.objects.filter(reference=reference, kind=EntryKind.CHARGE, hold__isnull=True)
    # A repeat is looked for first, lest it open the budget of a later month.
    entry = paid.first() or _book(
        budgets.open_house(months.month_of(now)),
        kind=EntryKind.CHARGE,
        spent=amount_micros,
        reference=reference,
        reason=reason,
        label=label,
        author=author,
    )
    entry = entry or paid.get()
    return _same(entry, entry.spent_delta == amount_micros)


def move_to_house(*, reference: str, amount_micros: int, reason: str) -> tuple[Entry, Entry]:
    """Let the house pay part or all of what was charged for the reference, in the month of its hold.

    One move a reference. Returns the person's entry and the house's.

    :raises UnknownHold: nothing was held under this reference.
    :raises MoreThanCharged: the person paid less than that, or nothing yet.
    :raises SpentBelowZero: the person paid it, and has been given it back by adjustments.
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
        return given, _move(budgets.open_house(held.budget.month), held, amount_micros, reason)


def _move(budget: Budget, held: Entry, spent_delta: int, reason: str) -> Entry:
    entry = _book(
        budget,
        kind=EntryKind.ADJUST,
        spent=spent_delta,
        reference=held.reference,
        reason=reason,
        label=held.label,
        hold=held.pk,
        expected=_BELOW_ZERO,
    )
    entry = entry or Entry.objects.filter(hold=held, budget=budget, kind=EntryKind.ADJUST).first()
    if entry is None:
        # It was given back by an adjustment already.
        budget.refresh_from_db()
        raise SpentBelowZero(budget.spent_micros)
    return _same(entry, entry.spent_delta == spent_delta)


def adjust(
    *,
    person: AbstractBaseUser | None,
    spent_micros: int,
    reference: str,
    reason: str,
    author: AbstractBaseUser | None,
    house_pays: bool = False,
    now: datetime | None = None,
) -> Entry:
    """Correct what was spent in the month of `now`, by a person or (None) by the house: less with a negative amount.

    With `house_pays` the house's books change by as much the other way, so that the whole is still what fal billed.

    :raises SpentBelowZero: not so much was spent.
    :raises InsufficientBudget: the person has not so much to spend.
    :raises ReferenceConflict: the reference stands for another amount or person.
    """
    if check_micros(spent_micros, at_least=-MAX_MICROS) == 0:
        raise InvalidAmount("An adjustment of nothing changes nothing.")
    if house_pays and person is None:
        raise ValueError("The house can't take over from itself.")
    month = months.month_of(now)
    twin = f"{reference}:house"
    if _grant_of(reference) and house_pays is not (_grant_of(twin) is not None):
        raise ReferenceConflict(reference)
    with transaction.atomic():
        entry = _adjust(person, spent_micros, reference, reason, author, month)
        if house_pays:
            _adjust(None, -spent_micros, twin, reason, author, entry.budget.month)
    return entry


def _adjust(
    person: AbstractBaseUser | None,
    spent_micros: int,
    reference: str,
    reason: str,
    author: AbstractBaseUser | None,
    month: date,
) -> Entry:
    entry = _grant_of(reference)
    if entry is None:
        budget = budgets.open_house(month) if person is None else budgets.open_budget(person, month)
        entry = _book(
            budget,
            kind=EntryKind.ADJUST,
            spent=spent_micros,
            reference=reference,
            reason=reason,
            author=author,
            expected=_BELOW_ZERO,
        )
        entry = entry or _grant_of(reference)
        if entry is None:
            budget.refresh_from_db()
            raise _adjustment_refused(budget, spent_micros)
    whose = None if person is None else person.pk
    return _same(entry, entry.budget.person_id == whose and entry.spent_delta == spent_micros)


def _adjustment_refused(budget: Budget, spent_micros: int) -> Exception:
    if budget.spent_micros + spent_micros < 0:
        return SpentBelowZero(budget.spent_micros, by_house=budget.kind == BudgetKind.HOUSE)
    return InsufficientBudget(
        available_micros=budget.available_micros,
        needed_micros=spent_micros,
        resets_at=months.resets_at(budget.month),
    )


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
    entry = _grant_of(reference) or _grant(person, amount_micros, reference, reason, author, months.month_of(now))
    return _same(entry, entry.budget.person_id == person.pk and entry.granted_delta == amount_micros)


def _grant(
    person: AbstractBaseUser,
    amount_micros: int,
    reference: str,
    reason: str,
    author: AbstractBaseUser | None,
    month: date,
) -> Entry:
    budget = budgets.open_budget(person, month)
    statement = statements.BOOK if amount_micros > 0 else statements.TAKE_BACK
    entry = _book(
        budget,
        statement,
        kind=EntryKind.GRANT,
        granted=amount_micros,
        reference=reference,
        reason=reason,
        author=author,
    )
    entry = entry or _grant_of(reference)
    if entry is None:
        budget.refresh_from_db()
        raise GrantInUse(budget.available_micros)
    return entry


def _grant_of(reference: str) -> Entry | None:
    """The GRANT, a month's first one included, or the ADJUST that took a grant back or corrected what was spent."""
    granted = Q(kind=EntryKind.GRANT) | Q(kind=EntryKind.ADJUST, hold__isnull=True)
    return Entry.objects.select_related("budget").filter(granted, reference=reference).first()


def _book(
    budget: Budget,
    statement: str = statements.BOOK,
    *,
    kind: EntryKind,
    reason: str,
    author: AbstractBaseUser | None = None,
    expected: frozenset[str] = EXPECTED,
    **values: object,
) -> Entry | None:
    """Book on the budget what some person or program has a reason for. :raises ReasonMissing:"""
    if not reason.strip():
        raise ReasonMissing
    return book(
        statement,
        {
            **_NOTHING,
            "kind": kind.value,
            "budget": budget.pk,
            "reason": reason,
            "author": author.pk if author else None,
            **values,
        },
        expected=expected,
    )


def _hold_of(reference: str) -> Entry | None:
    """A hold never changes, so what it says can be read without a lock."""
    return Entry.objects.select_related("budget").filter(reference=reference, kind=EntryKind.HOLD).first()


def _same(earlier: Entry, says_the_same: bool) -> Entry:
    if not says_the_same:
        raise ReferenceConflict(earlier.reference)
    return earlier
