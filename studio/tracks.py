"""From a link at fal to a track that is kept: claim, fetch, and what a failure means."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now
from django.utils import timezone

from studio import admin_log, doorbell, settling, tracing, transitions
from studio.errors import (
    FileForgotten,
    NotFound,
    StaleTransition,
    TrackDeleted,
    TrackInTrash,
    TrackIsReady,
    TrackNotReady,
)
from studio.media.errors import HostRefused, HouseFault, SourceFault, SourceTooSlow, SourceUnavailable
from studio.models import Generation, Track, TrackQuerySet, User
from studio.states import GenerationState
from studio.states import TrackState as State

if TYPE_CHECKING:
    from studio.media.ingest import Ingested

logger = logging.getLogger(__name__)

# Short, so that a killed worker's track is soon taken up again; renewed thrice, so that a hiccup gives none away.
LEASE = timedelta(seconds=9)
RENEW_SECONDS = 3.0
# Unreadable only after three full fetches within two minutes.
FETCHES = 3
FETCH_PAUSES = (timedelta(seconds=10), timedelta(seconds=30))
HOUSE_PAUSE = timedelta(seconds=30)
OUT_OF_REACH_FOR = timedelta(days=1)
LONGEST_PAUSE = timedelta(minutes=10)
# A file that has killed so many workers gets no further one by itself: a person has to look at it.
DEATHS = 5
# So long fal keeps a file, as far as it says.
FETCH_AGAIN_FOR = timedelta(days=7)
# Rung for at once; the next ring, some seconds later, is for the rest.
RUNG_AT_ONCE = 10
AFRESH: Final = {
    "attempts": 0,
    "deaths": 0,
    "dead_at": None,
    "fetches_failed": 0,
    "run_at": Now(),
    "leased_until": None,
    "alarm": "",
    "reason_code": "",
    "reason_message": "",
}


class ToldToEnd(SystemExit):
    """Raised in the middle of a fetch by SIGTERM, so that all files are closed and dropped on the way out."""


def ingest(source_url: str, *, track_id: UUID) -> "Ingested":
    """What reads audio takes long to load, and of all processes the media worker alone needs it."""
    from studio.media import ingest as reader  # noqa: PLC0415

    return reader.ingest(source_url, track_id=track_id)


def own(person: User, track_id: UUID) -> Track:
    """:raises NotFound: not there, or another person's."""
    track = Track.objects.filter(person=person, pk=track_id).select_related("generation").first()
    if track is None:
        raise NotFound
    return track


def own_ready(person: User, track_id: UUID) -> Track:
    """What can be heard, be it in the trash.

    :raises NotFound: as `own`. :raises TrackNotReady: it can't be heard (yet). :raises TrackDeleted: not any more.
    """
    return _ready(own(person, track_id))


def _ready(track: Track) -> Track:
    if track.state != State.READY:
        raise TrackNotReady
    if track.purged_at is not None:
        raise TrackDeleted
    return track


def own_kept(person: User, track_id: UUID) -> Track:
    """:raises NotFound, TrackNotReady, TrackDeleted: as `own_ready`. :raises TrackInTrash: put it back first."""
    return _kept(own_ready(person, track_id))


def _kept(track: Track) -> Track:
    if track.trashed_at is not None:
        raise TrackInTrash
    return track


def within_reach(person: User, track_id: UUID) -> Track:
    """What somebody may listen to: their own, be it in the trash, or in a project that they are a member of.

    :raises NotFound: neither. :raises TrackNotReady, TrackDeleted: as `own_ready`.
    """
    track = Track.objects.within_reach_of(person).filter(pk=track_id).select_related("generation").first()
    if track is None:
        raise NotFound
    return _ready(track)


def kept_within_reach(person: User, track_id: UUID) -> Track:
    """The same for what is taken along. :raises TrackInTrash: one's own, put it back first."""
    return _kept(within_reach(person, track_id))


