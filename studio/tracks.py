"""From a link at fal to a track that is kept: claim, fetch, and what a failure means."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from studio import settling, transitions
from studio.errors import NotFound, StaleTransition, TrackNotReady
from studio.media.errors import HostRefused, HouseFault, SourceFault, SourceTooSlow, SourceUnavailable
from studio.media.ingest import Ingested, ingest
from studio.models import Track, User
from studio.states import GenerationState
from studio.states import TrackState as State

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=45)
RENEW_SECONDS = 15.0
# Unreadable only after three full fetches within two minutes.
FETCHES = 3
FETCH_PAUSES = (timedelta(seconds=10), timedelta(seconds=30))
HOUSE_PAUSE = timedelta(seconds=30)
OUT_OF_REACH_FOR = timedelta(days=1)
LONGEST_PAUSE = timedelta(minutes=10)
# Taken up more often than this without an end, a track gets an alarm and ever longer pauses.
QUIET_ATTEMPTS = 5


def own(person: User, track_id: UUID) -> Track:
    """:raises NotFound: not there, or another person's."""
    track = Track.objects.filter(person=person, pk=track_id).select_related("generation").first()
    if track is None:
        raise NotFound
    return track


def own_ready(person: User, track_id: UUID) -> Track:
    """:raises NotFound: as `own`. :raises TrackNotReady: it can't be heard (yet)."""
    track = own(person, track_id)
    if track.state != State.READY:
        raise TrackNotReady
    return track


def file_name(track: Track, extension: str) -> str:
    """A name for a download that sorts and says what it is: title, the track's short id, its seed."""
    kept = "".join(c if c.isalnum() or c in " -'" else " " for c in track.title)
    title = "-".join(kept.split())[:60] or "song"
    return f"{title}__{track.pk.hex[:8]}__{track.generation.seed}.{extension}"


def fetch(track_id: UUID) -> None:
    """Bring a track from fal into our storage, if nobody else is at it. Safe to run twice and to be killed."""
    track = _claim(track_id)
    if track is None:
        return
    try:
        with _lease_kept(track):
            ingested = ingest(track.source_url, track_id=track.pk)
    except (HostRefused, SourceTooSlow, SourceUnavailable) as fault:
        _out_of_reach(track, fault)
    except SourceFault as fault:
        _source_failed(track, fault)
    except HouseFault as fault:
        _house_failed(track, fault.code, fault.message)
    except Exception as error:
        logger.exception("fetch broke", extra={"track": str(track.pk)})
        _house_failed(track, "unexpected", type(error).__name__)
    else:
        _keep(track, ingested)


def due() -> list[UUID]:
    """Tracks that wait to be fetched and that nobody is at."""
    waiting = Track.objects.filter(
        Q(leased_until=None) | Q(leased_until__lt=Now()), state=State.PENDING, run_at__lte=Now()
    )
    return list(waiting.order_by("run_at").values_list("pk", flat=True)[:100])


def _claim(track_id: UUID) -> Track | None:
    claimed = Track.objects.filter(
        Q(leased_until=None) | Q(leased_until__lt=Now()), pk=track_id, state=State.PENDING, run_at__lte=Now()
    ).update(leased_until=Now() + LEASE, attempts=F("attempts") + 1)
    if not claimed:
        return None
    track = Track.objects.get(pk=track_id)
    if track.attempts > QUIET_ATTEMPTS:
        # Said before the work, because a file that kills its worker leaves nobody to say it afterwards.
        _later(
            track, HOUSE_PAUSE * track.attempts, alarm=f"taken up {track.attempts} times", leased_until=Now() + LEASE
        )
    return track


@contextmanager
def _lease_kept(track: Track) -> Iterator[None]:
    """Renew the lease while the work lasts; a killed worker's lease runs out within `LEASE`."""
    done = threading.Event()

    def renew() -> None:
        try:
            while not done.wait(RENEW_SECONDS):
                Track.objects.filter(pk=track.pk, state=State.PENDING).update(leased_until=Now() + LEASE)
        finally:
            connection.close()

    renewer = threading.Thread(target=renew, name="lease", daemon=True)
    renewer.start()
    try:
        yield
    finally:
        done.set()
        renewer.join(timeout=10)


def _keep(track: Track, ingested: Ingested) -> None:
    try:
        transitions.advance_track(
            track,
            State.READY,
            ready_at=Now(),
            leased_until=None,
            alarm="",
            reason_code="",
            reason_message="",
            master_key=ingested.master_key,
            master_format=ingested.format,
            master_bytes=ingested.bytes,
            master_sha256=ingested.sha256,
            preview_key=ingested.preview_key,
            peaks_key=ingested.peaks_key,
            duration_ms=ingested.duration_ms,
            sample_rate=ingested.sample_rate,
            channels=ingested.channels,
            loudness_lufs=ingested.loudness_lufs,
        )
    except StaleTransition:
        return
    # Of two variations the first can be heard while the second is still being saved.
    transitions.record(track.generation, "job_progress", state=GenerationState.INGESTING, track=str(track.pk))
    settling.conclude(track.generation_id)


def _out_of_reach(track: Track, fault: SourceFault) -> None:
    """No full fetch: the network, theirs or ours, or a host that isn't listed here yet. We keep trying for a day."""
    if track.created_at < timezone.now() - OUT_OF_REACH_FOR:
        _source_failed(track, fault)
        return
    logger.warning("out of reach", extra={"track": str(track.pk), "code": fault.code, "attempts": track.attempts})
    pause = min(FETCH_PAUSES[0] * 2 ** min(track.attempts - 1, 10), LONGEST_PAUSE)
    _later(track, pause, alarm=f"{fault.code}: {fault.message}")


def _source_failed(track: Track, fault: SourceFault) -> None:
    failed = track.fetches_failed + 1
    reason = {"reason_code": fault.code, "reason_message": str(fault.message), "fetches_failed": failed}
    logger.warning("fetch failed", extra={"track": str(track.pk), "code": fault.code, "fetches_failed": failed})
    if failed < FETCHES:
        _later(track, FETCH_PAUSES[failed - 1], **reason)
        return
    with transaction.atomic():
        try:
            transitions.advance_track(track, State.UNREADABLE, leased_until=None, **reason)
        except StaleTransition:
            return
        settling.conclude(track.generation_id)


def _house_failed(track: Track, code: str, message: str) -> None:
    """Our own trouble never makes a track unreadable: it waits, with an alarm."""
    logger.error("house failed", extra={"track": str(track.pk), "code": code})
    _later(track, HOUSE_PAUSE, alarm=f"{code}: {message}")


def _later(track: Track, pause: timedelta, **fields: object) -> None:
    fields = {"leased_until": None, **fields}
    Track.objects.filter(pk=track.pk, state=State.PENDING).update(run_at=timezone.now() + pause, **fields)
