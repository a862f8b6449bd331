"""What the log says of a generation with each of its events: numbers and moments, never words of a person's."""

from datetime import datetime, timedelta

from django.utils import timezone

from ledger.money import format_dollars
from studio import pricing
from studio.models import Generation
from studio.states import GenerationState as State

MOMENTS = ("created_at", "submit_started_at", "started_at", "running_at", "finished_at")


def facts(generation: Generation) -> dict[str, object]:
    """As the row is now. fal's own id has a name of its own, for `request_id` is that of the request to us."""
    known = {name: moment for name in MOMENTS if isinstance(moment := getattr(generation, name), datetime)}
    told: dict[str, object] = {
        "endpoint": generation.endpoint,
        "fal_request_id": generation.request_id,
        "timeline": {name.removesuffix("_at"): moment.isoformat() for name, moment in known.items()},
        "latency_ms": _ms(latency(generation)),
        "retries": max(0, generation.attempts - 1),
        "cost": format_dollars(generation.cost_micros),
    }
    if "submit_started_at" in known and "created_at" in known:
        told["queue_ms"] = _ms(known["submit_started_at"] - known["created_at"])
    if generation.charged_micros is not None:
        told["charged"] = format_dollars(generation.charged_micros)
        told["billable_units"] = str(pricing.units(generation.num_songs))
    if generation.reason_code:
        told |= {"reason": generation.reason_code, "whose": generation.reason_whose}
    return told


def latency(generation: Generation) -> timedelta:
    """From asking to the outcome, or to now while there is none."""
    return (generation.finished_at or timezone.now()) - generation.created_at


def outcome(generation: Generation) -> str:
    """How it ended, and where it failed whose fault that was, in one of five words."""
    if generation.state == State.FAILED:
        return f"failed_{generation.reason_whose or 'us'}"
    return generation.state.lower()


def _ms(span: timedelta) -> int:
    return round(span / timedelta(milliseconds=1))
