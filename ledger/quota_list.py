"""Everybody's quota, with what they have of this month beside it: the list that admins work in."""

from datetime import date
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Case, F, FilteredRelation, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from ledger.budgets import default_micros
from ledger.models import Quota

# A row of defaults says the same as none, so making it changes nobody's money.
_FILL_IN = """
INSERT INTO ledger_quota (person_id, frozen, rolls_over)
SELECT id, false, false FROM {people} person
WHERE NOT EXISTS (SELECT FROM ledger_quota WHERE person_id = person.id)
ON CONFLICT DO NOTHING
"""


def fill_in() -> None:
    """Give a row to everybody who has none yet, in one statement."""
    table = connection.ops.quote_name(get_user_model()._meta.db_table)  # noqa: SLF001 - Django's documented _meta
    with connection.cursor() as cursor:
        cursor.execute(_FILL_IN.format(people=table))


def of_month(quotas: QuerySet[Quota], month: date) -> QuerySet[Any]:
    """The quotas with `granted`, `held`, `spent` and `available` of the month in micros, and `used_percent`.

    Where the month has no budget yet, `granted` is what the quota will open it with.
    """
    own = FilteredRelation("person__budgets", condition=Q(person__budgets__month=month))
    begins_with = Coalesce(F("monthly_micros"), Value(default_micros()))
    return (
        quotas.select_related("person")
        .annotate(month_budget=own)
        .annotate(
            granted=Coalesce(F("month_budget__granted_micros"), begins_with),
            held=Coalesce(F("month_budget__held_micros"), 0),
            spent=Coalesce(F("month_budget__spent_micros"), 0),
        )
        .annotate(
            available=F("granted") - F("held") - F("spent"),
            used_percent=Case(
                When(granted__gt=0, then=(F("held") + F("spent")) * 100 / F("granted")),
                When(spent__gt=0, then=Value(100)),
                default=Value(0),
            ),
        )
    )
