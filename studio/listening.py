"""What a person does with a song that has ended: hears it, keeps one of two variations, clears a failure away."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from studio import transitions
from studio.errors import NotFailed, NotFound, TrackInTrash, TrackNotReady
from studio.models import Generation, Track, User
from studio.states import GenerationState, TrackState

ENDED_WITHOUT_A_SONG = (GenerationState.FAILED, GenerationState.CANCELLED)


def stand_in(tracks: Sequence[Track]) -> Track | None:
    """The one of a generation's variations that work in the background takes: the keeper, else the first."""
    ready = [track for track in tracks if track.state == TrackState.READY]
    return next((track for track in ready if track.is_keeper), next(iter(ready), None))


def keep(*, person: User, track_id: UUID, kept: bool = True) -> Track:
    """Pick a variation over the other, or take that back; the same again changes nothing.

    :raises NotFound: not there, or another person's. :raises TrackNotReady: it can't be heard.
    :raises TrackInTrash: it was put away.
    """
    track = Track.objects.filter(person=person, pk=track_id).select_related("generation").first()
    if track is None:
        raise NotFound
    if track.state != TrackState.READY:
        raise TrackNotReady
    if track.trashed_at is not None:
        raise TrackInTrash
    keeper = track.variation if kept else None
    changing = Generation.objects.filter(pk=track.generation_id)
    changing = changing.exclude(keeper=keeper) if kept else changing.filter(keeper=track.variation)
    with transaction.atomic():
        if changing.update(keeper=keeper):
            transitions.record(
                track.generation, "job_progress", state=track.generation.state, track=str(track.pk), kept=kept
            )
    track.generation.refresh_from_db(fields=["keeper"])
    return track


def hear(*, person: User, generation_id: UUID) -> None:
    """Note that it was played, the first time. :raises NotFound: not there, or another person's."""
    mine = Generation.objects.of(person).filter(pk=generation_id)
    if not mine.filter(state=GenerationState.READY, heard_at=None).update(heard_at=Now()) and not mine.exists():
        raise NotFound


def clear(*, person: User, generation_id: UUID, cleared: bool = True) -> None:
    """Take a failure out of the feed, or put it back; its page and its lines in the books stay.

    :raises NotFound: not there, or another person's. :raises NotFailed: it didn't end without a song.
    """
    mine = Generation.objects.of(person).filter(pk=generation_id)
    ended = mine.filter(state__in=ENDED_WITHOUT_A_SONG)
    if ended.update(cleared_at=Now() if cleared else None):
        return
    raise NotFailed if mine.exists() else NotFound
