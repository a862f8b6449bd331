"""Which months there are in the books, read off the ends of an index."""

from datetime import date

from django.db.models import Max, Min

from ledger import months
from ledger.models import Budget


def month_names() -> list[str]:
    """Newest first; this month is always among them."""
    ends = Budget.objects.aggregate(first=Min("month"), last=Max("month"))
    now = months.month_of()
    first, last = min(ends["first"] or now, now), max(ends["last"] or now, now)
    count = (last.year - first.year) * 12 + last.month - first.month
    return [months.month_name(_earlier(last, by)) for by in range(count + 1)]


def _earlier(month: date, by: int) -> date:
    year, before = divmod(month.year * 12 + month.month - 1 - by, 12)
    return date(year, before + 1, 1)
