"""The month's money as a person sees it: the balance, what each day cost, and every entry behind it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledger import months
from ledger import queries as ledger
from ledger.errors import InvalidMonth
from ledger.queries import Balance
from studio import charts, statements
from studio.views.people import PersonRequest, for_people

MONTHS_SHOWN = 12


@require_safe
@for_people
def budget(request: PersonRequest) -> HttpResponse:
    person = request.user
    present = ledger.balance(person)
    month = month_asked_for(request)
    cursor = _cursor(request)
    page = ledger.entries(person, month, cursor)
    all_months = ledger.months_of(person)
    shows_all = request.GET.get("months") == "all"
    shown = {
        "balance": present if month == present.month else ledger.balance_of(person, month),
        "page": page,
        "lines": statements.told(person, page.entries),
        "this_month": month == present.month,
        "first_page": cursor is None,
        "chart": charts.of_month(months.parse_month(month), ledger.spending(person, month), datetime.now(UTC).date()),
        "months": all_months if shows_all else all_months[:MONTHS_SHOWN],
        "has_more_months": len(all_months) > MONTHS_SHOWN and not shows_all,
        **_neighbours(month, all_months, present.month),
    }
    return render(request, "studio/budget.html", shown)


def month_asked_for(request: PersonRequest) -> str:
    """The month of the address, this one where it names none.

    :raises Http404: for what is no month, or is still to come.
    """
    try:
        month = months.parse_begun_month(request.GET.get("month") or months.month_name(months.month_of()))
    except InvalidMonth as error:
        raise Http404(str(error.message)) from None
    return months.month_name(month)


def _cursor(request: PersonRequest) -> int | None:
    """An entry's id; what can be none is the start."""
    typed = request.GET.get("cursor", "")
    return int(typed) if typed.isdecimal() and len(typed) < 19 else None


def _neighbours(month: str, all_months: Sequence[Balance], present: str) -> dict[str, str | None]:
    """The months with a budget just before and after the one that is shown; this month counts in any case."""
    names = sorted({balance.month for balance in all_months} | {present})
    return {
        "earlier_month": max((name for name in names if name < month), default=None),
        "later_month": min((name for name in names if name > month), default=None),
    }
