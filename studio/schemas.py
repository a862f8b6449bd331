"""What goes in and out of the API. Money is decimal strings in dollars, seeds are strings."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Self
from uuid import UUID

from ninja import Schema

from ledger.money import format_dollars
from ledger.schemas import BalanceOut, EntryOut
from studio import timeline, trash
from studio.errors import Problem
from studio.generations import Quote
from studio.models import Track
from studio.queries import Card
from studio.statements import Line
from studio.tags.taxonomy import Tag
from studio.timeline import Moment


class ProblemOut(Schema):
    code: str
    message: str
    hint: str
    field: str | None

    @classmethod
    def of(cls, problem: Problem) -> "ProblemOut":
        return cls(code=problem.code, message=str(problem.message), hint=str(problem.hint), field=problem.field)


class ErrorOut(Schema):
    """The structured error, everywhere."""

    code: str
    message: str
    hint: str
    requestId: str | None  # noqa: N815 - the name that programs rely on
    retry_after: int | None = None
    problems: list[ProblemOut] | None = None


class MasterOut(Schema):
    format: str
    bytes: int
    storage: str


class ColdOut(Schema):
    """A master that is on its way back from cold storage, and by when it should be there."""

    storage: str
    ready_by: datetime | None


class ReasonOut(Schema):
    code: str
    message: str
    whose: str


class TrackOut(Schema):
    id: UUID
    variation: int
    state: str
    title: str
    keeper: bool
    rating: int | None
    favourite: bool
    project: UUID | None
    generation: UUID
    tags: list[str]
    created_at: datetime
    reason: ReasonOut | None
    duration_seconds: float | None
    loudness_lufs: float | None
    true_peak_dbtp: float | None
    preview_url: str | None
    peaks_url: str | None
    master: MasterOut | None
    trashed_at: datetime | None
    # When its files are deleted; of what is deleted, when that was.
    deletes_at: datetime | None

    @classmethod
    def of(cls, track: Track, *, is_own: bool = True) -> "TrackOut":
        """What its person thinks of it is for them alone."""
        ready = track.state == "READY" and track.purged_at is None
        address = f"/api/tracks/{track.pk}"
        return cls(
            id=track.pk,
            variation=track.variation,
            state=track.state,
            title=track.title,
            keeper=track.is_keeper,
            rating=track.rating if is_own else None,
            favourite=track.favourite and is_own,
            project=track.project_id,
            generation=track.generation_id,
            tags=track.tags,
            created_at=track.created_at,
            reason=ReasonOut(code=track.reason_code, message=track.reason_message, whose="fal")
            if track.state == "UNREADABLE"
            else None,
            duration_seconds=None if track.duration_ms is None else track.duration_ms / 1000,
            loudness_lufs=track.loudness_lufs,
            true_peak_dbtp=track.true_peak_dbtp,
            preview_url=f"{address}/preview" if ready else None,
            peaks_url=f"{address}/peaks" if ready else None,
            master=MasterOut(format=track.master_format, bytes=track.master_bytes or 0, storage=track.master_storage)
            if ready
            else None,
            trashed_at=track.trashed_at,
            deletes_at=track.purged_at or trash.deletes_at(track),
        )


class QuoteOut(Schema):
    """`existing` are one's own tracks of the identical recipe, newest first. A POST makes a new song all the same."""

    cost: str | None
    available: str
    after: str | None
    reasons: list[ProblemOut]
    existing: list[TrackOut]

    @classmethod
    def of(cls, quote: Quote) -> "QuoteOut":
        return cls(
            cost=None if quote.cost_micros is None else format_dollars(quote.cost_micros),
            available=format_dollars(quote.available_micros),
            after=None if quote.after_micros is None else format_dollars(quote.after_micros),
            reasons=[ProblemOut.of(problem) for problem in quote.reasons],
            existing=[TrackOut.of(track) for track in quote.existing],
        )


class MomentOut(Schema):
    """What happened, in words too, and how many seconds after the moment before."""

    event: str
    at: datetime
    says: str
    after_seconds: float | None

    @classmethod
    def of(cls, moment: Moment) -> "MomentOut":
        after = None if moment.gap is None else round(moment.gap.total_seconds(), 3)
        return cls(event=moment.event, at=moment.at, says=moment.says, after_seconds=after)


class GenerationOut(Schema):
    id: UUID
    endpoint: str
    state: str
    reason: ReasonOut | None
    request_id: str | None
    seed: str
    position: int | None
    cost: str
    charged: str | None
    cancel_requested: bool
    created_at: datetime
    timeline: list[MomentOut]
    recipe: dict[str, Any]
    tracks: list[TrackOut]

    @classmethod
    def of(cls, card: Card, *, with_timeline: bool = True) -> "GenerationOut":
        row = card.generation
        moments = timeline.read(row, card.tracks) if with_timeline else []
        return cls(
            id=row.pk,
            endpoint=row.endpoint,
            state=row.state,
            reason=ReasonOut(code=row.reason_code, message=row.reason_message, whose=row.reason_whose)
            if row.reason_code
            else None,
            request_id=row.request_id,
            seed=str(row.seed),
            position=card.position,
            cost=format_dollars(row.cost_micros),
            charged=None if row.charged_micros is None else format_dollars(row.charged_micros),
            cancel_requested=row.cancel_requested_at is not None,
            created_at=row.created_at,
            timeline=[MomentOut.of(moment) for moment in moments],
            recipe=row.recipe | {"seed": str(row.seed)},
            tracks=[TrackOut.of(track) for track in card.tracks],
        )


class GenerationsOut(Schema):
    items: list[GenerationOut]
    next_cursor: str | None


class CancelOut(Schema):
    state: str
    cancel_requested: bool


class TagOut(Schema):
    name: str
    group: str


class TagsOut(Schema):
    tags: list[TagOut]
    more: bool

    @classmethod
    def of(cls, tags: Iterable[Tag], *, more: bool = False) -> "TagsOut":
        return cls(tags=[TagOut(name=tag.name, group=tag.group) for tag in tags], more=more)


class LineOut(EntryOut):
    """An entry of the ledger, with the generation that it was for and fal's own id of the request."""

    generation: str | None
    request_id: str | None

    @classmethod
    def of(cls, line: Line) -> Self:
        song = None if line.generation_id is None else str(line.generation_id)
        return cls.of_entry(line.entry, generation=song, request_id=line.request_id)


class StatementOut(Schema):
    """Entries of one month, newest first. Each tells by how much it changed what was granted, held and spent."""

    month: str
    entries: list[LineOut]
    next_cursor: str | None


class MonthsOut(Schema):
    """The months that have a budget, newest first."""

    months: list[BalanceOut]


class DaySpentOut(Schema):
    """What a day cost for one endpoint; negative where more was given back than spent."""

    day: date
    label: str
    spent: str


class SpendingOut(Schema):
    month: str
    days: list[DaySpentOut]
