"""Reads of experiments for their pages, their API and their rules. None of them writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from studio import listening
from studio.errors import NotFound
from studio.models import Arm, Experiment, Track, User
from studio.queries import PHASES, Phase, matched
from studio.states import GenerationState, TrackState


@dataclass(frozen=True, slots=True)
class ShownArm:
    """An arm as a person sees it. `track` is there once fal has answered; a reused one was before."""

    arm: Arm
    track: Track | None

    @property
    def state(self) -> str:
        return GenerationState.READY if self.arm.generation is None else self.arm.generation.state

    @property
    def phase(self) -> Phase:
        return PHASES[self.state]

    @property
    def is_reused(self) -> bool:
        return self.arm.reused_id is not None

    @property
    def is_playable(self) -> bool:
        track = self.track
        return track is not None and track.state == TrackState.READY and track.trashed_at is None

    @property
    def is_failed(self) -> bool:
        return self.state in listening.ENDED_WITHOUT_A_SONG

    @property
    def cost_micros(self) -> int:
        """What it takes from the budget: nothing where it was there, and nothing where it became no song."""
        made = self.arm.generation
        if made is None:
            return 0
        return made.cost_micros if made.charged_micros is None else made.charged_micros

    @property
    def made_at(self) -> datetime | None:
        return self.track.generation.created_at if self.track is not None else None


def own(person: User, experiment_id: UUID) -> Experiment:
    """With its track. :raises NotFound: not there, or another person's."""
    found = Experiment.objects.filter(person=person, pk=experiment_id).select_related("track__generation").first()
    if found is None:
        raise NotFound
    return found


def arms_of(experiment: Experiment) -> list[ShownArm]:
    return [_shown(arm) for arm in _with_songs(experiment.arms.all())]


def of(person: User, limit: int = 100) -> list[tuple[Experiment, list[ShownArm]]]:
    """The latest experiments, each with its arms."""
    arms = Prefetch("arms", queryset=_with_songs(Arm.objects.all()))
    rows = Experiment.objects.filter(person=person).select_related("track").prefetch_related(arms, "verdicts")
    return [(row, [_shown(arm) for arm in row.arms.all()]) for row in rows.order_by("-created_at", "-pk")[:limit]]


def turned_down_db(arms: Sequence[ShownArm]) -> list[float]:
    """By how much each is played softer than it is, so that none wins by being loud. Nothing of what can't be heard."""
    heard = [shown for shown in arms if shown.is_playable]
    levels = iter(matched([shown.track.loudness_lufs if shown.track else None for shown in heard]))
    return [next(levels) if shown.is_playable else 0.0 for shown in arms]


def shared_ms(arms: Sequence[ShownArm]) -> int:
    """As far as all go that can be heard, in whole seconds: to the millisecond a length is as good as a name."""
    lengths = [shown.track.duration_ms or 0 for shown in arms if shown.is_playable and shown.track]
    return min(lengths, default=0) // 1000 * 1000


def _with_songs(arms: QuerySet[Arm]) -> QuerySet[Arm]:
    tracks = Prefetch("generation__tracks", queryset=Track.objects.select_related("generation"))
    return arms.select_related("generation", "reused__generation").prefetch_related(tracks).order_by("position")


def _shown(arm: Arm) -> ShownArm:
    if arm.generation is None:
        return ShownArm(arm, arm.reused)
    return ShownArm(arm, next(iter(arm.generation.tracks.all()), None))
