"""Experiments over HTTP for programs: parse, one call into the domain, present."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Header, Router, Schema
from ninja.responses import Status
from pydantic import BaseModel, ConfigDict, WithJsonSchema

from ledger.money import format_dollars
from studio import experiment_queries, experiments
from studio.api import Key, person_of
from studio.models import Experiment, Verdict
from studio.schemas import ErrorOut, ProblemOut, ReasonOut
from studio.states import Parameter

router = Router(tags=["experiments"])
# Told to programs; the domain itself judges them, in its own words.
ParameterName = Annotated[Any, WithJsonSchema({"type": "string", "enum": Parameter.values})]
Values = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": "array",
            "minItems": experiments.FEWEST_VALUES,
            "maxItems": experiments.MOST_VALUES,
            "items": {"anyOf": [{"type": "number"}, {"const": "auto"}, {"type": "null"}]},
        }
    ),
]
Choice = Annotated[Any, WithJsonSchema({"type": "string", "description": "An arm's id or letter, or no_difference."})]
Note = Annotated[Any, WithJsonSchema({"type": "string", "maxLength": experiments.NOTE_CHARACTERS})]
REFUSALS: dict[Any, Any] = dict.fromkeys((401, 403, 404, 409, 422, 429, 503), ErrorOut)
PAID: dict[Any, Any] = {**REFUSALS, 402: ErrorOut}


class ExperimentIn(BaseModel):
    """`freeze` takes the tags and lyrics that Sonauto wrote for a described song: what comes is a new song."""

    model_config = ConfigDict(extra="forbid")

    track: UUID
    parameter: ParameterName
    values: Values
    freeze: bool = False


class VerdictIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    choice: Choice = None
    note: Note = ""


class PlannedArmOut(Schema):
    """`existing` is a track of one's own with exactly this recipe, made at `made_at`: it is free."""

    value: float | int | str | None
    cost: str
    existing: UUID | None
    made_at: datetime | None


class PlanOut(Schema):
    cost: str | None
    available: str
    after: str | None
    reasons: list[ProblemOut]
    arms: list[PlannedArmOut]

    @classmethod
    def of(cls, plan: experiments.Plan) -> "PlanOut":
        quote = plan.quote
        return cls(
            cost=None if quote.cost_micros is None else format_dollars(quote.cost_micros),
            available=format_dollars(quote.available_micros),
            after=None if quote.after_micros is None else format_dollars(quote.after_micros),
            reasons=[ProblemOut.of(problem) for problem in quote.reasons],
            arms=[
                PlannedArmOut(
                    value=arm.value,
                    cost=format_dollars(arm.cost_micros),
                    existing=arm.existing.pk if arm.existing else None,
                    made_at=arm.existing.generation.created_at if arm.existing else None,
                )
                for arm in plan.arms
            ],
        )


class ArmOut(Schema):
    """Its state is its generation's; one that was there before is READY and costs nothing."""

    id: UUID
    letter: str
    value: float | int | str | None
    state: str
    track: UUID | None
    generation: UUID | None
    cost: str
    reused: bool
    made_at: datetime | None
    reason: ReasonOut | None

    @classmethod
    def of(cls, shown: experiment_queries.ShownArm) -> "ArmOut":
        made, track = shown.arm.generation, shown.track
        return cls(
            id=shown.arm.pk,
            letter=shown.arm.letter,
            value=shown.arm.setting,
            state=shown.state,
            track=track.pk if track else None,
            generation=made.pk if made else track.generation_id if track else None,
            cost=format_dollars(shown.cost_micros),
            reused=shown.is_reused,
            made_at=shown.made_at,
            reason=ReasonOut(code=made.reason_code, message=made.reason_message, whose=made.reason_whose)
            if made and made.reason_code
            else None,
        )


