"""A callback's way: stored once, answered, processed later, harmless when repeated."""

import hashlib
import json
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import InternalError, OperationalError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from studio import counters, doorbell, settling, sweep
from studio.errors import ForeignRequest
from studio.fal.answers import outcome_error
from studio.fal.errors import GenerationFailed, NotFinished, NotFound, Unreachable
from studio.models import Generation
from webhooks.models import Delivery, Flag
from webhooks.signatures import Signed

logger = logging.getLogger(__name__)

TRIES = 8
LEASE = timedelta(seconds=60)
BATCH = 100
# Short statements, and so many of them that no night leaves more behind than a day brings.
FORGOTTEN_AT_ONCE = 5000
FORGET_BATCHES = 200

_STORE = """
    INSERT INTO webhooks_delivery (generation_id, request_id, pinned, body, body_sha256)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (request_id, body_sha256) DO NOTHING
"""


def receive(signed: Signed, generation_id: UUID, body: bytes) -> bool:
    """Store a verified callback and ring for a worker. Returns whether it is new: a repeat changes nothing."""
    pinned = bool(signed.user_id) and signed.user_id == settings.NEOAPEX_FAL_USER_ID
    row = [generation_id, signed.request_id, pinned, body, hashlib.sha256(body).hexdigest()]
    try:
        new = _insert(row)
    except (OperationalError, InternalError):
        # The database was restarted since this thread last spoke to it, or another has taken over and this one only
        # reads. Inserting the same row again is harmless.
        connection.close()
        new = _insert(row)
    if new:
        doorbell.ring_soon("webhooks.process_waiting")
    return new


def _insert(row: Sequence[Any]) -> bool:
    # A look at the connection before its use would cost as much as the insert; the second try above stands in for it.
    connection.health_check_done = True  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute(_STORE, row)
        return bool(cursor.rowcount == 1)


def replay(delivery: Delivery) -> bool:
    """Send a processed delivery through again, as if it had just come. False where it is waiting or under way."""
    ended = Delivery.objects.filter(pk=delivery.pk, processed_at__isnull=False)
    again = ended.update(processed_at=None, flag="", attempts=0, run_at=Now(), replayed_at=Now())
    if again:
        doorbell.ring_on_commit("webhooks.process_waiting")
    return bool(again)


def forget_old() -> int:
    """Delete what was processed long ago, flagged or not; returns how many. What waits is kept however old it is."""
    limit = timezone.now() - timedelta(days=settings.NEOAPEX_DELIVERIES_KEPT_DAYS)
    # Nothing is processed before it is received; of that there is an index.
    old = Delivery.objects.filter(received_at__lt=limit, processed_at__lt=limit)
    forgotten = 0
    for _ in range(FORGET_BATCHES):
        count, _each = Delivery.objects.filter(pk__in=old.values("pk")[:FORGOTTEN_AT_ONCE]).delete()
        forgotten += count
        if count < FORGOTTEN_AT_ONCE:
            break
    if forgotten:
        logger.info("old deliveries forgotten", extra={"count": forgotten})
    return forgotten


def process_waiting() -> None:
    """Work through the deliveries that wait, oldest first; bounded, the rest is for the next ring."""
    for _ in range(BATCH):
        delivery = _claim()
        if delivery is None:
            return
        process(delivery)


def _claim() -> Delivery | None:
    with transaction.atomic():
        waiting = Delivery.objects.filter(processed_at=None, run_at__lte=Now()).order_by("run_at", "pk")
        delivery = waiting.select_for_update(skip_locked=True).first()
        if delivery is not None:
            # A lease: if this worker dies here, another takes the delivery up again a minute later.
            Delivery.objects.filter(pk=delivery.pk).update(run_at=timezone.now() + LEASE, attempts=F("attempts") + 1)
            delivery.attempts += 1
        return delivery


