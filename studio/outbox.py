"""What the organisation's own systems are told of a song, written in the transaction that ended it."""

import json

from django.utils import timezone

from ledger.money import format_dollars
from studio import doorbell
from studio.models import Generation, Message, Receiver


def tell(generation: Generation, event: str) -> None:
    """Put a message in line for each receiver; where there is none, this costs a look."""
    receivers = list(Receiver.objects.filter(enabled=True).values_list("pk", flat=True))
    if not receivers:
        return
    body = _body(generation, event)
    Message.objects.bulk_create(
        [Message(receiver_id=receiver, generation=generation, event=event, body=body) for receiver in receivers]
    )
    doorbell.ring_on_commit("studio.send_messages")


def _body(generation: Generation, event: str) -> str:
    """Ids and states, in the form that Standard Webhooks asks for. What was sung, they ask the API for."""
    charged = generation.charged_micros
    data = {
        "generation": str(generation.pk),
        "person": generation.person_id,
        "endpoint": generation.endpoint,
        "state": generation.state,
        "reason": generation.reason_code or None,
        "whose": generation.reason_whose or None,
        "cost": format_dollars(generation.cost_micros),
        "charged": None if charged is None else format_dollars(charged),
        "tracks": [str(track) for track in generation.tracks.order_by("variation").values_list("pk", flat=True)],
    }
    return json.dumps({"type": event, "timestamp": timezone.now().isoformat(), "data": data})
