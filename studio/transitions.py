"""Which state may follow which, and the only function that moves one."""

from collections.abc import Collection, Mapping
from typing import Final

from django.db import transaction
from django.db.models.functions import Now

from studio import counters, job_facts, live, outbox
from studio.errors import StaleTransition
from studio.models import Event, Generation, Retouch, Track
from studio.states import GenerationState as G
from studio.states import MasterStorage as M
from studio.states import RetouchState as R
from studio.states import TrackState as T

GENERATION: Final[Mapping[G, frozenset[G]]] = {
    G.QUEUED: frozenset({G.SUBMITTED, G.INGESTING, G.FAILED, G.CANCELLED}),
    G.SUBMITTED: frozenset({G.QUEUED, G.RUNNING, G.INGESTING, G.FAILED, G.CANCELLED, G.LOST}),
    G.RUNNING: frozenset({G.INGESTING, G.FAILED, G.CANCELLED, G.LOST}),
    G.LOST: frozenset({G.INGESTING, G.FAILED, G.CANCELLED}),
    G.INGESTING: frozenset({G.READY, G.FAILED}),
    G.READY: frozenset(),
    # A success that comes late is still a song.
    G.FAILED: frozenset({G.INGESTING}),
    G.CANCELLED: frozenset({G.INGESTING}),
}
TRACK: Final[Mapping[T, frozenset[T]]] = {
    T.PENDING: frozenset({T.READY, T.UNREADABLE}),
    T.READY: frozenset(),
    T.UNREADABLE: frozenset({T.PENDING}),
}
# What the bucket says of a master. Whoever copies one back by hand makes it STANDARD; a restore that comes to nothing
# leaves it cold.
MASTER: Final[Mapping[M, frozenset[M]]] = {
    M.STANDARD: frozenset({M.GLACIER}),
    M.GLACIER: frozenset({M.RESTORING, M.STANDARD}),
    M.RESTORING: frozenset({M.RESTORED, M.GLACIER, M.STANDARD}),
    M.RESTORED: frozenset({M.GLACIER, M.STANDARD}),
}
# An accepted take is taken back until something else is made from it.
RETOUCH: Final[Mapping[R, frozenset[R]]] = {
    R.OPEN: frozenset({R.ACCEPTED, R.ABANDONED}),
    R.ACCEPTED: frozenset({R.OPEN}),
    R.ABANDONED: frozenset(),
}
FINAL: Final = frozenset({G.READY, G.FAILED, G.CANCELLED})

# What the browser and the logs are told when a state is reached.
EVENTS: Final[Mapping[G, str]] = {
    G.QUEUED: "job_queued",
    G.SUBMITTED: "job_progress",
    G.RUNNING: "job_progress",
    G.LOST: "job_progress",
    G.INGESTING: "job_progress",
    G.READY: "job_succeeded",
    G.FAILED: "job_failed",
    G.CANCELLED: "job_failed",
}


def advance(generation: Generation, to: G, **fields: object) -> None:
    """Move a generation as it was read to another state, with `fields` written in the same statement.

    A compare-and-set: the row moves only if it still is in the state that was read. The event is kept in the same
    transaction and pushed to the browser once that is committed.

    :raises StaleTransition: somebody moved the row first, or the move isn't in the table.
    """
    came_from = G(generation.state)
    if to not in GENERATION[came_from]:
        raise StaleTransition(came_from, to)
    fields["finished_at"] = Now() if to in FINAL else None
    with transaction.atomic():
        moved = Generation.objects.filter(pk=generation.pk, state=came_from).update(state=to, **fields)
        if not moved:
            raise StaleTransition(came_from, to)
        generation.refresh_from_db()
        record(generation, EVENTS[to], state=to)
        if to in FINAL:
            _count_outcome(generation)
            outbox.tell(generation, EVENTS[to])


def _count_outcome(generation: Generation) -> None:
    counters.count_on_commit(
        "generation",
        generation.endpoint,
        job_facts.outcome(generation),
        seconds=job_facts.latency(generation).total_seconds(),
        micros=generation.charged_micros or 0,
    )


def advance_track(track: Track, to: T, **fields: object) -> None:
    """The same for a track. :raises StaleTransition: as `advance`."""
    _move(track, TRACK[T(track.state)], "state", to, fields)


def advance_master(track: Track, to: M, **fields: object) -> None:
    """The same for where a track's master is. :raises StaleTransition: as `advance`."""
    _move(track, MASTER[M(track.master_storage)], "master_storage", to, fields)


def _move(track: Track, ways: Collection[str], column: str, to: str, fields: Mapping[str, object]) -> None:
    came_from = getattr(track, column)
    as_it_was = Track.objects.filter(pk=track.pk, **{column: came_from})
    if to not in ways or not as_it_was.update(**{column: to}, **fields):
        raise StaleTransition(came_from, to)
    track.refresh_from_db()


def advance_retouch(retouch: Retouch, to: R, **fields: object) -> None:
    """The same for a retouch. :raises StaleTransition: as `advance`."""
    came_from = R(retouch.state)
    fields["ended_at"] = None if to == R.OPEN else Now()
    as_it_was = Retouch.objects.filter(pk=retouch.pk, state=came_from)
    if to not in RETOUCH[came_from] or not as_it_was.update(state=to, **fields):
        raise StaleTransition(came_from, to)
    retouch.refresh_from_db()


def record(generation: Generation, name: str, **data: object) -> None:
    """Keep an event and push it to whoever watches, once the transaction around is committed."""
    event = Event.objects.create(person_id=generation.person_id, generation=generation, name=name, data=data)
    live.publish_on_commit(event, job_facts.facts(generation))


def mark_started(generation: Generation, **fields: object) -> bool:
    """Note that fal has the request, whoever says so first; `job_started` is emitted once, before any outcome.

    Returns whether this call was the first.
    """
    with transaction.atomic():
        first = Generation.objects.filter(pk=generation.pk, started_at=None).update(
            started_at=Now(), last_sign_at=Now(), **fields
        )
        if not first:
            return False
        generation.refresh_from_db()
        record(generation, "job_started", state=generation.state)
    return True
