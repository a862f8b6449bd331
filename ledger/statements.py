"""The SQL of the ledger: each statement changes a budget and writes the entry that explains it, both or neither.

A statement that finds its condition unmet writes nothing and returns no row. What it returns are columns of an Entry.
"""

# The condition is checked again on the row as the last writer left it, so racing holds cannot take the same money.
HOLD = """
WITH booked AS (
    UPDATE ledger_budget
    SET held_micros = held_micros + %(amount)s
    WHERE person_id = %(person)s
      AND month = %(month)s
      AND held_micros + spent_micros + %(amount)s <= granted_micros
      AND NOT EXISTS (SELECT FROM ledger_quota WHERE person_id = %(person)s AND frozen)
      AND NOT EXISTS (SELECT FROM ledger_entry WHERE reference = %(reference)s AND kind = 'HOLD')
    RETURNING id
)
INSERT INTO ledger_entry (kind, budget_id, held_delta, reference)
SELECT 'HOLD', id, %(amount)s, %(reference)s FROM booked
RETURNING *
"""

RESOLVE = """
WITH hold AS (
    SELECT id, budget_id, held_delta FROM ledger_entry WHERE reference = %(reference)s AND kind = 'HOLD'
), booked AS (
    UPDATE ledger_budget
    SET held_micros = held_micros - hold.held_delta,
        spent_micros = spent_micros + %(spent)s,
        overrun_micros = overrun_micros + GREATEST(%(spent)s - hold.held_delta, 0)
    FROM hold
    WHERE ledger_budget.id = hold.budget_id
      AND NOT EXISTS (
          SELECT FROM ledger_entry AS earlier
          WHERE earlier.hold_id = hold.id AND earlier.kind IN ('CHARGE', 'RELEASE')
      )
    RETURNING ledger_budget.id AS budget_id, hold.id AS hold_id, hold.held_delta
)
INSERT INTO ledger_entry (kind, budget_id, held_delta, spent_delta, reference, hold_id)
SELECT %(kind)s, budget_id, -held_delta, %(spent)s, %(reference)s, hold_id FROM booked
RETURNING *
"""

# Only a grant that is taken back has a condition: what is held or spent stays granted.
BOOK = """
WITH booked AS (
    UPDATE ledger_budget
    SET granted_micros = granted_micros + %(granted)s,
        spent_micros = spent_micros + %(spent)s
    WHERE id = %(budget)s
      AND (%(granted)s >= 0 OR held_micros + spent_micros <= granted_micros + %(granted)s)
    RETURNING id
)
INSERT INTO ledger_entry (kind, budget_id, granted_delta, spent_delta, reference, hold_id, reason, author_id)
SELECT %(kind)s, id, %(granted)s, %(spent)s, %(reference)s, %(hold)s::bigint, %(reason)s, %(author)s::bigint FROM booked
RETURNING *
"""

OPEN_BUDGET = """
WITH opened AS (
    INSERT INTO ledger_budget (kind, person_id, month, granted_micros)
    VALUES ('PERSON', %(person)s, %(month)s, %(granted)s)
    ON CONFLICT DO NOTHING
    RETURNING id
)
INSERT INTO ledger_entry (kind, budget_id, granted_delta, reference, reason)
SELECT 'GRANT', id, %(granted)s, %(reference)s, %(reason)s FROM opened
RETURNING *
"""

# The house has nothing granted, so its budget needs no entry to explain it.
OPEN_HOUSE = """
INSERT INTO ledger_budget (kind, month) VALUES ('HOUSE', %(month)s) ON CONFLICT DO NOTHING
"""
