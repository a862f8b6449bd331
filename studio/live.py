"""Progress to the browser, by way of Redis, which is never the only copy of anything."""

import json
import logging
from collections.abc import Mapping

import redis
from django.db import transaction

from studio.models import Event
from studio.redis_server import connection

logger = logging.getLogger("studio.events")

WATCH_SECONDS = 40
REPLAY_LIMIT = 200


def _prefix() -> str:
    # Redis keeps the channels of all its databases together: without the number, two studios on one server would hear
    # each other, and person 1 of the one is not person 1 of the other.
    return f"neoapex:{connection().connection_pool.connection_kwargs.get('db') or 0}:"


def channel(person_id: int) -> str:
    return f"{_prefix()}events:{person_id}"


def channel_pattern() -> str:
    return f"{_prefix()}events:*"


def bye_channel() -> str:
    """Whoever publishes here ends the event streams of the studio, before its web server stops."""
    return f"{_prefix()}bye"


def person_of_channel(name: str) -> int:
    return int(name.rpartition(":")[2])


def message(event: Event) -> str:
    """An event as one server-sent event, without the blank line that ends it."""
    data = {"generation": str(event.generation_id), "at": event.at.isoformat(), **event.data}
    return f"id: {event.pk}\nevent: {event.name}\ndata: {json.dumps(data)}"


def publish_on_commit(event: Event, facts: Mapping[str, object]) -> None:
    """Push an event to whoever watches; the log is told the `facts` as well, which are no business of a page's."""
    transaction.on_commit(lambda: _publish(event, facts), robust=True)


def _publish(event: Event, facts: Mapping[str, object]) -> None:
    # What fal's model logs may quote the prompt, which has no place in ours.
    told = {name: value for name, value in event.data.items() if name != "logs"}
    extra = {"event": event.name, "generation": str(event.generation_id), **told, **facts}
    logger.info(event.name, extra=extra)
    try:
        event.refresh_from_db(fields=["at"])
        connection().publish(channel(event.person_id), message(event))
    except (redis.RedisError, Event.DoesNotExist):
        # Whoever watches catches up from the database at the next reconnect.
        logger.warning("event not pushed", extra={"event_id": event.pk})


def end_streams_on_commit(person_id: int) -> None:
    """Let go whoever listens for this person, and be asked anew who they are: an empty message says so."""
    transaction.on_commit(lambda: _end_streams(person_id), robust=True)


def _end_streams(person_id: int) -> None:
    try:
        connection().publish(channel(person_id), "")
    except redis.RedisError:
        # No stream lives for longer than some minutes without being asked anew.
        logger.warning("streams not ended", extra={"person": person_id})


def missed(person_id: int, last_event_id: int) -> list[str]:
    """What a stream that breaks off at `last_event_id` has missed, oldest first, at most the last 200."""
    events = Event.objects.filter(person_id=person_id, pk__gt=last_event_id).order_by("-pk")[:REPLAY_LIMIT]
    return [message(event) for event in reversed(events)]


def watch(person_id: int) -> None:
    """Note that somebody looks at this person's songs, for as long as the note lives."""
    connection().set(f"neoapex:watched:{person_id}", 1, ex=WATCH_SECONDS)


def watched(person_ids: set[int]) -> set[int]:
    """Those of the people whose songs somebody looks at now. Without Redis: nobody."""
    if not person_ids:
        return set()
    ordered = sorted(person_ids)
    try:
        notes = connection().mget([f"neoapex:watched:{person_id}" for person_id in ordered])
    except redis.RedisError:
        return set()
    return {person_id for person_id, note in zip(ordered, notes, strict=True) if note}
