"""A person's money and what it was for: entries of the ledger beside the generations that they name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from uuid import UUID

from django.db.models import Prefetch

from ledger import queries as ledger
from ledger.models import RESOLUTIONS, Entry, EntryKind
from studio.models import Generation, Track, User, generation_id_of
from studio.queries import Card

ORDERED_TRACKS = Prefetch("tracks", queryset=Track.objects.order_by("variation"))
# How many entries of a long statement are held, and looked up, at once.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Line:
    """An entry and the song that it was for, if any.

    `outcome` is the kind of entry that ended a hold. None: it is still open, or was not asked for.
    """

    entry: Entry
    card: Card | None
    outcome: str | None = None

    @property
    def generation_id(self) -> UUID | None:
        return self.card.generation.pk if self.card else None

    @property
    def request_id(self) -> str | None:
        """fal's own name for it, which its bill says too."""
        return self.card.generation.request_id if self.card else None

    @property
    def title(self) -> str:
        return self.card.title if self.card else ""


def lines(person: User, entries: Sequence[Entry]) -> list[Line]:
    """The entries with their songs, in two queries however many they are; another person's songs stay unknown."""
    ids = {song_id for entry in entries if (song_id := generation_id_of(entry.reference)) is not None}
    rows = Generation.objects.of(person).filter(pk__in=ids).prefetch_related(ORDERED_TRACKS) if ids else []
    cards = {row.pk: Card(row, list(row.tracks.all()), None, None) for row in rows}
    return [
        Line(entry, cards.get(song_id) if (song_id := generation_id_of(entry.reference)) else None) for entry in entries
    ]


def told(person: User, entries: Sequence[Entry]) -> list[Line]:
    """As `lines`, and each hold says how it ended; one more query."""
    holds = [entry.pk for entry in entries if entry.kind == EntryKind.HOLD]
    ends = dict(Entry.objects.filter(hold__in=holds, kind__in=RESOLUTIONS).values_list("hold_id", "kind"))
    return [replace(line, outcome=ends.get(line.entry.pk)) for line in lines(person, entries)]


def statement(person: User, month: str) -> Iterator[Line]:
    """Every line of a month like ``2026-11``, oldest first; a month of any length takes the same memory.

    :raises InvalidMonth: when the month has another form.
    """
    entries = ledger.statement(person, month)
    while batch := list(islice(entries, BATCH)):
        yield from lines(person, batch)
