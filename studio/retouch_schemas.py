"""What comes out of the retouches' part of the API."""

from datetime import datetime
from uuid import UUID

from ninja import Schema

from ledger.money import format_dollars
from studio import retouches
from studio.models import Retouch, Take
from studio.retouches import Strip
from studio.schemas import ReasonOut


class SectionOut(Schema):
    """In seconds from the start of the track."""

    start: float
    end: float


class TakeVerdictOut(Schema):
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
    verdict: TakeVerdictOut | None
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
            verdict=TakeVerdictOut(reason=take.verdict, note=take.verdict_note) if take.verdict else None,
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