def process(delivery: Delivery) -> None:
    """Settle what a delivery tells of, or flag it. One that fails is tried again, ever later, then left as dead."""
    try:
        # One that was claimed so often without an end has killed its workers: it gets no further one.
        flag = _process(delivery) if delivery.attempts <= TRIES else Flag.DEAD
    except ForeignRequest:
        # Another request id was adopted between our look and the settling.
        flag = Flag.FOREIGN_REQUEST
    except Exception:  # the delivery must survive whatever went wrong; it is tried again and shown
        logger.exception("delivery failed", extra={"delivery": delivery.pk, "attempts": delivery.attempts})
        if delivery.attempts < TRIES:
            pause = timedelta(seconds=2**delivery.attempts)
            Delivery.objects.filter(pk=delivery.pk).update(run_at=timezone.now() + pause)
            return
        flag = Flag.DEAD
    Delivery.objects.filter(pk=delivery.pk).update(processed_at=Now(), flag=flag or "")
    # A replay's time says nothing of how long callbacks take.
    if delivery.replayed_at is None:
        lag = timezone.now() - delivery.received_at
        counters.count_on_commit("webhook", (flag or "processed").lower(), seconds=lag.total_seconds())


def _process(delivery: Delivery) -> Flag | None:
    body = _read(delivery)
    if body is None:
        return Flag.UNREADABLE_BODY
    generation = Generation.objects.filter(pk=delivery.generation_id).first()
    if generation is None:
        return Flag.UNKNOWN_GENERATION
    if _is_foreign(generation, delivery, body):
        return Flag.FOREIGN_REQUEST
    if _said_otherwise(delivery):
        return Flag.DIFFERENT_PAYLOAD
    if not delivery.pinned or not _tells_all(body):
        # Not proven to be our account's, or without the result: only a doorbell. Our own key fetches what is true.
        if not sweep.settle_from_fal(generation, delivery.request_id):
            raise LookupError("fal has no outcome yet")
    elif body["status"] == "ERROR":
        _settle_error(generation, delivery, body)
    else:
        settling.settle(generation.pk, dict(body["payload"]), request_id=delivery.request_id)
    return None


def _settle_error(generation: Generation, delivery: Delivery, body: dict[str, Any]) -> None:
    """Only the result says whether fal bills the failure; where it can't be had, the body is the outcome.

    :raises Unreachable: fal is out of reach, so the song has ended and its bill is still to be asked for.
    """
    try:
        sweep.settle_by_record(generation, delivery.request_id)
    except (NotFinished, NotFound, Unreachable) as error:
        settling.settle(generation.pk, _error_of(body), request_id=delivery.request_id)
        if isinstance(error, Unreachable) and delivery.attempts < TRIES:
            raise


def _said_otherwise(delivery: Delivery) -> bool:
    """Whether another body came for the same request, which counts: the first one does, also while it waits."""
    others = Delivery.objects.filter(request_id=delivery.request_id, flag="").exclude(pk=delivery.pk)
    return others.filter(Q(pk__lt=delivery.pk) | Q(processed_at__isnull=False)).exists()


def _error_of(body: dict[str, Any]) -> GenerationFailed:
    said = body.get("error")
    return outcome_error(body.get("payload"), said if isinstance(said, str) else None)


def _tells_all(body: dict[str, Any]) -> bool:
    if body.get("status") == "ERROR":
        return True
    return body.get("status") == "OK" and isinstance(body.get("payload"), dict) and not body.get("payload_error")


def _read(delivery: Delivery) -> dict[str, Any] | None:
    try:
        body = json.loads(bytes(delivery.body))
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _is_foreign(generation: Generation, delivery: Delivery, body: dict[str, Any]) -> bool:
    """A request id that isn't this generation's is never adopted, whoever signed it."""
    if body.get("request_id", delivery.request_id) != delivery.request_id:
        return True
    if generation.request_id is not None:
        return generation.request_id != delivery.request_id
    # The submit's answer may arrive between our read and this one: its own row is no other.
    others = Generation.objects.exclude(pk=generation.pk)
    return generation.submit_started_at is None or others.filter(request_id=delivery.request_id).exists()
