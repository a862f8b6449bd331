"""Reads for pages and API. None of them writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import quantiles
from typing import Literal
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q
from django.utils import timezone

from studio import listening, pricing, recipes, sentences
from studio.errors import NotFound
from studio.fal import breaker
from studio.models import Generation, GenerationQuerySet, Track, User
from studio.states import GenerationState as State
from studio.states import Purpose, TrackState

Phase = Literal["waiting", "sent", "running", "saving", "ready", "failed", "cancelled"]

PHASES: dict[str, Phase] = {
    State.QUEUED: "waiting",
    State.SUBMITTED: "sent",
    State.RUNNING: "running",
    State.LOST: "sent",
    State.INGESTING: "saving",
    State.READY: "ready",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}
# Beyond this the softer one is hardly music, and nobody wants the other one as soft.
MATCH_AT_MOST_DB = 12.0
USUAL_FROM = 50
USUAL_FEWEST = 3
# As far back as is looked for songs that ended before another was asked for.
USUAL_WINDOW = 200


@dataclass(frozen=True, slots=True)
class Card:
    """A generation as a person sees it."""

    generation: Generation
    tracks: list[Track]
    position: int | None
    usual_seconds: tuple[int, int] | None
    fal_is_out_of_reach: bool = False

    @property
    def phase(self) -> Phase:
        return PHASES[self.generation.state]

    @property
    def kept(self) -> list[Track]:
        """What can be played and downloaded."""
        return [track for track in self.tracks if track.state == TrackState.READY and track.trashed_at is None]

    @property
    def is_pair(self) -> bool:
        """Two variations that can be compared."""
        return len(self.kept) > 1

    @property
    def stand_in(self) -> Track | None:
        """The variation that plays where one of them has to."""
        return listening.stand_in(self.kept)

    @property
    def passed_over(self) -> Track | None:
        """The other one, once somebody has picked."""
        picked = self.is_pair and any(track.is_keeper for track in self.kept)
        return next(track for track in self.kept if not track.is_keeper) if picked else None

    @property
    def turned_down_db(self) -> dict[UUID, float]:
        """By how much each variation is played softer than it is, so that none wins by being loud."""
        return dict(zip((track.pk for track in self.kept), matched([t.loudness_lufs for t in self.kept]), strict=True))

    @property
    def added_ms(self) -> dict[UUID, tuple[int, int]]:
        """Which part of each variation an extension added to its source."""
        source, recipe = self.generation.source, self.generation.recipe
        if source is None or self.generation.purpose != Purpose.EXTENSION:
            return {}
        kept = max(0, (source.duration_ms or 0) - round(1000 * (recipe.get("crop_duration") or 0)))
        whole = {track.pk: track.duration_ms or 0 for track in self.kept}
        if recipe.get("side") == "left":
            return {pk: (0, max(0, ms - kept)) for pk, ms in whole.items()}
        return {pk: (min(kept, ms), ms) for pk, ms in whole.items()}

    @property
    def turned_down(self) -> Track | None:
        """The louder of two, where there is one."""
        return next((track for track in self.kept if self.turned_down_db[track.pk]), None)

    @property
    def is_unheard(self) -> bool:
        return self.generation.state == State.READY and self.generation.heard_at is None

    @property
    def title(self) -> str:
        return self.tracks[0].title if self.tracks else str(self.generation.recipe.get("prompt") or "")

    @property
    def sentence(self) -> str:
        return sentences.sentence(self._place)

    @property
    def remark(self) -> str:
        return sentences.remark(self.generation) if self.generation.state == State.READY else ""

    @property
    def stale_seconds(self) -> int | None:
        """When a page has to ask again, because the sentence is another one by then."""
        return sentences.stale_seconds(self._place)

    @property
    def _place(self) -> sentences.Place:
        return sentences.Place(
            generation=self.generation,
            now=timezone.now(),
            position=self.position,
            usual_seconds=self.usual_seconds,
            fal_is_out_of_reach=self.fal_is_out_of_reach,
            saving_is_in_trouble=any(track.alarm for track in self.tracks),
        )

    @property
    def elapsed_since(self) -> datetime | None:
        return self.generation.submit_started_at or self.generation.created_at

    @property
    def can_cancel(self) -> bool:
        stoppable = (State.QUEUED, State.SUBMITTED, State.RUNNING, State.LOST)
        return self.generation.state in stoppable and self.generation.cancel_requested_at is None

    @property
    def charged_micros(self) -> int | None:
        return self.generation.charged_micros

    @property
    def released(self) -> bool:
        """Ended without a song, so that the money went back."""
        return self.generation.state in (State.FAILED, State.CANCELLED) and not self.generation.charged_micros

    @property
    def reproducible(self) -> bool:
        """The same song comes again, of the same number in one request."""
        return not self.why_not_reproducible

    @property
    def why_not_reproducible(self) -> str:
        return recipes.why_not_reproducible(self.generation)

    @property
    def retry_cost_micros(self) -> int:
        return pricing.price_micros(self.generation.endpoint, self.generation.num_songs)


@dataclass(frozen=True, slots=True)
class FeedPage:
    cards: list[Card]
    next_cursor: str | None


def feed(
    person: User, before: str | None = None, limit: int = 20, state: str | None = None, *, with_hidden: bool = False
) -> FeedPage:
    """A page of a person's generations, newest first, after the cursor `before`; a bad cursor is the start.

    Hidden is what lies in the trash whole, and what failed and was cleared away.
    """
    rows = _with_tracks(Generation.objects.of(person))
    if not with_hidden:
        rows = rows.in_the_open()
        outside = Track.objects.filter(generation=OuterRef("pk"), trashed_at=None)
        trashed = Track.objects.filter(generation=OuterRef("pk"), trashed_at__isnull=False)
        rows = rows.filter(Exists(outside) | ~Exists(trashed))
        rows = rows.exclude(cleared_at__isnull=False, state__in=listening.ENDED_WITHOUT_A_SONG)
    if state is not None:
        rows = rows.filter(state=state)
    at, last_id = read_cursor(before)
    if at is not None and last_id is not None:
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=last_id))
    page = list(rows.order_by("-created_at", "-pk")[: limit + 1])
    cards = _cards(page[:limit])
    return FeedPage(cards, cursor_after(page[limit - 1]) if len(page) > limit else None)


def card(person: User, generation_id: UUID) -> Card:
    """:raises NotFound: not there, or another person's."""
    generation = _with_tracks(Generation.objects.of(person)).filter(pk=generation_id).first()
    if generation is None:
        raise NotFound
    return _cards([generation])[0]


