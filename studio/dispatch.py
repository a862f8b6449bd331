"""Which waiting generation goes to fal next, and what its answer means."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from studio import doorbell, endpoints, settling, sources, tracing, transitions, turns
from studio.endpoints import UnknownEndpoint
from studio.errors import StaleTransition
from studio.fal import breaker
from studio.fal.client import from_settings
from studio.fal.errors import Ambiguous, FalError, NotAccepted, Said
from studio.fal.resilience import MAX_TRIES, wait_seconds
from studio.models import Generation
from studio.sources import SourceOutOfReach
from studio.states import GenerationState as State

logger = logging.getLogger(__name__)

# Any number, the same in every process: whoever holds this lock is the only one who counts slots.
SLOTS_LOCK = 7_301_001
FIRST_LOOK = timedelta(seconds=3)
# Twice as long as a worker may be at it.
HANDING_OVER = timedelta(seconds=2 * settings.CELERY_TASK_TIME_LIMIT)
BATCH = 50


class Unsendable(FalError):
    """We can't even make the request: nothing has left the house."""

    code = "unsendable"
    whose = "us"
    default_message = "The studio could not send this song to fal."
    default_hint = "Tell the studio's admin."


class GaveUp(NotAccepted):
    """The last of the tries was not accepted either."""

    default_message = "fal.ai could not take the song: the studio offered it five times in vain."
    default_hint = "Try again in a few minutes."


def dispatch() -> int:
    """Send what fits into free slots, at most as many as there are slots; returns how many were sent."""
    sent = 0
    while sent < settings.NEOAPEX_FAL_SLOTS and _send_next():
        sent += 1
    return sent


def _send_next() -> bool:
    """Send one song, if fal is within reach; while it isn't, none is claimed."""
    permit = breaker.admit()
    if permit is None:
        return False
    with permit:
        generation = claim_next()
        if generation is None:
            return False
        with tracing.span("fal.submit", generation.pk, endpoint=generation.endpoint, attempt=generation.attempts):
            submit(generation, is_probe=permit.is_probe)
    return True


def claim_next() -> Generation | None:
    """Move the generation whose turn it is to SUBMITTED, committed before anything is sent; None without a slot."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SLOTS_LOCK])
        generation = turns.next_in_line()
        if generation is None:
            return None
        transitions.advance(
            generation,
            State.SUBMITTED,
            submit_started_at=Now(),
            posted_at=None,
            last_sign_at=Now(),
            attempts=generation.attempts + 1,
        )
        return generation


def webhook_url(generation: Generation) -> str | None:
    """Where fal reports. Our own id is in it: a callback finds its generation even if the submit's answer is lost."""
    if not settings.NEOAPEX_PUBLIC_URL:
        return None
    return f"{settings.NEOAPEX_PUBLIC_URL}/webhooks/fal/{generation.pk}/"


def submit(generation: Generation, *, is_probe: bool = False) -> None:
    """POST a generation that was just claimed, once, and book what the answer means."""
    try:
        endpoint = endpoints.get(generation.endpoint)
        recipe = endpoint.input_schema.model_validate(generation.recipe)
        client = from_settings()
        arguments = sources.placed(recipe, generation, client).to_fal()
    except (UnknownEndpoint, ValueError) as error:
        logger.exception("can't be sent", extra={"generation": str(generation.pk)})
        _end(generation, Unsendable(said=Said(raw=type(error).__name__)))
        return
    except FalError as error:
        # Of the audio that it is made from: it says nothing about fal's queue, so neither is it counted there, nor
        # is it spared as a probe, which would come to the same again and again.
        _not_taken(generation, error, is_probe=False)
        return
    if generation.source_id is not None and not _posting(generation):
        logger.warning("taken back while its audio was handed over", extra={"generation": str(generation.pk)})
        return
    try:
        submission = client.submit(endpoint.fal_id, arguments, webhook_url=webhook_url(generation))
    except FalError as error:
        # First, for what is booked may wake whoever sends the next one.
        breaker.note(error)
        _not_taken(generation, error, is_probe=is_probe)
    else:
        accepted(generation, submission.request_id, submission.queue_position)
        breaker.note(None)


def _posting(generation: Generation) -> bool:
    """Committed between audio and POST. False where it was taken for dead meanwhile, and is in line again."""
    mine = Generation.objects.filter(pk=generation.pk, state=State.SUBMITTED, attempts=generation.attempts)
    return bool(mine.filter(posted_at=None).update(posted_at=Now(), last_sign_at=Now()))


def take_back() -> None:
    """Put back in line what a worker died over while it handed the audio over: fal has never heard of it."""
    dead_since = timezone.now() - HANDING_OVER
    stuck = Generation.objects.filter(state=State.SUBMITTED, source__isnull=False, posted_at=None)
    for pk in stuck.filter(submit_started_at__lt=dead_since).values_list("pk", flat=True)[:BATCH]:
        with transaction.atomic():
            generation = Generation.objects.select_for_update().filter(pk=pk, posted_at=None).first()
            if generation is not None and generation.request_id is None:
                _back_in_line(generation, SourceOutOfReach())


def _not_taken(generation: Generation, error: FalError, *, is_probe: bool) -> None:
    if isinstance(error, Ambiguous):
        # fal may have it. It is never sent again: its callback, or the sweep, will tell.
        logger.warning("submit unclear", extra={"generation": str(generation.pk), "code": error.code})
    elif is_probe and error.provider_failed:
        # The question was ours, whether fal is there again: the song is not to pay for the answer.
        _back_in_line(generation, error, is_spared=True)
    elif isinstance(error, NotAccepted):
        _back_in_line(generation, error)
    else:
        _end(generation, error)


def accepted(generation: Generation, request_id: str, queue_position: int | None) -> None:
    """Note that fal has the generation, under which id, and when to have a first look."""
    settling.adopt_request_id(generation, request_id)
    transitions.mark_started(generation, queue_position=queue_position, look_at=timezone.now() + FIRST_LOOK)
    generation.refresh_from_db()
    if generation.cancel_requested_at is not None:
        doorbell.ring("studio.cancel_at_fal", generation_id=str(generation.pk))


def _back_in_line(generation: Generation, error: FalError, *, is_spared: bool = False) -> None:
    """fal provably doesn't have it: it may be sent again, after a pause and at most so many times."""
    with transaction.atomic():
        # As it is now and locked: a wish to cancel may have come while fal was being asked.
        current = Generation.objects.select_for_update().get(pk=generation.pk)
        if current.state != State.SUBMITTED:
            logger.info("moved while it was refused", extra={"generation": str(current.pk)})
        elif current.cancel_requested_at is not None:
            settling.withdraw(current)
        elif not current.person.is_active:
            settling.withdraw_closed(current)
        elif is_spared:
            transitions.advance(current, State.QUEUED, run_at=Now(), attempts=current.attempts - 1)
        elif current.attempts >= MAX_TRIES:
            settling.fail(current, error if isinstance(error, SourceOutOfReach) else GaveUp(said=error.said))
        else:
            wait = wait_seconds(current.attempts, error.retry_after_seconds)
            transitions.advance(current, State.QUEUED, run_at=timezone.now() + timedelta(seconds=wait))


def _end(generation: Generation, error: FalError) -> None:
    try:
        settling.fail(generation, error)
    except StaleTransition:
        # A callback was faster than the answer; it has the last word.
        logger.info("settled while it was refused", extra={"generation": str(generation.pk)})
