"""The SQL of the ledger: each statement changes a budget and writes the entry that explains it, both or neither.

A statement that may not book writes nothing and returns no row. What it returns are the columns of an Entry. Rows are
locked in one order, so that no two can wait for each other: a person's budget, the organisation's month, the house's.
"""

# The conditions are checked again on the row as the last writer left it, so racing holds cannot take the same money. A
# second hold with the reference fails at the unique index, and takes its UPDATEs back with it. So does one that the
# person's budget has room for and the organisation's month has not, or whose month has no row yet: its entry would
# have no budget.
HOLD = """
WITH booked AS (
    UPDATE ledger_budget
    SET held_micros = held_micros + %(amount)s
    WHERE person_id = %(person)s
      AND month = %(month)s
      AND held_micros + spent_micros + %(amount)s <= granted_micros
      AND NOT EXISTS (SELECT FROM ledger_quota WHERE person_id = %(person)s AND frozen)
    RETURNING id
), counted AS (
    UPDATE ledger_organisationmonth
    SET used_micros = used_micros + %(amount)s
    WHERE month = %(month)s AND used_micros + %(amount)s <= cap_micros AND EXISTS (SELECT FROM booked)
    RETURNING month
)
INSERT INTO ledger_entry (kind, budget_id, held_delta, reference, label)
SELECT
    'HOLD',
    CASE
        WHEN EXISTS (SELECT FROM counted) THEN id
        WHEN NOT EXISTS (SELECT FROM ledger_organisation WHERE monthly_cap_micros IS NOT NULL) THEN id
    END,
    %(amount)s, %(reference)s, %(label)s
FROM booked
RETURNING *
"""

# Everything that can stand in the way of a hold, in one look.
WHY_NOT = """
SELECT
    EXISTS (SELECT FROM ledger_entry WHERE reference = %(reference)s AND kind = 'HOLD'),
    EXISTS (SELECT FROM ledger_quota WHERE person_id = %(person)s AND frozen),
    (SELECT granted_micros - held_micros - spent_micros
     FROM ledger_budget WHERE person_id = %(person)s AND month = %(month)s),
    (SELECT monthly_cap_micros FROM ledger_organisation),
    (SELECT cap_micros - used_micros FROM ledger_organisationmonth WHERE month = %(month)s)
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

# What an entry spends is added to its day. The budget's row is locked by then, so nobody else writes these days.
_DAILY = """
    INSERT INTO ledger_spending (budget_id, day, label, spent_micros)
    SELECT
        booked.id,
        LEAST(
            GREATEST((entry.created_at AT TIME ZONE 'UTC')::date, booked.month),
            (booked.month + interval '1 month' - interval '1 day')::date
        ),
        entry.label,
        entry.spent_delta
    FROM entry, booked WHERE entry.spent_delta <> 0
    ON CONFLICT (budget_id, day, label) DO UPDATE
    SET spent_micros = ledger_spending.spent_micros + EXCLUDED.spent_micros
"""

# From here on nothing depends on the budget, so the entry goes first: the second of two rivals waits at the unique
# index, finds the first's entry there, and leaves the budget alone. A charge of just what was held changes nothing of
# what the organisation uses, and doesn't touch its row.
RESOLVE = f"""
WITH entry AS (
    INSERT INTO ledger_entry (kind, budget_id, held_delta, spent_delta, reference, label, hold_id)
    SELECT %(kind)s, budget_id, -held_delta, %(spent)s, reference, label, id
    FROM ledger_entry WHERE reference = %(reference)s AND kind = 'HOLD'
    ON CONFLICT DO NOTHING
    RETURNING *
), booked AS (
    UPDATE ledger_budget
    SET held_micros = held_micros + entry.held_delta,
        spent_micros = spent_micros + entry.spent_delta,
        overrun_micros = overrun_micros + GREATEST(entry.held_delta + entry.spent_delta, 0)
    FROM entry WHERE ledger_budget.id = entry.budget_id
    RETURNING ledger_budget.id, ledger_budget.month
), counted AS (
    UPDATE ledger_organisationmonth
    SET used_micros = used_micros + entry.held_delta + entry.spent_delta
    FROM entry, booked
    WHERE ledger_organisationmonth.month = booked.month AND entry.held_delta + entry.spent_delta <> 0
), daily AS ({_DAILY})
SELECT * FROM entry
"""  # noqa: S608

_ENTRY = """
    INSERT INTO ledger_entry
        (kind, budget_id, granted_delta, spent_delta, reference, label, hold_id, reason, author_id)
    VALUES (
        %(kind)s, %(budget)s, %(granted)s, %(spent)s, %(reference)s, %(label)s, %(hold)s, %(reason)s, %(author)s
    )
    ON CONFLICT DO NOTHING
    RETURNING *
"""

# Both sides of a move are in one month, so that it changes nothing of what the organisation uses.
_COUNTED = """
    UPDATE ledger_organisationmonth
    SET used_micros = used_micros + entry.spent_delta
    FROM entry
    WHERE month = %(month)s AND entry.spent_delta <> 0 AND entry.hold_id IS NULL
"""

BOOK = f"""
WITH entry AS ({_ENTRY}), booked AS (
    UPDATE ledger_budget
    SET granted_micros = granted_micros + entry.granted_delta,
        spent_micros = spent_micros + entry.spent_delta
    FROM entry WHERE ledger_budget.id = entry.budget_id
    RETURNING ledger_budget.id, ledger_budget.month
), daily AS ({_DAILY}), counted AS (
    {_COUNTED} AND EXISTS (SELECT FROM booked)
)
SELECT * FROM entry
"""  # noqa: S608

# As BOOK, with the organisation's month before the house's row.
BOOK_HOUSE = f"""
WITH entry AS ({_ENTRY}), counted AS (
    {_COUNTED} RETURNING month
), booked AS (
    UPDATE ledger_budget
    SET spent_micros = spent_micros + entry.spent_delta
    FROM entry WHERE ledger_budget.id = entry.budget_id AND (SELECT count(*) FROM counted) >= 0
    RETURNING ledger_budget.id, ledger_budget.month
), daily AS ({_DAILY})
SELECT * FROM entry
"""  # noqa: S608

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