def last_seed(person: User) -> int | None:
    """Of the song that was asked for last; what was made from another has seeds of its own."""
    newest = Generation.objects.of(person).filter(purpose=Purpose.SONG).order_by("-created_at", "-pk")
    return newest.values_list("seed", flat=True).first()


def unfinished_count(person: User) -> int:
    return Generation.objects.of(person).filter(finished_at=None).count()


def matched(loudness_lufs: Sequence[float | None]) -> list[float]:
    """For each how many dB it is turned down to sound as loud as the softest. Nothing where one has no loudness."""
    known = [lufs for lufs in loudness_lufs if lufs is not None]
    if len(known) < len(loudness_lufs):
        return [0.0 for _lufs in loudness_lufs]
    return [max(-MATCH_AT_MOST_DB, round(min(known) - lufs, 1)) for lufs in known]


def _with_tracks(rows: GenerationQuerySet) -> GenerationQuerySet:
    return rows.select_related("source").prefetch_related(
        Prefetch("tracks", queryset=Track.objects.order_by("variation"))
    )


def _cards(generations: Sequence[Generation]) -> list[Card]:
    positions = _positions(generations)
    unfinished = [generation for generation in generations if generation.finished_at is None]
    usual = _usual_of(unfinished)
    is_out_of_reach = bool(positions) and breaker.seconds_out_of_reach() > 0
    return [
        Card(row, list(row.tracks.all()), positions.get(row.pk), usual.get(row.pk), is_out_of_reach)
        for row in generations
    ]


def _positions(generations: Sequence[Generation]) -> dict[UUID, int]:
    """The place in their person's own line of those that wait, from 1."""
    waiting = [generation for generation in generations if generation.state == State.QUEUED]
    if not waiting:
        return {}
    line = Generation.objects.filter(person_id=waiting[0].person_id, state=State.QUEUED).order_by(
        "turn", "created_at", "pk"
    )
    return {pk: place for place, pk in enumerate(line.values_list("pk", flat=True), start=1)}


def _usual_of(unfinished: Sequence[Generation]) -> dict[UUID, tuple[int, int] | None]:
    """For each what was usual when it was asked for: songs that end meanwhile don't move what was said."""
    if not unfinished:
        return {}
    ready = Generation.objects.filter(state=State.READY, submit_started_at__isnull=False).order_by("-finished_at")
    rows = ready.values_list("submit_started_at", "finished_at")[:USUAL_WINDOW]
    times = [(end, (end - begin).total_seconds()) for begin, end in rows if begin is not None and end is not None]
    return {generation.pk: _usual_before(generation.created_at, times) for generation in unfinished}


def _usual_before(asked_at: datetime, times: Sequence[tuple[datetime, float]]) -> tuple[int, int] | None:
    """What most of the last 50 songs took from submit to ready, as their middle half; None where there are too few."""
    took = [seconds for end, seconds in times if end <= asked_at][:USUAL_FROM]
    if len(took) < USUAL_FEWEST:
        return None
    low, _middle, high = quantiles(took, n=4)
    return max(1, round(low)), max(1, round(high))


def cursor_after(row: Generation | Track) -> str:
    """Where the page goes on that ends with this row, newest first."""
    return f"{row.created_at.isoformat()}~{row.pk}"


def read_cursor(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    """Nothing of both where it is none."""
    at, _separator, last_id = (cursor or "").partition("~")
    try:
        moment = datetime.fromisoformat(at.replace(" ", "+")).astimezone(UTC)
        return moment, UUID(last_id)
    except (ValueError, OverflowError):
        return None, None
