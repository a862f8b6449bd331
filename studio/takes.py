"""What a take sounds like beside its source: measured when somebody first looks, and kept."""

import logging
from dataclasses import asdict
from typing import Any, Final

from studio import retouches
from studio.media.errors import AudioUnreadable, HouseFault
from studio.models import Retouch, Take, Track
from studio.states import TrackState

logger = logging.getLogger(__name__)

# Below, people hear that something else was changed, too.
SAME_CORRELATION: Final = 0.99
SAME_LEVEL_DB: Final = 0.5


def difference(retouch: Retouch, take: Take) -> dict[str, Any] | None:
    """How the take compares with its source, {} where that can't be told; None while it can't be heard yet."""
    track = retouches.track_of(take)
    if track is None or track.state != TrackState.READY:
        return None
    if take.difference is None:
        found = _measured(retouch, take, track)
        if found is None:
            return {}
        Take.objects.filter(pk=take.pk).update(difference=found)
        take.difference = found
    measured: dict[str, Any] = take.difference
    return measured


def _measured(retouch: Retouch, take: Take, track: Track) -> dict[str, Any] | None:
    if take.generation.recipe.get("selection_crop") or track.is_away or retouch.source.is_away:
        return None
    # Loaded when somebody asks: it brings all that reads audio with it.
    from studio.media.clips import parts_of  # noqa: PLC0415
    from studio.media.difference import measure  # noqa: PLC0415

    try:
        found = measure(
            *(parts_of(one.master_key, one.master_bytes or 0, one.master_format) for one in (retouch.source, track)),
            duration_ms=min(retouch.source.duration_ms or 0, track.duration_ms or 0),
            start_ms=retouch.start_ms,
            end_ms=retouch.end_ms,
        )
    except (AudioUnreadable, FileNotFoundError, HouseFault) as error:
        logger.warning("can't compare", extra={"take": str(take.pk), "error": type(error).__name__})
        return None
    same = found.correlation >= SAME_CORRELATION and abs(found.level_db) <= SAME_LEVEL_DB
    numbers = {"correlation": round(found.correlation, 4), "level_db": round(found.level_db, 2)}
    return asdict(found) | numbers | {"equal": same}
