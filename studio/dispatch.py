"""Which waiting generation goes to fal next, and what its answer means."""

import logging
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from studio import doorbell, endpoints, settling, transitions
from studio.endpoints import UnknownEndpoint
from studio.errors import StaleTransition
from studio.fal.client import from_settings
from studio.fal.errors import Ambiguous, FalError, NotAccepted, Said
from studio.fal.resilience import MAX_TRIES, wait_seconds
from studio.models import Generation, GenerationQuerySet, User
from studio.states import GenerationState as State

logger = logging.getLogger(__name__)

# Any number, the same in every process: whoever holds this lock is the only one who counts slots.
SLOTS_LOCK = 7_301_001
FIRST_LOOK = timedelta(seconds=3)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Unsendable(FalError):
    """We can't even make the request: nothing has left the house."""

    code = "unsendable"
    whose = "us"
    default_message = "The studio could not send this song to fal."
    default_hint = "Tell the studio's admin. Nothing was charged."


def dispatch() -> int:
    """Send what fits into free slots, at most as many as there are slots; returns how many were sent."""
    sent = 0
    while sent < settings.NEOAPEX_FAL_SLOTS and (generation := claim_next()) is not None:
        submit(generation)
        sent += 1
    return sent


def claim_next() -> Generation | None:
    """Move the generation whose turn it is to SUBMITTED, committed before anything is sent; None without a slot.

    People take turns: whoever has the fewest at fal, then whoever was served longest ago; within one, first come
    first served.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SLOTS_LOCK])
        if Generation.objects.in_slot().count() >= settings.NEOAPEX_FAL_SLOTS:
            return None
        generation = _next_in_line()
        if generation is None:
            return None
        transitions.advance(
            generation,
            State.SUBMITTED,
            submit_started_at=Now(),
            last_sign_at=Now(),
            attempts=generation.attempts + 1,
        )
        return generation


def _next_in_line() -> Generation | None:
    due = Generation.objects.waiting().filter(run_at__lte=Now())
    for person_id in _turns(due):
        line = due.filter(person_id=person_id).order_by("created_at", "pk")
        # Whoever is cancelling a song right now has it; the turn goes to the next.
        generation = line.select_for_update(skip_locked=True).first()
        if generation is not None:
            return generation
    return None


def _turns(due: GenerationQuerySet) -> list[int]:
    """The people whose songs wait, by whose turn it is. Each look is into an index, however long their history is."""
    theirs = Generation.objects.filter(person=OuterRef("pk"))
    at_fal = theirs.in_slot().order_by().values("person").annotate(count=Count("pk")).values("count")
    # Within one person songs are sent in their order, so the newest that was sent is the last that was.
    sent = theirs.filter(submit_started_at__isnull=False).order_by("-created_at", "-pk").values("submit_started_at")
    first_due = due.filter(person=OuterRef("pk")).order_by("created_at").values("created_at")
    people = User.objects.filter(pk__in=due.values("person")).annotate(
        at_fal=Coalesce(Subquery(at_fal), 0),
        served_at=Coalesce(Subquery(sent[:1]), LONG_AGO),
        waiting_since=Subquery(first_due[:1]),
    )
    in_turn = people.filter(at_fal__lt=settings.NEOAPEX_USER_SLOTS)
    return list(in_turn.order_by("at_fal", "served_at", "waiting_since", "pk").values_list("pk", flat=True))


def webhook_url(generation: Generation) -> str | None:
    """Where fal reports. Our own id is in it: a callback finds its generation even if the submit's answer is lost."""
    if not settings.NEOAPEX_PUBLIC_URL:
        return None
    return f"{settings.NEOAPEX_PUBLIC_URL}/webhooks/fal/{generation.pk}/"


def submit(generation: Generation) -> None:
    """POST a generation that was just claimed, once, and book what the answer means."""
    try:
        endpoint = endpoints.get(generation.endpoint)
        arguments = endpoint.input_schema.model_validate(generation.recipe).to_fal()
        client = from_settings()
    except (UnknownEndpoint, ValueError) as error:
        logger.exception("can't be sent", extra={"generation": str(generation.pk)})
        _end(generation, Unsendable(said=Said(raw=type(error).__name__)))
        return
    try:
        submission = client.submit(endpoint.fal_id, arguments, webhook_url=webhook_url(generation))
    except NotAccepted as error:
        _not_accepted(generation, error)
    except Ambiguous as error:
        # fal may have it. It is never sent again: its callback, or the sweep, will tell.
        logger.warning("submit unclear", extra={"generation": str(generation.pk), "code": error.code})
    except FalError as error:
        _end(generation, error)
    else:
        accepted(generation, submission.request_id, submission.queue_position)


def accepted(generation: Generation, request_id: str, queue_position: int | None) -> None:
    """Note that fal has the generation, under which id, and when to have a first look."""
    settling.adopt_request_id(generation, request_id)
    transitions.mark_started(generation, queue_position=queue_position, look_at=timezone.now() + FIRST_LOOK)
    generation.refresh_from_db()
    if generation.cancel_requested_at is not None:
        doorbell.ring("studio.cancel_at_fal", generation_id=str(generation.pk))


def _not_accepted(generation: Generation, error: NotAccepted) -> None:
    with transaction.atomic():
        # As it is now and locked: a wish to cancel may have come while fal was being asked.
        current = Generation.objects.select_for_update().get(pk=generation.pk)
        if current.state != State.SUBMITTED:
            logger.info("moved while it was refused", extra={"generation": str(current.pk)})
        elif current.cancel_requested_at is not None:
            settling.withdraw(current)
        elif not current.person.is_active:
            settling.withdraw_closed(current)
        elif current.attempts >= MAX_TRIES:
            settling.fail(current, error)
        else:
            wait = wait_seconds(current.attempts, error.retry_after_seconds)
            transitions.advance(current, State.QUEUED, run_at=timezone.now() + timedelta(seconds=wait))


def _end(generation: Generation, error: FalError) -> None:
    try:
        settling.fail(generation, error)
    except StaleTransition:
        # A callback was faster than the answer; it has the last word.
        logger.info("settled while it was refused", extra={"generation": str(generation.pk)})