def fetch(track_id: UUID) -> None:
    """Bring a track from fal into our storage, if nobody else is at it. Safe to run twice and to be killed."""
    track = _claim(track_id)
    if track is None:
        return
    try:
        with tracing.span("ingest", track.generation_id, track=str(track.pk)), _ends_on_sigterm(), _lease_kept(track):
            ingested = ingest(track.source_url, track_id=track.pk)
    except ToldToEnd:
        logger.info("handed back", extra={"track": str(track.pk)})
        _later(track, timedelta(0))
        raise
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
    """Tracks that wait to be fetched and that nobody is at, the longest waiting first."""
    return list(_free().order_by("run_at").values_list("pk", flat=True)[:RUNG_AT_ONCE])


def _free() -> TrackQuerySet:
    no_lease = Q(leased_until=None) | Q(leased_until__lt=Now())
    return Track.objects.under_way().filter(no_lease, run_at__lte=Now())


def _claim(track_id: UUID) -> Track | None:
    """Take a track, where it is free. A lease that is found run out is a worker that was not heard of again."""
    deaths = Case(When(leased_until=None, then=F("deaths")), default=F("deaths") + 1)
    claimed = _free().filter(pk=track_id)
    if not claimed.update(leased_until=Now() + LEASE, attempts=F("attempts") + 1, deaths=deaths):
        return None
    track = Track.objects.get(pk=track_id)
    if track.deaths >= DEATHS:
        _leave_for_a_person(track)
        return None
    if track.deaths:
        # Said before the work, because a file that kills its worker leaves nobody to say it afterwards.
        logger.warning("its worker died", extra={"track": str(track.pk), "deaths": track.deaths})
        alarm = track.alarm if track.deaths == 1 else f"{track.deaths} workers died over it"
        _later(track, HOUSE_PAUSE * (track.deaths - 1), leased_until=Now() + LEASE, alarm=alarm)
    return track


def _leave_for_a_person(track: Track) -> None:
    """The dead letter: no worker is given to it any more, and nobody pays for what can't be heard."""
    alarm = f"{track.deaths} workers died over it: it waits for a person"
    with _generation_locked(track):
        mine = Track.objects.under_way().filter(pk=track.pk, deaths=track.deaths)
        if not mine.update(dead_at=Now(), leased_until=None, alarm=alarm):
            return
        settling.conclude(track.generation_id)
    logger.error("dead letter", extra={"track": str(track.pk), "deaths": track.deaths})


@contextmanager
def _ends_on_sigterm() -> Iterator[None]:
    """A worker that must end doesn't die in the middle: it lets go of its files and hands the track back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _told_to_end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _told_to_end(_number: int, _frame: FrameType | None) -> None:
    raise ToldToEnd(0)


@contextmanager
def _lease_kept(track: Track) -> Iterator[None]:
    """Renew the lease while the work lasts; a killed worker's lease runs out within `LEASE`."""
    done = threading.Event()

    def renew() -> None:
        try:
            while not done.wait(RENEW_SECONDS):
                _renew(track)
        finally:
            connection.close()

    renewer = threading.Thread(target=renew, name="lease", daemon=True)
    renewer.start()
    try:
        yield
    finally:
        done.set()
        renewer.join(timeout=10)


def _renew(track: Track) -> None:
    try:
        Track.objects.filter(pk=track.pk, state=State.PENDING).update(leased_until=Now() + LEASE)
    except DatabaseError:
        # Restarted, perhaps: the next try has a new connection. Should the lease run out, the work is done twice.
        logger.warning("lease not renewed", extra={"track": str(track.pk)})
        connection.close()


@contextmanager
def _generation_locked(track: Track) -> Iterator[Generation]:
    """A transaction on a track and what becomes of its generation, always locked in this order."""
    with transaction.atomic():
        yield Generation.objects.select_for_update().get(pk=track.generation_id)


