"""Whether fal is worth sending to just now: one circuit breaker for all processes, kept in Redis.

Closed, everything is sent. Failures of fal's in a row open it: for a while nothing is sent. Then one song goes as a
probe, and its answer closes or opens it anew. Without Redis it is closed: money and slots are the database's to guard.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final, Self

from django.conf import settings
from pybreaker import (
    STATE_CLOSED,
    STATE_OPEN,
    CircuitBreaker,
    CircuitBreakerError,
    CircuitBreakerListener,
    CircuitBreakerState,
    CircuitRedisStorage,
)
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from studio.fal.errors import AccountLocked, FalError, KeyRefused
from studio.redis_server import connection

logger = logging.getLogger(__name__)

NAMESPACE: Final = "neoapex:fal"
PROBE_KEY: Final = f"{NAMESPACE}:probe"
WHY_KEY: Final = f"{NAMESPACE}:why"
# Longer than a submit can take, so that no second probe starts beside one that is slow.
PROBE_SECONDS: Final = 150
# Failures that lie further apart than this are no row of failures.
IN_A_ROW_SECONDS: Final = 600
WHY_SECONDS: Final = 7 * 86_400
CLOCKS_DIFFER: Final = timedelta(seconds=5)


class _Storage(CircuitRedisStorage):
    """pybreaker's own. What isn't there reads as closed, so nothing is written before something fails."""

    def _initialize_redis_state(self, state: str) -> None:
        """Left out: it would raise where Redis is away."""

    def increment_counter(self) -> None:
        super().increment_counter()
        with suppress(RedisError):
            self._redis.expire(self._namespace("fail_counter"), IN_A_ROW_SECONDS)


class _Notes(CircuitBreakerListener):
    """Notes why it opened. Only the process that changes the state hears of it."""

    def failure(self, cb: CircuitBreaker, exc: BaseException) -> None:  # noqa: ARG002
        if not isinstance(exc, FalError):
            return
        with suppress(RedisError):
            connection().set(WHY_KEY, f"{exc.status_code or ''} {exc.message}".strip(), ex=WHY_SECONDS)

    def state_change(
        self,
        cb: CircuitBreaker,  # noqa: ARG002
        old_state: CircuitBreakerState | None,
        new_state: CircuitBreakerState,
    ) -> None:
        logger.warning("breaker", extra={"was": old_state.name if old_state else "", "is": new_state.name})


@dataclass(frozen=True, slots=True)
class Reach:
    """`state` is pybreaker's word, `retry_seconds` for how long nothing will be sent, `why` what fal said."""

    state: str
    opened_at: datetime | None
    retry_seconds: int
    why: str

    @property
    def is_open(self) -> bool:
        return self.retry_seconds > 0


class Permit:
    """Leave to send one song; give it back by leaving the `with`. A probe's is the only one in the house."""

    def __init__(self, probe: Lock | None = None) -> None:
        self._probe = probe

    @property
    def is_probe(self) -> bool:
        return self._probe is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._probe is not None:
            # It may have run out, and Redis may be away: then it ends by itself.
            with suppress(LockError, RedisError):
                self._probe.release()


def admit() -> Permit | None:
    """Leave to send one song now, or None. To be asked before a song is claimed, so that none is claimed in vain."""
    storage = _storage()
    if storage.state == STATE_CLOSED:
        return Permit()
    if _seconds_left(storage):
        return None
    probe = connection().lock(PROBE_KEY, timeout=PROBE_SECONDS, blocking=False, thread_local=False)
    try:
        if not probe.acquire():
            return None
    except RedisError:
        return Permit()
    permit = Permit(probe)
    # Whoever held it before may just have opened the breaker anew.
    if _seconds_left(storage):
        with permit:
            return None
    if storage.state == STATE_OPEN:
        _circuit().half_open()
    return permit


def note(error: FalError | None) -> None:
    """Count what came of a submit. Anything that fal itself answered shows that it is there, a refusal too."""
    # A locked account or a wrong key is no accident: the next song would meet the same.
    at_once = isinstance(error, AccountLocked | KeyRefused) and error.provider_failed
    with suppress(FalError, CircuitBreakerError):
        _circuit(fail_max=1 if at_once else None).call(_answer, error)


@contextmanager
def watching() -> Iterator[None]:
    """Count fal's failures to tell about a request. That it tells says nothing about whether it takes new ones."""
    try:
        yield
    except FalError as error:
        if error.provider_failed:
            note(error)
        raise


def reach() -> Reach:
    storage = _storage()
    state = storage.state
    if state == STATE_CLOSED:
        return Reach(state, None, 0, "")
    return Reach(state, storage.opened_at, _seconds_left(storage), _why())


def seconds_out_of_reach() -> int:
    """For how long nothing will be sent, as far as is known now; 0 where songs are sent or one is tried."""
    return _seconds_left(_storage())


def close() -> None:
    """By hand, where somebody knows that fal is there again."""
    _circuit().close()


def _answer(error: FalError | None) -> None:
    if error is not None:
        raise error


def _storage() -> _Storage:
    return _Storage(STATE_CLOSED, connection(), namespace=NAMESPACE)


def _circuit(fail_max: int | None = None) -> CircuitBreaker:
    """A fresh one for each time: one that is kept notices a change late, and wipes out what others have counted since.

    It only counts what has happened. Its `call` around a submit would keep a lock for as long as fal takes, count a
    worker's own end as fal's failure, let everybody through in half-open, and on opening raise an error of its own in
    place of fal's: a song that fal may have would look like one that was never sent.
    """
    return CircuitBreaker(
        fail_max=fail_max or settings.NEOAPEX_BREAKER_FAILURES,
        reset_timeout=settings.NEOAPEX_BREAKER_SECONDS,
        exclude=[_is_no_failure],
        listeners=[_Notes()],
        state_storage=_storage(),
    )


def _is_no_failure(error: BaseException) -> bool:
    return not (isinstance(error, FalError) and error.provider_failed)


def _seconds_left(storage: _Storage) -> int:
    """Until the next probe, in whole seconds from 1 on; 0 where it isn't open, or has been for long enough."""
    if storage.state != STATE_OPEN:
        return 0
    opened_at, now = storage.opened_at, datetime.now(UTC)
    # Opened by somebody whose clock was ahead: the moment says nothing, and waiting for it could take for ever.
    if opened_at is None or opened_at > now + CLOCKS_DIFFER:
        return 0
    left = opened_at + timedelta(seconds=settings.NEOAPEX_BREAKER_SECONDS) - now
    return max(0, ceil(left.total_seconds()))


def _why() -> str:
    try:
        why = connection().get(WHY_KEY)
    except RedisError:
        return ""
    return why.decode() if isinstance(why, bytes) else ""
