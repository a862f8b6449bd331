"""Deliveries as they stand after the door has let them in."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from studio.models import Generation
from tests.studio.people import song
from tests.webhooks.signing import ok_body
from webhooks import deliveries, tasks
from webhooks.models import Delivery
from webhooks.signatures import Signed


def stored(generation_id: UUID, body: bytes, request_id: str) -> Delivery:
    """Verified and stored, but not yet processed."""
    deliveries.receive(Signed(request_id, "our-account"), generation_id, body)
    return Delivery.objects.get(request_id=request_id, body_sha256=hashlib.sha256(body).hexdigest())


def delivered(generation: Generation, body: bytes, request_id: str | None = None) -> Delivery:
    """The same, and processed."""
    delivery = stored(generation.pk, body, request_id or str(generation.request_id))
    tasks.process_waiting()
    delivery.refresh_from_db()
    generation.refresh_from_db()
    return delivery


def due_again(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(run_at=timezone.now() - timedelta(seconds=1))


def ok(generation: Generation, payload: Any = None, **more: object) -> bytes:
    return ok_body(str(generation.request_id), song() if payload is None else payload, **more)
