-- How money moves: each function changes a budget and writes the entry that explains it, both or neither, and returns
-- that entry. One that may not book writes nothing and returns no row.
--
-- Functions, because PostgreSQL keeps their plans: the same steps in one statement take it half as long again.
--
-- Rows are locked in one order, so that no two can wait for each other: a person's budget, the organisation's month, the
-- house's budget.

-- What an entry spends is added to its day, in the month of the budget. The budget's row is locked by then, so nobody
-- else writes these days.
CREATE FUNCTION ledger_count_day(entry ledger_entry, in_month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    on_day CONSTANT date := LEAST(
        GREATEST((entry.created_at AT TIME ZONE 'UTC')::date, in_month),
        (in_month + interval '1 month' - interval '1 day')::date
    );
BEGIN
    UPDATE ledger_spending SET spent_micros = spent_micros + entry.spent_delta
    WHERE budget_id = entry.budget_id AND day = on_day AND label = entry.label;
    IF NOT FOUND THEN
        INSERT INTO ledger_spending (budget_id, day, label, spent_micros)
        VALUES (entry.budget_id, on_day, entry.label, entry.spent_delta);
    END IF;
END
$$;

-- Looks first, without a lock: who can't hold is told why at once, and waits for nobody. What was seen decides nothing,
-- though. The condition stands in the UPDATE, and is checked again on the row as the last writer left it, so racing holds
-- cannot take the same money. One that loses such a race fails, which takes its entry back, and is tried again.
CREATE FUNCTION ledger_hold(
    whose bigint, in_month date, amount bigint, given_reference text, given_label text,
    OUT entry ledger_entry, OUT obstacle text, OUT left_micros bigint
) LANGUAGE plpgsql AS $$
DECLARE
    budget ledger_budget;
    cap bigint;
    room bigint;
BEGIN
    SELECT * INTO budget FROM ledger_budget WHERE person_id = whose AND month = in_month;
    left_micros := budget.granted_micros - budget.held_micros - budget.spent_micros;
    SELECT monthly_cap_micros INTO cap FROM ledger_organisation;
    IF cap IS NOT NULL THEN
        SELECT cap_micros - used_micros INTO room FROM ledger_organisationmonth WHERE month = in_month;
    END IF;
    -- Counting a month locks the budgets' table, so it comes before anything that writes there: two that had opened a
    -- budget each would wait for each other.
    obstacle := CASE
        WHEN cap IS NOT NULL AND room IS NULL THEN 'NOT_COUNTED'
        WHEN EXISTS (SELECT FROM ledger_quota WHERE person_id = whose AND frozen) THEN 'FROZEN'
        WHEN budget.id IS NULL THEN 'NO_BUDGET'
        WHEN left_micros < amount THEN 'INSUFFICIENT'
        WHEN room < amount THEN 'CAPPED'
    END;
    IF obstacle IS NULL THEN
        INSERT INTO ledger_entry (kind, budget_id, held_delta, reference, label)
        VALUES ('HOLD', budget.id, amount, given_reference, given_label)
        ON CONFLICT DO NOTHING
        RETURNING * INTO entry;
    END IF;
    IF entry.id IS NULL THEN
        -- Whatever else stands in the way, a repeat is answered with what it did the first time.
        IF EXISTS (SELECT FROM ledger_entry WHERE reference = given_reference AND kind = 'HOLD') THEN
            obstacle := 'HELD';
        END IF;
        RETURN;
    END IF;
    UPDATE ledger_budget SET held_micros = held_micros + amount
    WHERE id = budget.id AND held_micros + spent_micros + amount <= granted_micros;
    IF NOT FOUND THEN
        RAISE check_violation USING
            MESSAGE = 'Another hold took the money meanwhile', CONSTRAINT = 'budget_within_grant';
    END IF;
    -- Read anew: whoever sets a cap waits for those who have changed a budget, but not for those who only looked.
    SELECT monthly_cap_micros INTO cap FROM ledger_organisation;
    IF cap IS NOT NULL THEN
        UPDATE ledger_organisationmonth SET used_micros = used_micros + amount
        WHERE month = in_month AND used_micros + amount <= cap_micros;
        IF NOT FOUND THEN
            RAISE check_violation USING
                MESSAGE = 'Another hold took the room meanwhile', CONSTRAINT = 'organisation_within_cap';
        END IF;
    END IF;
END
$$;

-- From here on nothing depends on the budget, so the entry goes first: the second of two rivals waits at the unique
-- index, finds the first's entry there, and leaves the budget alone. A charge of just what was held changes nothing of
-- what the organisation uses, and doesn't touch its row.
CREATE FUNCTION ledger_resolve(given_kind text, given_reference text, spent bigint)
RETURNS SETOF ledger_entry LANGUAGE plpgsql AS $$
DECLARE
    entry ledger_entry;
    in_month date;
BEGIN
    INSERT INTO ledger_entry (kind, budget_id, held_delta, spent_delta, reference, label, hold_id)
    SELECT given_kind, budget_id, -held_delta, spent, reference, label, id
    FROM ledger_entry WHERE reference = given_reference AND kind = 'HOLD'
    ON CONFLICT DO NOTHING
    RETURNING * INTO entry;
    IF entry.id IS NULL THEN
        RETURN;
    END IF;
    UPDATE ledger_budget
    SET held_micros = held_micros + entry.held_delta,
        spent_micros = spent_micros + entry.spent_delta,
        overrun_micros = overrun_micros + GREATEST(entry.held_delta + entry.spent_delta, 0)
    WHERE id = entry.budget_id
    RETURNING month INTO in_month;
    IF entry.held_delta + entry.spent_delta <> 0 THEN
        UPDATE ledger_organisationmonth SET used_micros = used_micros + entry.held_delta + entry.spent_delta
        WHERE month = in_month;
    END IF;
    IF entry.spent_delta <> 0 THEN
        PERFORM ledger_count_day(entry, in_month);
    END IF;
    RETURN NEXT entry;
END
$$;

-- Grants, the house's charges, moves and adjustments. Both sides of a move are in one month, so that it changes nothing
-- of what the organisation uses.
CREATE FUNCTION ledger_book(
    given_kind text, into_budget bigint, granted bigint, spent bigint, given_reference text, given_label text,
    given_hold bigint, given_reason text, given_author bigint
) RETURNS SETOF ledger_entry LANGUAGE plpgsql AS $$
DECLARE
    entry ledger_entry;
    whose ledger_budget;
    counts CONSTANT boolean := spent <> 0 AND given_hold IS NULL;
BEGIN
    INSERT INTO ledger_entry
        (kind, budget_id, granted_delta, spent_delta, reference, label, hold_id, reason, author_id)
    VALUES
        (given_kind, into_budget, granted, spent, given_reference, given_label, given_hold, given_reason, given_author)
    ON CONFLICT DO NOTHING
    RETURNING * INTO entry;
    IF entry.id IS NULL THEN
        RETURN;
    END IF;
    SELECT * INTO whose FROM ledger_budget WHERE id = into_budget;
    IF counts AND whose.kind = 'HOUSE' THEN
        -- Whoever sets a cap waits for those who changed a budget. This one does so last, so it has to say so here.
        LOCK TABLE ledger_budget IN ROW EXCLUSIVE MODE;
        UPDATE ledger_organisationmonth SET used_micros = used_micros + spent WHERE month = whose.month;
    END IF;
    -- An adjustment takes from a person what is available and no more. The house and a move are never refused.
    UPDATE ledger_budget SET granted_micros = granted_micros + granted, spent_micros = spent_micros + spent
    WHERE id = into_budget
      AND (spent <= 0 OR NOT counts OR kind = 'HOUSE' OR held_micros + spent_micros + spent <= granted_micros);
    IF NOT FOUND THEN
        RAISE check_violation USING
            MESSAGE = 'The adjustment takes more than is available', CONSTRAINT = 'budget_within_grant';
    END IF;
    IF counts AND whose.kind = 'PERSON' THEN
        UPDATE ledger_organisationmonth SET used_micros = used_micros + spent WHERE month = whose.month;
    END IF;
    IF spent <> 0 THEN
        PERFORM ledger_count_day(entry, whose.month);
    END IF;
    RETURN NEXT entry;
END
$$;

-- What is held or spent stays granted. `granted` is negative. The entry goes first here as everywhere: who has the
-- reference waits for nobody who wants it.
CREATE FUNCTION ledger_take_back(
    from_budget bigint, granted bigint, given_reference text, given_reason text, given_author bigint
) RETURNS SETOF ledger_entry LANGUAGE plpgsql AS $$
DECLARE
    entry ledger_entry;
BEGIN
    INSERT INTO ledger_entry (kind, budget_id, granted_delta, reference, reason, author_id)
    VALUES ('ADJUST', from_budget, granted, given_reference, given_reason, given_author)
    ON CONFLICT DO NOTHING
    RETURNING * INTO entry;
    IF entry.id IS NULL THEN
        RETURN;
    END IF;
    UPDATE ledger_budget SET granted_micros = granted_micros + granted
    WHERE id = from_budget AND held_micros + spent_micros <= granted_micros + granted;
    IF NOT FOUND THEN
        RAISE check_violation USING
            MESSAGE = 'What is held or spent stays granted', CONSTRAINT = 'budget_within_grant';
    END IF;
    RETURN NEXT entry;
END
$$;
