"""What the admin's pages on webhooks show in a browser: a day of deliveries, some of them odd, and what was refused."""

import json
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from studio.models import User
from studio.states import GenerationState as State
from tests import factories
from webhooks.models import Delivery, Flag, Outcome, Tally

PAYLOAD = {"audio": [{"url": "https://v3.fal.media/files/b/0a1b2c3d/song.wav?sig=x"}], "seed": 42, "lyrics": "la " * 90}


def lay() -> dict[str, int]:
    """Fills the tables; gives the ids that pages are addressed by."""
    person = User.objects.create_user("callbacks@example.com")
    for hours_ago in range(24):
        for number in range((hours_ago * 7) % 11):
            _deliver(hours_ago, lag_seconds=0.2 + number / 10)
    odd = [_deliver(3, flag=flag) for flag in Flag]
    _deliver(0, lag_seconds=None)
    for number in range(3):
        factories.make_generation(person=person, state=State.READY, request_id=f"never-called-{number}")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for number, outcome in enumerate(Outcome):
        Tally.objects.create(hour=hour - timedelta(hours=number), outcome=outcome, count=10 ** (number % 5) + 6)
    return {"delivery": odd[2].pk}


def _deliver(hours_ago: int, *, flag: str = "", lag_seconds: float | None = 0.4) -> Delivery:
    request_id = str(uuid4())
    body = json.dumps({"request_id": request_id, "status": "OK", "payload": PAYLOAD}).encode()
    received_at = timezone.now() - timedelta(hours=hours_ago)
    processed_at = None if lag_seconds is None else received_at + timedelta(seconds=lag_seconds)
    delivery = Delivery.objects.create(
        generation_id=uuid4(), request_id=request_id, pinned=True, body=body, body_sha256=uuid4().hex, flag=flag,
        received_at=received_at, processed_at=processed_at, attempts=1,
    )  # fmt: skip
    assert isinstance(delivery, Delivery)
    return delivery
