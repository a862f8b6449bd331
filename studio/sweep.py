"""The periodic look for generations that nobody finished, and the display-only look at fal while somebody watches."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from studio import dispatch, doorbell, endpoints, generations, live, rounds, settling, tracing, tracks, transitions
from studio.errors import StaleTransition
from studio.fal import breaker
from studio.fal.client import from_settings
from studio.fal.errors import FalError, GenerationFailed, NotFinished, NotFound, Unreachable
from studio.fal.interface import CancelAnswer, Status
from studio.media.storage import default_storage
from studio.models import Generation, IdempotencyKey, Track
from studio.states import GenerationState as State
from studio.states import Whose

logger = logging.getLogger(__name__)

BATCH = 50
LOOK_EVERY = timedelta(seconds=15)
POLL_EVERY = timedelta(seconds=3)
# How long fal keeps a result: mostly an hour, but one of 10 KB and more, as with long lyrics, for six minutes only.
RESULT_KEPT = timedelta(hours=1)
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE_OF_LOST = timedelta(minutes=15)
WISH_AGAIN = timedelta(seconds=15)
AT_FAL = (State.SUBMITTED, State.RUNNING, State.LOST)
TO_BE_ASKED = Q(request_id__isnull=False) & (Q(ask_at=None) | Q(ask_at__lte=Now()))


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


@dataclass(frozen=True, slots=True)
class Heard:
    """What fal said about one: its status and, where that is asked for and there, the outcome."""

    status: Status
    outcome: Mapping[str, Any] | GenerationFailed | None = None


# --- Look: for display, while somebody watches -----------------------------------------------------------------------


def look() -> None:
    """Ask fal about what people are watching. It settles nothing, except where polling is all there is."""
    with rounds.only_one(rounds.LOOKING_LOCK) as mine:
        if not mine:
            return
        for generation, answer in rounds.answers(_to_look_at(), _hear_all if settings.SETTLE_BY_POLLING else _hear):
            _alone(_book_look, generation, answer)


def _to_look_at() -> Iterator[Generation]:
    due = Generation.objects.in_slot().filter(request_id__isnull=False, look_at__lte=Now()).order_by("look_at")[:BATCH]
    generations_due = list(due)
    watched = live.watched({generation.person_id for generation in generations_due})
    pause = POLL_EVERY if settings.SETTLE_BY_POLLING else LOOK_EVERY
    for generation in generations_due:
        if generation.person_id in watched or settings.SETTLE_BY_POLLING:
            looked = {"look_at": timezone.now() + pause, "looks": F("looks") + 1}
            if Generation.objects.filter(pk=generation.pk, look_at=generation.look_at).update(**looked):
                yield generation


def _alone(act: Callable[..., object], generation: Generation, *more: object) -> None:
    """Do one of many: whatever goes wrong with it must not stop the others."""
    try:
        act(generation, *more)
    except SoftTimeLimitExceeded:
        raise
    except Exception:
        logger.exception("failed on one", extra={"generation": str(generation.pk), "step": act.__name__})


def _book_look(generation: Generation, answer: "Future[Heard]") -> None:
    try:
        heard = answer.result()
    except FalError:
        return
    if heard.outcome is not None:
        settling.settle(generation.pk, heard.outcome, request_id=generation.request_id)
    elif heard.status.status != "COMPLETED":
        _show(generation, heard.status)


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
    settling.settle(generation.pk, _outcome(generation, request_id), request_id=request_id)


def _outcome(generation: Generation, request_id: str) -> Mapping[str, Any] | GenerationFailed:
    try:
        with breaker.watching(), tracing.span("fal.result", generation.pk):
            return from_settings().result(endpoints.get(generation.endpoint).fal_id, request_id).payload
    except GenerationFailed as error:
        return error


def _hear(generation: Generation) -> Heard:
    return Heard(_status(generation))


def _hear_all(generation: Generation) -> Heard:
    """The same with the outcome where fal says that there is one. Neither touches the database: threads ask."""
    status = _status(generation)
    if status.status != "COMPLETED":
        return Heard(status)
    try:
        return Heard(status, _outcome(generation, str(generation.request_id)))
    except (NotFinished, NotFound, Unreachable) as error:
        logger.info("no outcome yet", extra={"generation": str(generation.pk), "code": error.code})
        return Heard(status)


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
        with tracing.span("fal.cancel", generation.pk):
            answer = from_settings().cancel(endpoints.get(generation.endpoint).fal_id, generation.request_id)
    except FalError as error:
        logger.info("wish not passed on", extra={"generation": str(generation.pk), "code": error.code})
        return
    if answer == CancelAnswer.CANCELLED:
        settling.settle(generation.pk, StoppedByFal(), request_id=generation.request_id)


def _status(generation: Generation) -> Status:
    with breaker.watching():
        fal_id = endpoints.get(generation.endpoint).fal_id
        with tracing.span("fal.status", generation.pk):
            return from_settings().status(fal_id, str(generation.request_id), logs=True)


# --- Sweep -----------------------------------------------------------------------------------------------------------


def sweep() -> None:
    """One round: free what waited too long, ring for what lies waiting, ask about what is overdue.

    What needs nobody else comes first. The asking is one process's at a time, lest a fal that hangs takes them all.
    """
    _each(_older_than(State.QUEUED, "created_at", settings.NEOAPEX_QUEUE_TIMEOUT), _time_out)
    _each(_unconcluded(), _conclude)
    dispatch.take_back()
    ring()
    with rounds.only_one(rounds.ASKING_LOCK) as mine:
        if mine:
            _ask_about_overdue()


def ring() -> None:
    """Ring for what lies waiting: the rings of its own time may be lost, or the workers that heard them."""
    for generation in _wished_away():
        doorbell.ring("studio.cancel_at_fal", generation_id=str(generation.pk))
    for track_id in tracks.due():
        doorbell.ring("studio.ingest", track_id=str(track_id))
    if Generation.objects.waiting().filter(run_at__lte=Now()).exists():
        doorbell.ring("studio.dispatch")


def _ask_about_overdue() -> None:
    for generation, answer in rounds.answers(_asked_in_turn(_overdue()), _hear_all):
        _alone(_book, generation, answer)
    for state in (State.SUBMITTED, State.RUNNING):
        silent = _older_than(state, "last_sign_at", settings.NEOAPEX_LOST_AFTER)
        # Never before fal was asked: there may be more of them than one round asks about.
        _each(silent.filter(Q(request_id=None) | Q(ask_at__gt=Now())), _lose)
    _each(_long_lost().filter(request_id=None), _release)
    last_question = _long_lost().filter(TO_BE_ASKED)[:BATCH]
    for generation, answer in rounds.answers(_asked_in_turn(last_question), _hear_all):
        _alone(_release_unless_alive, generation, answer)


def tidy() -> None:
    """Remove what nobody needs: idempotency keys of yesterday, files that killed workers left half-written."""
    IdempotencyKey.objects.filter(created_at__lt=timezone.now() - generations.IDEMPOTENCY_KEPT).delete()
    default_storage().clean_stale_parts()


def _each(generations_due: QuerySet[Generation], act: Callable[[Generation], object]) -> None:
    for generation in generations_due[:BATCH]:
        _alone(act, generation)


def _older_than(state: State, field: str, seconds: int) -> QuerySet[Generation]:
    limit = timezone.now() - timedelta(seconds=seconds)
    return Generation.objects.filter(state=state, **{f"{field}__lt": limit}).order_by(field)


def _overdue() -> QuerySet[Generation]:
    """The longest silent first, for their results are the next that fal forgets; last those forgotten already."""
    now = timezone.now()
    limit = now - timedelta(seconds=settings.NEOAPEX_SWEEP_AFTER)
    overdue = Generation.objects.filter(TO_BE_ASKED, state__in=AT_FAL, last_sign_at__lt=limit)
    # About these there is a last question.
    overdue = overdue.exclude(pk__in=_long_lost().values("pk"))
    forgotten = Case(When(last_sign_at__lt=now - RESULT_KEPT, then=1), default=0)
    return overdue.order_by(forgotten, "last_sign_at")[:BATCH]


def _long_lost() -> QuerySet[Generation]:
    return _older_than(State.LOST, "last_sign_at", settings.NEOAPEX_LOST_RELEASE)


def _asked_in_turn(due: Iterable[Generation]) -> Iterator[Generation]:
    """Those of them about whom nobody else asks meanwhile, each with its next pause set: growing, whatever fal says.

    No pause is as long as fal keeps the shortest-lived result, nor half of the silence that means lost.
    """
    for generation in due:
        longest = LONGEST_PAUSE_OF_LOST if generation.state == State.LOST else LONGEST_PAUSE
        longest = min(longest, timedelta(seconds=settings.NEOAPEX_LOST_AFTER) / 2)
        first = min(FIRST_PAUSE, timedelta(seconds=settings.NEOAPEX_SWEEP_AFTER))
        pause = min(first * 2 ** min(generation.asks, 10), longest)
        asked = Generation.objects.filter(pk=generation.pk, state__in=AT_FAL, ask_at=generation.ask_at)
        if asked.update(ask_at=timezone.now() + pause, asks=F("asks") + 1):
            yield generation


def _book(generation: Generation, answer: "Future[Heard]") -> bool:
    """Write down what fal said.

    Returns whether it told: an outcome, a sign of life, or that it has no such request.
    """
    try:
        heard = answer.result()
    except FalError as error:
        logger.info("fal does not tell", extra={"generation": str(generation.pk), "code": error.code})
        return isinstance(error, NotFound)
    if heard.outcome is not None:
        settling.settle(generation.pk, heard.outcome, request_id=generation.request_id)
    elif heard.status.status != "COMPLETED":
        Generation.objects.filter(pk=generation.pk).update(last_sign_at=Now())
        _show(generation, heard.status)
    else:
        return False
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


def _release_unless_alive(generation: Generation, answer: "Future[Heard]") -> None:
    """Give the money back, unless fal's answer to a last question is a sign of life or the outcome.

    A fal out of reach has not said that it has no such song: it is asked again, for as long once more.
    """
    silent_since = generation.last_sign_at
    told = _book(generation, answer)
    generation.refresh_from_db()
    if generation.state != State.LOST or generation.last_sign_at != silent_since:
        return
    if told or _is_silent_for(generation, 2 * settings.NEOAPEX_LOST_RELEASE):
        _release(generation)


def _release(generation: Generation) -> None:
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
    under_way = Track.objects.under_way().filter(generation=OuterRef("pk"))
    return Generation.objects.filter(~Exists(under_way), state=State.INGESTING).order_by("created_at")


def _wished_away() -> QuerySet[Generation]:
    """Wishes to cancel that fal may not have heard: the ring was lost, or fal was out of reach."""
    before = timezone.now() - WISH_AGAIN
    at_fal = Generation.objects.filter(state__in=AT_FAL, request_id__isnull=False, cancel_requested_at__lt=before)
    return at_fal.order_by("cancel_requested_at")[:BATCH]
