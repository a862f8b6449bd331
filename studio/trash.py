"""The trash: out of sight at once, back within 30 days, and then the files go. The row and the money stay."""

import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from studio import tracks, transitions
from studio.errors import TrackDeleted
from studio.media.errors import HouseFault
from studio.media.storage import default_storage
from studio.models import Track, TrackQuerySet, User

logger = logging.getLogger(__name__)

BATCH: Final = 100


def kept_for() -> timedelta:
    return timedelta(days=settings.NEOAPEX_TRASH_DAYS)


def deletes_at(track: Track) -> datetime | None:
    return None if track.trashed_at is None else track.trashed_at + kept_for()


def put(*, person: User, track_id: UUID) -> Track:
    """Into the trash; what is there already stays as long as it would have.

    :raises NotFound, TrackNotReady, TrackDeleted: as `tracks.own_ready`.
    """
    track = tracks.own_ready(person, track_id)
    with transaction.atomic():
        if Track.objects.kept().filter(pk=track.pk, trashed_at=None).update(trashed_at=Now()):
            _show(track, trashed=True)
    track.refresh_from_db()
    return track


def put_back(*, person: User, track_id: UUID) -> Track:
    """Out of the trash; harmless to repeat.

    :raises NotFound, TrackNotReady: as `tracks.own_ready`. :raises TrackDeleted: its time is over.
    """
    track = tracks.own_ready(person, track_id)
    with transaction.atomic():
        # The same clock and the same moment as in `empty`: what one may still take, the other may not yet.
        if Track.objects.in_trash().filter(pk=track.pk, trashed_at__gt=Now() - kept_for()).update(trashed_at=None):
            _show(track, trashed=False)
    track.refresh_from_db()
    if track.trashed_at is not None:
        raise TrackDeleted
    return track


def of(person: User) -> list[Track]:
    """What lies in a person's trash, the latest first."""
    rows = Track.objects.in_trash().filter(person=person, trashed_at__gt=Now() - kept_for())
    return list(rows.select_related("generation").order_by("-trashed_at")[:500])


def _show(track: Track, *, trashed: bool) -> None:
    generation = track.generation
    transitions.record(generation, "job_progress", state=generation.state, track=str(track.pk), trashed=trashed)


# --- Every night -----------------------------------------------------------------------------------------------------


def empty() -> int:
    """Delete the files of what has been there for its time. Says of how many; whatever fails is for the next night."""
    return sum(_delete(track) for track in _over().iterator(chunk_size=BATCH))


def _over() -> TrackQuerySet:
    return Track.objects.in_trash().filter(trashed_at__lte=Now() - kept_for()).order_by("trashed_at")


def _delete(track: Track) -> bool:
    with transaction.atomic():
        # Locked while its files go: whoever puts it back just now came first, or comes too late. Never both.
        if _over().select_for_update(no_key=True).filter(pk=track.pk).first() is None:
            return False
        try:
            # First the files: were the row first, a night that breaks off would leave files that nobody knows of.
            default_storage().delete(*keys_of(track))
        except HouseFault as fault:
            logger.warning("files not deleted", extra={"track": str(track.pk), "code": fault.code})
            return False
        Track.objects.filter(pk=track.pk).update(purged_at=Now())
    logger.info("track deleted", extra={"track": str(track.pk)})
    return True


def keys_of(track: Track) -> list[str]:
    keys = (track.master_key, track.preview_key, track.peaks_key, track.overview_key)
    return [key for key in keys if key]
