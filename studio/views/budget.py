"""The month's money as a person sees it: the balance and every entry behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledger import queries as ledger
from ledger.errors import InvalidMonth
from ledger.models import Entry
from studio.models import Generation, Track, User
from studio.queries import Card
from studio.views.people import PersonRequest, for_people

GENERATION = "generation:"
ORDERED_TRACKS = Prefetch("tracks", queryset=Track.objects.order_by("variation"))


@dataclass(frozen=True, slots=True)
class Line:
    """An entry and the card of the song that it was for, if any."""

    entry: Entry
    card: Card | None


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
    cards = _cards(request.user, page.entries)
    lines = [Line(entry, cards.get(_song_id(entry.reference))) for entry in page.entries]
    shown = {"balance": balance, "lines": lines, "page": page, "this_month": page.month == balance.month}
    return render(request, "studio/budget.html", shown)


def _cards(person: User, entries: Sequence[Entry]) -> dict[UUID | None, Card]:
    """The songs of all these entries by their id, in two queries."""
    ids = {song_id for entry in entries if (song_id := _song_id(entry.reference)) is not None}
    rows = Generation.objects.of(person).filter(pk__in=ids).prefetch_related(ORDERED_TRACKS)
    return {row.pk: Card(row, list(row.tracks.all()), None, None) for row in rows}


def _song_id(reference: str) -> UUID | None:
    try:
        return UUID(reference.removeprefix(GENERATION)) if reference.startswith(GENERATION) else None
    except ValueError:
        return None
