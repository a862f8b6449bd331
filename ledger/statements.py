"""The SQL of the ledger. Money moves in the functions of `migrations/sql`; here they are called.

What they return are the columns of an Entry. A call that may not book writes nothing and returns no row; a hold then
returns a row that says what stands in its way.
"""

from ledger.models import Entry

ENTRY_FIELDS = [field.attname for field in Entry._meta.concrete_fields]  # noqa: SLF001
_ENTRY = f"SELECT {', '.join(ENTRY_FIELDS)} FROM"

HOLD = f"""
SELECT {", ".join(f"(entry).{name}" for name in ENTRY_FIELDS)}, obstacle, left_micros
FROM ledger_hold(%(person)s, %(month)s, %(amount)s, %(reference)s, %(label)s)
"""  # noqa: S608

RESOLVE = f"{_ENTRY} ledger_resolve(%(kind)s, %(reference)s, %(spent)s)"

BOOK = f"""
{_ENTRY} ledger_book(
    %(kind)s, %(budget)s, %(granted)s, %(spent)s, %(reference)s, %(label)s, %(hold)s, %(reason)s, %(author)s
)
"""

TAKE_BACK = f"{_ENTRY} ledger_take_back(%(budget)s, %(granted)s, %(reference)s, %(reason)s, %(author)s)"

OPEN_BUDGET = f"""
WITH opened AS (
    INSERT INTO ledger_budget (kind, person_id, month, granted_micros)
    VALUES ('PERSON', %(person)s, %(month)s, %(granted)s)
    ON CONFLICT DO NOTHING
    RETURNING id
)
INSERT INTO ledger_entry (kind, budget_id, granted_delta, reference, reason)
SELECT 'GRANT', id, %(granted)s, %(reference)s, %(reason)s FROM opened
RETURNING {", ".join(ENTRY_FIELDS)}
"""  # noqa: S608

# The house has nothing granted, so its budget needs no entry to explain it.
OPEN_HOUSE = """
INSERT INTO ledger_budget (kind, month) VALUES ('HOUSE', %(month)s) ON CONFLICT DO NOTHING
"""

# Waits for whoever is booking, and holds everybody else back until the counter of the month stands.
STOP_BOOKING = "LOCK TABLE ledger_budget IN SHARE ROW EXCLUSIVE MODE"

COUNT_MONTH = """
INSERT INTO ledger_organisationmonth (month, cap_micros, used_micros)
SELECT
    %(month)s,
    monthly_cap_micros,
    (SELECT COALESCE(SUM(held_micros + spent_micros), 0) FROM ledger_budget WHERE month = %(month)s)
FROM ledger_organisation WHERE monthly_cap_micros IS NOT NULL
ON CONFLICT (month) DO UPDATE SET cap_micros = EXCLUDED.cap_micros
"""
