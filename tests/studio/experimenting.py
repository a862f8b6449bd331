"""Songs to experiment with, and experiments on their way, for tests of the studio's core."""

from typing import Any

from studio import experiments, settling
from studio.models import Experiment, Generation, Track, User
from tests.studio.people import asked_for, make_ready, song

EXACT: dict[str, Any] = {"prompt": None, "tags": ["indie folk", "warm"], "lyrics": "[Verse]\nla la", "seed": "42"}
VIBES = [1.8, 2.4]


def finish(generation: Generation) -> Track:
    """Bring a waiting generation to its end as fal and the media worker would; its first track."""
    urls = [f"https://v3.fal.media/files/mock/{number}.wav" for number in range(generation.num_songs)]
    Generation.objects.filter(pk=generation.pk).update(state="SUBMITTED", submit_started_at="2026-11-01T12:00Z")
    settling.settle(generation.pk, song(*urls), request_id=f"request-{generation.pk}")
    for track in generation.tracks.all():
        make_ready(track)
    settling.conclude(generation.pk)
    generation.refresh_from_db()
    return generation.tracks.earliest("variation")


def base(person: User, **inputs: Any) -> Track:
    """A finished song of tags and lyrics."""
    return finish(asked_for(person, **EXACT | inputs))


def started(person: User, track: Track, values: list[Any] | None = None, **asked: Any) -> Experiment:
    given = {"parameter": "vibe_strength", "values": values or VIBES} | asked
    return experiments.start(person=person, track_id=track.pk, **given)[0]


def finished(person: User, track: Track, values: list[Any] | None = None, **asked: Any) -> Experiment:
    """All its arms can be heard."""
    experiment = started(person, track, values, **asked)
    for arm in experiment.arms.filter(generation__isnull=False):
        assert arm.generation is not None
        finish(arm.generation)
    return experiment