def _keep(track: Track, ingested: "Ingested") -> None:
    found = {
        "master_key": ingested.master_key,
        "master_format": ingested.format,
        "master_bytes": ingested.bytes,
        "master_sha256": ingested.sha256,
        "preview_key": ingested.preview_key,
        "peaks_key": ingested.peaks_key,
        "overview_key": ingested.overview_key,
        "duration_ms": ingested.duration_ms,
        "sample_rate": ingested.sample_rate,
        "channels": ingested.channels,
        "loudness_lufs": ingested.loudness_lufs,
        "true_peak_dbtp": ingested.true_peak_dbtp,
    }
    well = {"leased_until": None, "deaths": 0, "dead_at": None, "alarm": "", "reason_code": "", "reason_message": ""}
    with _generation_locked(track) as generation:
        try:
            transitions.advance_track(track, State.READY, ready_at=Now(), **well, **found)
        except StaleTransition:
            return
        # Of two variations the first can be heard while the second is still being saved.
        transitions.record(generation, "job_progress", state=generation.state, track=str(track.pk))
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
    with _generation_locked(track):
        try:
            transitions.advance_track(track, State.UNREADABLE, leased_until=None, **reason)
        except StaleTransition:
            return
        settling.conclude(track.generation_id)


def _house_failed(track: Track, code: str, message: str) -> None:
    """Our own trouble never makes a track unreadable: it waits, with an alarm, for as long as fal keeps the file."""
    logger.error("house failed", extra={"track": str(track.pk), "code": code})
    pause = min(HOUSE_PAUSE * 2 ** min(track.attempts - 1, 10), LONGEST_PAUSE)
    _later(track, pause, alarm=f"{code}: {message}")


def _later(track: Track, pause: timedelta, **fields: object) -> None:
    fields = {"leased_until": None, **fields}
    Track.objects.filter(pk=track.pk, state=State.PENDING).update(run_at=timezone.now() + pause, **fields)


# --- Again, by a person's act ----------------------------------------------------------------------------------------


def can_be_fetched_again(track: Track) -> bool:
    return track.state == State.UNREADABLE and track.created_at >= timezone.now() - FETCH_AGAIN_FOR


def fetch_again(*, person: User, track_id: UUID) -> Track:
    """Fetch a track once more that came as audio which can't be read. It costs nothing, however often.

    One that is being fetched already stays as it is.

    :raises NotFound: not there, or another person's.
    :raises TrackIsReady: it can be heard.
    :raises FileForgotten: it is older than what fal keeps.
    """
    own(person, track_id)
    with transaction.atomic():
        track = _alone(track_id)
        # What killed our workers is for an admin to wake.
        if track.state != State.PENDING:
            _start_afresh(track)
    return track


def try_again(track_id: UUID, *, author: User) -> Track:
    """The same by an admin, for any track that isn't heard: dead letters too, and pauses end now. It is logged.

    :raises TrackIsReady: as `fetch_again`. :raises FileForgotten: as well.
    """
    with transaction.atomic():
        track = _alone(track_id)
        _start_afresh(track)
        admin_log.record(author, track, "Fetched again.")
    return track


def _alone(track_id: UUID) -> Track:
    """The track as it is now, with its generation locked, so that it is not concluded meanwhile."""
    generation_id = Track.objects.values_list("generation_id", flat=True).get(pk=track_id)
    generation = Generation.objects.select_for_update().get(pk=generation_id)
    track = Track.objects.get(pk=track_id)
    track.generation = generation
    return track


def _start_afresh(track: Track) -> None:
    if track.state == State.READY:
        raise TrackIsReady
    generation = track.generation
    if track.state == State.UNREADABLE:
        if not can_be_fetched_again(track):
            raise FileForgotten
        transitions.advance_track(track, State.PENDING, **AFRESH)
    elif _is_at_work(track):
        return
    else:
        Track.objects.filter(pk=track.pk, state=State.PENDING).update(**AFRESH)
        track.refresh_from_db(fields=list(AFRESH))
    transitions.record(generation, "job_progress", state=generation.state, track=str(track.pk), fetched_again=True)
    if generation.state in (GenerationState.FAILED, GenerationState.CANCELLED):
        transitions.advance(generation, GenerationState.INGESTING, **_NO_REASON)
    doorbell.ring_on_commit("studio.ingest", track_id=str(track.pk))


_NO_REASON: Final[dict[str, Any]] = {"reason_code": "", "reason_message": "", "reason_whose": "", "raw_error": ""}


def _is_at_work(track: Track) -> bool:
    return track.leased_until is not None and track.leased_until > timezone.now()
