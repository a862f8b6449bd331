"""The month's money as a person sees it: the balance and every entry behind it."""

from dataclasses import dataclass
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledger import queries as ledger
from ledger.errors import InvalidMonth
from ledger.models import Entry
from studio.views.people import PersonRequest, for_people

GENERATION = "generation:"


@dataclass(frozen=True, slots=True)
class Line:
    """An entry and the song that it was for, if any."""

    entry: Entry
    song_id: UUID | None


@require_safe
@for_people
def budget(request: PersonRequest) -> HttpResponse:
    typed = request.GET.get("cursor", "")
    cursor = int(typed) if typed.isdecimal() and len(typed) < 19 else None
    try:
        page = ledger.entries(request.user, request.GET.get("month") or None, cursor)
    except InvalidMonth as error:
        raise Http404(str(error.message)) from None
    balance = ledger.balance(request.user)
    lines = [Line(entry, _song_id(entry.reference)) for entry in page.entries]
    shown = {"balance": balance, "lines": lines, "page": page, "this_month": page.month == balance.month}
    return render(request, "studio/budget.html", shown)


def _song_id(reference: str) -> UUID | None:
    try:
        return UUID(reference.removeprefix(GENERATION)) if reference.startswith(GENERATION) else None
    except ValueError:
        return None
