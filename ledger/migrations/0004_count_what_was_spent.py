"""Fills the days' sums from the entries that were there before they were kept."""

from django.db import migrations

FORWARD = """
INSERT INTO ledger_spending (budget_id, day, label, spent_micros)
SELECT
    budget.id,
    LEAST(
        GREATEST((entry.created_at AT TIME ZONE 'UTC')::date, budget.month),
        (budget.month + interval '1 month' - interval '1 day')::date
    ) AS day,
    entry.label,
    SUM(entry.spent_delta)
FROM ledger_entry entry JOIN ledger_budget budget ON budget.id = entry.budget_id
WHERE entry.spent_delta <> 0
GROUP BY budget.id, day, entry.label
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_money_made_whole")]
    operations = [migrations.RunSQL(FORWARD, "DELETE FROM ledger_spending")]