class VerdictOut(Schema):
    """`arm` is None where no difference was heard; `blind` where nobody could know which was which."""

    id: int
    arm: UUID | None
    value: float | int | str | None
    choice: str
    note: str
    blind: bool
    created_at: datetime

    @classmethod
    def of(cls, verdict: Verdict) -> "VerdictOut":
        arm = verdict.arm
        return cls(
            id=verdict.pk,
            arm=arm.pk if arm else None,
            value=arm.setting if arm else None,
            choice=arm.letter if arm else experiments.NO_DIFFERENCE,
            note=verdict.note,
            blind=verdict.round_id is not None,
            created_at=verdict.created_at,
        )


class ExperimentOut(Schema):
    """`locked` is all that the arms have in common."""

    id: UUID
    track: UUID
    parameter: str
    frozen: bool
    locked: dict[str, Any]
    created_at: datetime
    arms: list[ArmOut]
    verdicts: list[VerdictOut]

    @classmethod
    def of(cls, experiment: Experiment) -> "ExperimentOut":
        verdicts = experiment.verdicts.select_related("arm").order_by("created_at", "pk")
        return cls(
            id=experiment.pk,
            track=experiment.track_id,
            parameter=experiment.parameter,
            frozen=experiment.frozen,
            locked=experiment.locked | {"seed": str(experiment.locked["seed"])},
            created_at=experiment.created_at,
            arms=[ArmOut.of(shown) for shown in experiment_queries.arms_of(experiment)],
            verdicts=[VerdictOut.of(verdict) for verdict in verdicts],
        )


@router.post("/quotes", response={200: PlanOut, **REFUSALS})
def quote_experiment(request: HttpRequest, asked: ExperimentIn) -> PlanOut:
    """What an experiment would cost, which arms are there already, and why it can't start. Nothing is written."""
    plan = experiments.quote(
        person=person_of(request),
        track_id=asked.track,
        parameter=asked.parameter,
        values=asked.values,
        freeze=asked.freeze,
    )
    return PlanOut.of(plan)


@router.post("", response={200: ExperimentOut, 201: ExperimentOut, **PAID})
def start_experiment(
    request: HttpRequest,
    asked: ExperimentIn,
    idempotency_key: Annotated[Key | None, Header(alias="Idempotency-Key")] = None,
) -> Status[ExperimentOut]:
    """Compare two to four values of one parameter, all else locked. Money is set aside for all new arms or none."""
    experiment, new = experiments.start(
        person=person_of(request),
        track_id=asked.track,
        parameter=asked.parameter,
        values=asked.values,
        freeze=asked.freeze,
        idempotency_key=idempotency_key,
    )
    return Status(201 if new else 200, ExperimentOut.of(experiment))


@router.get("/{experiment_id}", response={200: ExperimentOut, 401: ErrorOut, 404: ErrorOut})
def read_experiment(request: HttpRequest, experiment_id: UUID) -> ExperimentOut:
    return ExperimentOut.of(experiment_queries.own(person_of(request), experiment_id))


@router.post("/{experiment_id}/verdicts", response={201: VerdictOut, **REFUSALS})
def judge_experiment(request: HttpRequest, experiment_id: UUID, said: VerdictIn) -> Status[VerdictOut]:
    """Keep which arm is preferred, or that there is no difference, with a note."""
    verdict = experiments.judge(
        person=person_of(request), experiment_id=experiment_id, choice=said.choice, note=said.note
    )
    return Status(201, VerdictOut.of(verdict))


@router.post("/{experiment_id}/arms/{arm_id}/retry", response={200: ArmOut, **PAID})
def retry_arm(
    request: HttpRequest,
    experiment_id: UUID,
    arm_id: UUID,
    idempotency_key: Annotated[Key | None, Header(alias="Idempotency-Key")] = None,
) -> ArmOut:
    """Make an arm once more that ended without a song. It costs what a song costs; the first try cost nothing."""
    person = person_of(request)
    arm = experiments.retry(person=person, experiment_id=experiment_id, arm_id=arm_id, idempotency_key=idempotency_key)
    experiment = experiment_queries.own(person, experiment_id)
    return next(ArmOut.of(shown) for shown in experiment_queries.arms_of(experiment) if shown.arm.pk == arm.pk)
