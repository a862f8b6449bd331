"""The periodic look for generations that nobody finished, and the display-only look at fal while somebody watches."""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from studio import doorbell, endpoints, generations, live, settling, tracks, transitions
from studio.errors import StaleTransition
from studio.fal import breaker
from studio.fal.client import from_settings
from studio.fal.errors import FalError, GenerationFailed, NotFinished, NotFound, Unreachable
from studio.fal.interface import CancelAnswer, Status
from studio.media.storage import default_storage
from studio.models import Generation, IdempotencyKey
from studio.states import GenerationState as State
from studio.states import TrackState, Whose

logger = logging.getLogger(__name__)

BATCH = 50
LOOK_EVERY = timedelta(seconds=15)
POLL_EVERY = timedelta(seconds=3)
LONGEST_PAUSE = timedelta(minutes=30)
WISH_AGAIN = timedelta(seconds=15)
AT_FAL = (State.SUBMITTED, State.RUNNING, State.LOST)


class QueueTimeout(FalError):
    code = "queue_timeout"
    default_message = "fal could not take the song in time."
    default_hint = "Try again in a while."


class NoTrace(FalError):
    code = "lost"
    default_message = "fal never answered about this song. Your money was given back."
    default_hint = "Try again; if fal finishes it after all, you still get it."


class StoppedByFal(GenerationFailed):
    """fal said a plain yes to a wish to cancel."""

    code = "cancelled"
    cancelled = True


# --- Look: for display, while somebody watches -----------------------------------------------------------------------


def look() -> None:
    """Ask fal about what people are watching. It settles nothing, except where polling is all there is."""
    due = Generation.objects.in_slot().filter(request_id__isnull=False, look_at__lte=Now()).order_by("look_at")[:BATCH]
    generations_due = list(due)
    watched = live.watched({generation.person_id for generation in generations_due})
    for generation in generations_due:
        if generation.person_id in watched or settings.SETTLE_BY_POLLING:
            _alone(_look_at, generation)


def _alone(act: Callable[[Generation], object], generation: Generation) -> None:
    """Do one of many: whatever goes wrong with it must not stop the others."""
    try:
        act(generation)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        logger.exception("failed on one", extra={"generation": str(generation.pk), "step": act.__name__})


def _look_at(generation: Generation) -> None:
    pause = POLL_EVERY if settings.SETTLE_BY_POLLING else LOOK_EVERY
    Generation.objects.filter(pk=generation.pk).update(look_at=timezone.now() + pause, looks=F("looks") + 1)
    try:
        status = _status(generation)
    except FalError:
        return
    if status.status == "COMPLETED":
        if settings.SETTLE_BY_POLLING:
            settle_from_fal(generation, str(generation.request_id))
        return
    _show(generation, status)


def _show(generation: Generation, status: Status) -> None:
    """Tell the browser what fal says, where it is news."""
    position = status.queue_position if status.status == "IN_QUEUE" else None
    news: dict[str, object] = {}
    if position != generation.queue_position:
        Generation.objects.filter(pk=generation.pk).update(queue_position=position)
        news["queue_position"] = position
    if status.logs:
        news["logs"] = [settling.storable(str(line.get("message", "")))[:500] for line in status.logs[-5:]]
    try:
        if status.status == "IN_PROGRESS" and generation.state == State.SUBMITTED:
            transitions.advance(generation, State.RUNNING, running_at=Now(), last_sign_at=Now(), queue_position=None)
        elif news:
            transitions.record(generation, "job_progress", state=generation.state, **news)
    except StaleTransition:
        return


# --- Ask: to settle --------------------------------------------------------------------------------------------------


def settle_from_fal(generation: Generation, request_id: str) -> bool:
    """Fetch fal's own record with our key and settle by it. Returns whether there was an outcome."""
    try:
        settle_by_record(generation, request_id)
    except (NotFinished, NotFound, Unreachable) as error:
        logger.info("no outcome yet", extra={"generation": str(generation.pk), "code": error.code})
        return False
    return True


def settle_by_record(generation: Generation, request_id: str) -> None:
    """The same, where it matters why there is none. :raises FalError: NotFinished, NotFound or Unreachable."""
    try:
        with breaker.watching():
            result = from_settings().result(endpoints.get(generation.endpoint).fal_id, request_id)
    except GenerationFailed as error:
        settling.settle(generation.pk, error, request_id=request_id)
    else:
        settling.settle(generation.pk, result.payload, request_id=request_id)


def ask_soon(generation_id: UUID, request_id: str) -> None:
    """Make a generation overdue, so that the next sweep asks fal about it.

    fal's signature vouches for the request id, and a pinned account for its being ours: so it is adopted where the
    submit's answer was lost, for without it there is nothing to ask by.
    """
    generation = Generation.objects.filter(pk=generation_id, state__in=AT_FAL).first()
    if generation is None:
        return
    if settings.NEOAPEX_FAL_USER_ID:
        settling.adopt_request_id(generation, request_id)
    long_ago = timezone.now() - timedelta(seconds=settings.NEOAPEX_SWEEP_AFTER + 1)
    Generation.objects.filter(pk=generation_id, state__in=AT_FAL).update(last_sign_at=long_ago, ask_at=None)


def cancel_at_fal(generation_id: UUID) -> None:
    """Pass a wish to cancel on to fal. Only a plain yes ends the generation; else its outcome does."""
    generation = Generation.objects.get(pk=generation_id)
    if generation.request_id is None or generation.state not in AT_FAL:
        return
    try:
        answer = from_settings().cancel(endpoints.get(generation.endpoint).fal_id, generation.request_id)
    except FalError as error:
        logger.info("wish not passed on", extra={"generation": str(generation.pk), "code": error.code})
        return
    if answer == CancelAnswer.CANCELLED:
        settling.settle(generation.pk, StoppedByFal(), request_id=generation.request_id)


