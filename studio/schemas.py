"""What goes in and out of the API. Money is decimal strings in dollars, seeds are strings."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any, Final, Self, cast
from uuid import UUID

from django.urls import reverse
from ninja import Schema
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from ledger.money import format_dollars
from ledger.months import MONTH_PATTERN
from ledger.schemas import BalanceOut, EntryOut
from studio import projects, retouches, timeline, titles, trash
from studio.errors import Problem
from studio.generations import Quote
from studio.library import Change, Filters
from studio.models import Member, Project, Retouch, ShareLink, Take, Track, User
from studio.queries import Card
from studio.retouches import Strip
from studio.statements import Line
from studio.tags.taxonomy import Tag
from studio.timeline import Moment

# At least one character that is neither a gap nor a control character.
VISIBLE: Final = r"[^\s\x00-\x1f\x7f-\x9f]"
# To JSON 4.0 is the same whole number as 4.
WHOLE: Final = BeforeValidator(lambda given: int(given) if _is_whole_float(given) else given)
# What null takes away.
CLEARED: Final = ("rating", "project")


def _is_whole_float(given: object) -> bool:
    return isinstance(given, float) and given.is_integer()


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


class TrackIn(BaseModel):
    """What is left out stays as it is. A plain model: the other kind takes any object that lacks every field."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Annotated[str, Field(min_length=1, max_length=titles.MAX_CHARACTERS, pattern=VISIBLE)] | None = None
    # Null takes these two away; of the others it says nothing.
    rating: Annotated[int, Field(ge=1, le=5), WHOLE] | None = None
    project: Annotated[UUID, Field(strict=False)] | None = None
    favourite: bool | None = None
    keeper: bool | None = None

    def change(self) -> Change:
        """Only what was sent."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return cast("Change", {name: value for name, value in given.items() if value is not None or name in CLEARED})


class FiltersIn(Schema):
    """What the library is narrowed down to; `rating` is the least, `keeper` asks for picked variations alone."""

    q: Annotated[str, Field(max_length=200)] = ""
    favourite: bool = False
    keeper: bool = False
    tag: Annotated[str, Field(max_length=100)] = ""
    # Told to programs; the library itself judges it.
    month: Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^({MONTH_PATTERN})?$"})] = ""
    project: UUID | None = None
    rating: Annotated[int, Field(ge=0, le=5)] = 0

    def filters(self) -> Filters:
        return Filters(**self.model_dump())


class TracksOut(Schema):
    items: list[TrackOut]
    next_cursor: str | None


class ProjectIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: Annotated[str, Field(min_length=1, max_length=titles.MAX_CHARACTERS, pattern=VISIBLE)]


class MemberIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    email: Annotated[str, Field(max_length=254)] = ""


class LinkIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    days: Annotated[int, Field(ge=1, le=projects.MAX_DAYS), WHOLE] = projects.USUAL_DAYS


class MemberOut(Schema):
    id: UUID
    email: str
    added_at: datetime

    @classmethod
    def of(cls, member: Member) -> Self:
        return cls(id=member.pk, email=member.person.email, added_at=member.added_at)


class LinkOut(Schema):
    """`path` is where it leads, within the studio's own address."""

    id: UUID
    path: str
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, link: ShareLink) -> Self:
        path = reverse("shared", args=[projects.key_of(link)])
        return cls(id=link.pk, path=path, created_at=link.created_at, expires_at=link.expires_at)


class ProjectOut(Schema):
    """Members and links are told to its owner, where one project is asked for."""

    id: UUID
    title: str
    is_own: bool
    owner: str
    created_at: datetime
    members: list[MemberOut] | None = None
    links: list[LinkOut] | None = None

    @classmethod
    def of(
        cls,
        project: Project,
        person: User,
        members: Iterable[Member] | None = None,
        links: Iterable[ShareLink] | None = None,
    ) -> Self:
        return cls(
            id=project.pk,
            title=project.title,
            is_own=project.person_id == person.pk,
            owner=project.person.shown_name,
            created_at=project.created_at,
            members=None if members is None else [MemberOut.of(member) for member in members],
            links=None if links is None else [LinkOut.of(link) for link in links],
        )


class ProjectsOut(Schema):
    items: list[ProjectOut]


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


class SectionOut(Schema):
    """In seconds from the start of the track."""

    start: float
    end: float


class VerdictOut(Schema):
    reason: str
    note: str


class DifferenceOut(Schema):
    """Outside the section: 1 and 0 where the take equals its source there."""

    correlation: float
    level_db: float
    equal: bool


class TakeOut(Schema):
    """`id` and `state` are its generation's; `number` is its place among those that count."""

    id: UUID
    number: int | None
    state: str
    reason: ReasonOut | None
    seed: str
    track: UUID | None
    cost: str
    charged: str | None
    accepted: bool
    verdict: VerdictOut | None
    difference: DifferenceOut | None

    @classmethod
    def of(cls, take: Take, retouch: Retouch) -> "TakeOut":
        row, track = take.generation, retouches.track_of(take)
        measured = take.difference or {}
        return cls(
            id=row.pk,
            number=take.number,
            state=row.state,
            reason=ReasonOut(code=row.reason_code, message=row.reason_message, whose=row.reason_whose)
            if row.reason_code
            else None,
            seed=str(row.seed),
            track=track.pk if track is not None else None,
            cost=format_dollars(row.cost_micros),
            charged=None if row.charged_micros is None else format_dollars(row.charged_micros),
            accepted=take.pk == retouch.accepted_id,
            verdict=VerdictOut(reason=take.verdict, note=take.verdict_note) if take.verdict else None,
            difference=DifferenceOut(**{name: measured[name] for name in ("correlation", "level_db", "equal")})
            if measured.get("correlation") is not None
            else None,
        )


class RetouchOut(Schema):
    """`track` is the one that is retouched; it stays as it is."""

    id: UUID
    state: str
    track: UUID
    section: SectionOut
    retries_left: int
    takes: list[TakeOut]
    created_at: datetime

    @classmethod
    def of(cls, strip: Strip) -> "RetouchOut":
        row = strip.retouch
        return cls(
            id=row.pk,
            state=row.state,
            track=row.source_id,
            section=SectionOut(start=row.start_ms / 1000, end=row.end_ms / 1000),
            retries_left=strip.retries_left,
            takes=[TakeOut.of(take, row) for take in strip.takes],
            created_at=row.created_at,
        )


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
