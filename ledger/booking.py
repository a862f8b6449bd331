"""Running one statement of the ledger: what it wrote, or which rule stood in the way."""

from collections.abc import Mapping
from contextlib import nullcontext

import psycopg
from django.db import IntegrityError, connection, transaction

from ledger.errors import RuleBroken
from ledger.models import Entry

# Broken by a repeat, in a lost race, or by an amount that doesn't fit: the caller looks at what is there. Any other
# rule is broken by a fault of ours. `budget_id` is no constraint's name but the column's: a hold that the organisation
# has no room for has no budget.
EXPECTED = frozenset({"entry_hold_once", "entry_grant_once", "budget_within_grant", "budget_id"})


def book(statement: str, parameters: Mapping[str, object], *, expected: frozenset[str] = EXPECTED) -> Entry | None:
    """Run a statement that changes a budget and writes the entry that explains it; None when it wrote nothing.

    :raises RuleBroken: naming the constraint that stood in the way, where that isn't among the expected.
    """
    # One statement is a transaction of its own; inside the caller's, a savepoint keeps theirs alive when it fails.
    undoable = transaction.atomic() if connection.in_atomic_block else nullcontext()
    try:
        with undoable:
            return next(iter(Entry.objects.raw(statement, parameters)), None)
    except IntegrityError as error:
        rule = _rule_of(error)
        if rule in expected:
            return None
        raise RuleBroken(rule) from error


def _rule_of(error: IntegrityError) -> str:
    """The constraint's name, or the column's that may not be null."""
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error):
        return ""
    return cause.diag.constraint_name or cause.diag.column_name or ""