def _status(generation: Generation) -> Status:
    with breaker.watching():
        return from_settings().status(endpoints.get(generation.endpoint).fal_id, str(generation.request_id), logs=True)


# --- Sweep -----------------------------------------------------------------------------------------------------------


def sweep() -> None:
    """One round: free what waited too long, ask about what is overdue, ring for what lies waiting."""
    _each(_older_than(State.QUEUED, "created_at", settings.NEOAPEX_QUEUE_TIMEOUT), _time_out)
    _each(_overdue(), _ask)
    for state in (State.SUBMITTED, State.RUNNING):
        _each(_older_than(state, "last_sign_at", settings.NEOAPEX_LOST_AFTER), _lose)
    _each(_older_than(State.LOST, "last_sign_at", settings.NEOAPEX_LOST_RELEASE), _release_lost)
    _each(_unconcluded(), _conclude)
    for generation in _wished_away():
        doorbell.ring("studio.cancel_at_fal", generation_id=str(generation.pk))
    for track_id in tracks.due():
        doorbell.ring("studio.ingest", track_id=str(track_id))
    if Generation.objects.waiting().filter(run_at__lte=Now()).exists():
        doorbell.ring("studio.dispatch")


def tidy() -> None:
    """Remove what nobody needs: idempotency keys of yesterday, files that killed workers left half-written."""
    IdempotencyKey.objects.filter(created_at__lt=timezone.now() - generations.IDEMPOTENCY_KEPT).delete()
    default_storage().clean_stale_parts()


def _each(generations_due: Iterable[Generation], act: Callable[[Generation], object]) -> None:
    for generation in generations_due:
        _alone(act, generation)


def _older_than(state: State, field: str, seconds: int) -> QuerySet[Generation]:
    limit = timezone.now() - timedelta(seconds=seconds)
    return Generation.objects.filter(state=state, **{f"{field}__lt": limit}).order_by(field)[:BATCH]


def _overdue() -> QuerySet[Generation]:
    limit = timezone.now() - timedelta(seconds=settings.NEOAPEX_SWEEP_AFTER)
    return Generation.objects.filter(
        Q(ask_at=None) | Q(ask_at__lte=Now()), state__in=AT_FAL, last_sign_at__lt=limit, request_id__isnull=False
    ).order_by("last_sign_at")[:BATCH]


def _ask(generation: Generation) -> bool:
    """Ask fal about one that is overdue, with growing pauses between two questions.

    Returns whether fal told: an outcome, a sign of life, or that it has no such request.
    """
    # Well below the time after which silence means lost, so that a live one is always asked about before.
    longest = min(LONGEST_PAUSE, timedelta(seconds=settings.NEOAPEX_LOST_AFTER) / 2)
    pause = min(timedelta(seconds=settings.NEOAPEX_SWEEP_AFTER) * 2 ** min(generation.asks, 10), longest)
    Generation.objects.filter(pk=generation.pk).update(ask_at=timezone.now() + pause, asks=F("asks") + 1)
    try:
        status = _status(generation)
    except FalError as error:
        logger.info("fal does not tell", extra={"generation": str(generation.pk), "code": error.code})
        return isinstance(error, NotFound)
    if status.status == "COMPLETED":
        return settle_from_fal(generation, str(generation.request_id))
    Generation.objects.filter(pk=generation.pk).update(last_sign_at=Now())
    _show(generation, status)
    return True


def _lose(generation: Generation) -> None:
    try:
        transitions.advance(
            generation,
            State.LOST,
            reason_code="no_sign_of_life",
            reason_message=_("fal has not answered about this song. We keep asking; the money stays set aside."),
            reason_whose=Whose.FAL,
        )
    except StaleTransition:
        return


def _time_out(generation: Generation) -> None:
    _give_up(generation, QueueTimeout())


def _release_lost(generation: Generation) -> None:
    """Give the money back, unless fal's answer to a last question is a sign of life or the outcome.

    A fal out of reach has not said that it has no such song: it is asked again, for as long once more.
    """
    if generation.request_id is not None:
        silent_since = generation.last_sign_at
        told = _ask(generation)
        generation.refresh_from_db()
        if generation.state != State.LOST or generation.last_sign_at != silent_since:
            return
        if not told and not _is_silent_for(generation, 2 * settings.NEOAPEX_LOST_RELEASE):
            return
    _give_up(generation, NoTrace())


def _is_silent_for(generation: Generation, seconds: int) -> bool:
    silent_since = generation.last_sign_at
    return silent_since is None or silent_since < timezone.now() - timedelta(seconds=seconds)


def _give_up(generation: Generation, error: FalError) -> None:
    try:
        settling.fail(generation, error)
    except StaleTransition:
        return


def _conclude(generation: Generation) -> None:
    settling.conclude(generation.pk)


def _unconcluded() -> QuerySet[Generation]:
    return Generation.objects.filter(state=State.INGESTING).exclude(tracks__state=TrackState.PENDING)[:BATCH]


def _wished_away() -> QuerySet[Generation]:
    """Wishes to cancel that fal may not have heard: the ring was lost, or fal was out of reach."""
    before = timezone.now() - WISH_AGAIN
    at_fal = Generation.objects.filter(state__in=AT_FAL, request_id__isnull=False, cancel_requested_at__lt=before)
    return at_fal.order_by("cancel_requested_at")[:BATCH]
