"""The ledger recomputed from its entries alone: whatever differs from the counters is a drift, and loud."""

import logging
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from ledger.models import AuditRun, Budget, Entry

logger = logging.getLogger(__name__)

# What is kept of one run: enough to see what is wrong, however much it is.
MAX_DRIFTS = 1000
ROWS_AT_ONCE = 500
TIMEOUT_MS = 30 * 60 * 1000

# Each finds what should not be there, as rows of: budget, what the books say, what the entries say.
COUNTERS = """
SELECT
    budget.id,
    concat_ws('/', granted_micros, held_micros, spent_micros, overrun_micros),
    concat_ws('/', COALESCE(granted, 0), COALESCE(held, 0), COALESCE(spent, 0), COALESCE(overrun, 0))
FROM ledger_budget budget
LEFT JOIN (
    SELECT
        budget_id,
        SUM(granted_delta) AS granted,
        SUM(held_delta) AS held,
        SUM(spent_delta) AS spent,
        SUM(GREATEST(held_delta + spent_delta, 0)) FILTER (WHERE kind = 'CHARGE' AND hold_id IS NOT NULL) AS overrun
    FROM ledger_entry GROUP BY budget_id
) entries ON entries.budget_id = budget.id
WHERE (granted_micros, held_micros, spent_micros, overrun_micros)
   <> (COALESCE(granted, 0), COALESCE(held, 0), COALESCE(spent, 0), COALESCE(overrun, 0))
"""
OPEN_HOLDS = """
SELECT budget.id, held_micros::text, COALESCE(held, 0)::text
FROM ledger_budget budget
LEFT JOIN (
    SELECT budget_id, SUM(held_delta) AS held
    FROM ledger_entry hold
    WHERE kind = 'HOLD' AND NOT EXISTS (
        SELECT FROM ledger_entry outcome WHERE outcome.hold_id = hold.id AND outcome.kind IN ('CHARGE', 'RELEASE')
    )
    GROUP BY budget_id
) open ON open.budget_id = budget.id
WHERE held_micros <> COALESCE(held, 0)
"""
OUTCOMES = """
SELECT outcome.budget_id, 'entry ' || outcome.id, 'hold ' || hold.id
FROM ledger_entry outcome JOIN ledger_entry hold ON hold.id = outcome.hold_id
WHERE outcome.kind IN ('CHARGE', 'RELEASE')
  AND (hold.kind, outcome.budget_id, outcome.held_delta, outcome.reference, outcome.label)
   <> ('HOLD', hold.budget_id, -hold.held_delta, hold.reference, hold.label)
"""
DAYS = """
SELECT
    COALESCE(days.budget_id, entries.budget_id),
    concat_ws(' ', days.day, days.label, COALESCE(days.spent_micros, 0)),
    concat_ws(' ', entries.day, entries.label, COALESCE(entries.spent, 0))
FROM ledger_spending days
FULL JOIN (
    SELECT
        budget_id,
        LEAST(
            GREATEST((entry.created_at AT TIME ZONE 'UTC')::date, month),
            (month + interval '1 month' - interval '1 day')::date
        ) AS day,
        label,
        SUM(spent_delta) AS spent
    FROM ledger_entry entry JOIN ledger_budget ON ledger_budget.id = budget_id
    WHERE spent_delta <> 0
    GROUP BY 1, 2, 3
) entries ON entries.budget_id = days.budget_id AND entries.day = days.day AND entries.label = days.label
WHERE COALESCE(days.spent_micros, 0) <> COALESCE(entries.spent, 0)
"""
ORGANISATION = """
SELECT NULL::bigint, month || ' ' || used_micros, COALESCE(used, 0)::text
FROM ledger_organisationmonth
LEFT JOIN (
    SELECT month, SUM(held_micros + spent_micros) AS used FROM ledger_budget GROUP BY month
) budgets USING (month)
WHERE used_micros <> COALESCE(used, 0)
"""
GUARD = """
SELECT NULL::bigint, COALESCE(MAX(tgenabled::text), 'gone'), 'O'
FROM pg_trigger WHERE tgname = 'entry_append_only' AND tgrelid = 'ledger_entry'::regclass
HAVING COALESCE(MAX(tgenabled::text), 'gone') <> 'O'
"""
CHECKS: Mapping[str, str] = {
    "the counters are the sums of the entries": COUNTERS,
    "what is held is the sum of the open holds": OPEN_HOLDS,
    "an outcome is its hold's": OUTCOMES,
    "the days are the sums of the entries": DAYS,
    "what the organisation uses is the sum of the budgets": ORGANISATION,
    "entries can't be changed": GUARD,
}


def run() -> AuditRun:
    """Recompute everything and keep what was found. The database adds up; only drifts come here, a page at a time."""
    audit = AuditRun.objects.create()
    # One snapshot for all: what is booked meanwhile is in all of the sums or in none.
    begins = not connection.in_atomic_block
    with transaction.atomic():
        with connection.cursor() as cursor:
            if begins:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
        audit.budgets, audit.entries = Budget.objects.count(), Entry.objects.count()
        audit.drifts = list(islice(drifts(), MAX_DRIFTS))
    audit.finished_at = timezone.now()
    audit.save(update_fields=["budgets", "entries", "drifts", "finished_at"])
    if audit.drifts:
        logger.critical("the ledger drifts", extra={"audit": audit.pk, "drifts": audit.drifts[:10]})
    return audit


def last() -> AuditRun | None:
    """The latest that came to its end."""
    return AuditRun.objects.filter(finished_at__isnull=False).order_by("-pk").first()


def drifts() -> Iterator[dict[str, Any]]:
    """Every rule of the books that is broken, and where."""
    for rule, found in CHECKS.items():
        # A cursor of the server's: everything could be wrong, and that would be long.
        with connection.chunked_cursor() as cursor:
            cursor.execute(found)
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                for budget, books, entries in rows:
                    yield {"rule": rule, "budget": budget, "books": books, "entries": entries}
