"""The SQL of the ledger: each statement changes a budget and writes the entry that explains it, both or neither.

A statement that may not book writes nothing and returns no row. What it returns are the columns of an Entry.
"""

# The condition is checked again on the row as the last writer left it, so racing holds cannot take the same money. A
# second hold with the reference fails at the unique index, and takes its UPDATE back with it.
HOLD = """
WITH booked AS (
    UPDATE ledger_budget
    SET held_micros = held_micros + %(amount)s
    WHERE person_id = %(person)s
      AND month = %(month)s
      AND held_micros + spent_micros + %(amount)s <= granted_micros
      AND NOT EXISTS (SELECT FROM ledger_quota WHERE person_id = %(person)s AND frozen)
    RETURNING id
)
INSERT INTO ledger_entry (kind, budget_id, held_delta, reference)
SELECT 'HOLD', id, %(amount)s, %(reference)s FROM booked
RETURNING *
"""

# What is held or spent stays granted.
TAKE_BACK = """
WITH booked AS (
    UPDATE ledger_budget
    SET granted_micros = granted_micros + %(granted)s
    WHERE id = %(budget)s AND held_micros + spent_micros <= granted_micros + %(granted)s
    RETURNING id
)
INSERT INTO ledger_entry (kind, budget_id, granted_delta, reference, reason, author_id)
SELECT 'ADJUST', id, %(granted)s, %(reference)s, %(reason)s, %(author)s::bigint FROM booked
RETURNING *
"""

# From here on nothing depends on the budget, so the entry goes first: the second of two rivals waits at the unique
# index, finds the first's entry there, and leaves the budget alone.
RESOLVE = """
WITH entry AS (
    INSERT INTO ledger_entry (kind, budget_id, held_delta, spent_delta, reference, hold_id)
    SELECT %(kind)s, budget_id, -held_delta, %(spent)s, reference, id
    FROM ledger_entry WHERE reference = %(reference)s AND kind = 'HOLD'
    ON CONFLICT DO NOTHING
    RETURNING *
), booked AS (
    UPDATE ledger_budget
    SET held_micros = held_micros + entry.held_delta,
        spent_micros = spent_micros + entry.spent_delta,
        overrun_micros = overrun_micros + GREATEST(entry.held_delta + entry.spent_delta, 0)
    FROM entry WHERE ledger_budget.id = entry.budget_id
)
SELECT * FROM entry
"""

BOOK = """
WITH entry AS (
    INSERT INTO ledger_entry (kind, budget_id, granted_delta, spent_delta, reference, hold_id, reason, author_id)
    VALUES (%(kind)s, %(budget)s, %(granted)s, %(spent)s, %(reference)s, %(hold)s, %(reason)s, %(author)s)
    ON CONFLICT DO NOTHING
    RETURNING *
), booked AS (
    UPDATE ledger_budget
    SET granted_micros = granted_micros + entry.granted_delta,
        spent_micros = spent_micros + entry.spent_delta
    FROM entry WHERE ledger_budget.id = entry.budget_id
)
SELECT * FROM entry
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
