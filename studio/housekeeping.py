"""What the storage holds and the books don't, and the other way round: found first, put right when told to."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final
from uuid import UUID

from django.db import transaction

from studio.media.storage import FOLDERS, Listed, default_storage
from studio.models import Track
from studio.states import TrackState
from studio.trash import keys_of

logger = logging.getLogger(__name__)

PAGE: Final = 1000
# Rows stay locked while files are deleted: not many at a time.
AT_ONCE: Final = 50
_OURS: Final = re.compile(r"(?:masters|previews|peaks)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.[\w.-]+")
MISSING: Final = "missing in the storage: "


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A track that the books call whole, and what of it is not there."""

    track: Track
    keys: list[str]


def orphans(before: datetime) -> Iterator[Listed]:
    """Files of tracks that there are not, or not any more. What is younger than `before` may be an ingest's."""
    for page in _pages():
        old = [found for found in page if found.modified_at < before]
        known = _tracks_of(old, lock=False)
        yield from (found for found in old if _is_orphan(found.key, known))


def delete(found: Sequence[Listed]) -> int:
    """Delete those of them that are orphans still, and say how many."""
    return sum(_delete(found[start : start + AT_ONCE]) for start in range(0, len(found), AT_ONCE))


def _delete(batch: Sequence[Listed]) -> int:
    with transaction.atomic():
        # Locked, so that none of them can be fetched anew under the very key meanwhile.
        known = _tracks_of(batch, lock=True)
        keys = [found.key for found in batch if _is_orphan(found.key, known)]
        default_storage().delete(*keys)
    for key in keys:
        logger.info("orphan deleted", extra={"key": key})
    return len(keys)


def strangers() -> Iterator[Listed]:
    """Files in the studio's folders whose names are none of its own. Nobody deletes them but by hand."""
    for page in _pages():
        yield from (found for found in page if _OURS.fullmatch(found.key) is None)


def _pages() -> Iterator[list[Listed]]:
    for folder in FOLDERS:
        listed = default_storage().listed(folder)
        while page := list(islice(listed, PAGE)):
            yield page


def _tracks_of(found: Sequence[Listed], *, lock: bool) -> dict[UUID, Track]:
    ids = {track_id for listed in found if (track_id := _track_id(listed.key))}
    rows = Track.objects.filter(pk__in=ids).order_by("pk")
    return {track.pk: track for track in (rows.select_for_update() if lock else rows)}


def _track_id(key: str) -> UUID | None:
    ours = _OURS.fullmatch(key)
    return UUID(ours[1]) if ours else None


def _is_orphan(key: str, known: dict[UUID, Track]) -> bool:
    track_id = _track_id(key)
    if track_id is None:
        return False
    track = known.get(track_id)
    if track is None or track.purged_at is not None:
        return True
    # One that is being fetched may have written this very file, and not yet said so.
    return track.state != TrackState.PENDING and key not in keys_of(track)


def incomplete(before: datetime) -> Iterator[Incomplete]:
    """Tracks whose files are not all there, of those that were ready `before`."""
    # As numbers: a name of each file would be a lot to hold.
    present = {hash(found.key) for page in _pages() for found in page}
    rows = Track.objects.kept().filter(ready_at__lt=before).select_related("generation", "person").order_by("pk")
    for track in rows.iterator(chunk_size=PAGE):
        keys = [key for key in keys_of(track) if hash(key) not in present and not _is_there(key)]
        if keys:
            yield Incomplete(track, keys)
        elif track.alarm.startswith(MISSING):
            yield Incomplete(track, [])


def _is_there(key: str) -> bool:
    """Asked once more: a list may be older than the file."""
    try:
        default_storage().facts(key)
    except FileNotFoundError:
        return False
    return True


def mark(found: Incomplete) -> None:
    """Let admins see what is missing, until it is there again."""
    alarm = f"{MISSING}{', '.join(found.keys)}" if found.keys else ""
    Track.objects.kept().filter(pk=found.track.pk).update(alarm=alarm)
    logger.error("files missing" if alarm else "files are back", extra={"track": str(found.track.pk)})
