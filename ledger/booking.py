"""Running one statement of the ledger: what it wrote, or which rule stood in the way."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import psycopg
from django.db import IntegrityError, connection, transaction

from ledger import statements
from ledger.errors import RuleBroken
from ledger.models import Entry

# Broken by a repeat, in a lost race, or by an amount that doesn't fit: the caller looks at what is there. Any other
# rule is broken by a fault of ours.
EXPECTED = frozenset({"entry_hold_once", "entry_grant_once", "budget_within_grant", "organisation_within_cap"})


def book(statement: str, parameters: Mapping[str, Any], *, expected: frozenset[str] = EXPECTED) -> Entry | None:
    """Run a statement that changes a budget and writes the entry that explains it; None when it wrote nothing.

    :raises RuleBroken: naming the constraint that stood in the way, where that isn't among the expected.
    """
    row = run(statement, parameters, expected=expected)
    return None if row is None else entry_of(row)


def run(
    statement: str, parameters: Mapping[str, Any], *, expected: frozenset[str] = EXPECTED
) -> tuple[Any, ...] | None:
    """The row that the statement returned, if any. :raises RuleBroken: as `book`."""
    # One statement is a transaction of its own; inside the caller's, a savepoint keeps theirs alive when it fails.
    undoable = transaction.atomic() if connection.in_atomic_block else nullcontext()
    try:
        with undoable, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row
    except IntegrityError as error:
        rule = _rule_of(error)
        if rule in expected:
            return None
        raise RuleBroken(rule) from error


def entry_of(row: tuple[Any, ...]) -> Entry:
    return Entry.from_db(connection.alias, statements.ENTRY_FIELDS, row)


def _rule_of(error: IntegrityError) -> str:
    cause = error.__cause__
    return (cause.diag.constraint_name or "") if isinstance(cause, psycopg.Error) else ""
