"""How money moves, as functions of the database."""

from pathlib import Path

from django.db import migrations

FORWARD = (Path(__file__).parent / "sql/0005_functions.sql").read_text()

BACKWARD = """
DROP FUNCTION ledger_take_back;
DROP FUNCTION ledger_book;
DROP FUNCTION ledger_resolve;
DROP FUNCTION ledger_hold;
DROP FUNCTION ledger_count_day;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_count_what_was_spent")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
