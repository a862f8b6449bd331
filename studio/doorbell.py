"""Rings for workers. What there is to do stands in the database, so a ring that is lost costs seconds."""

import atexit
import logging
import os
import threading
import time
from functools import cache, partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

SOON_SECONDS = 0.05
# Beyond so many different rings, with a broker that hangs, the sweep has to find the work.
MOST_WANTED = 1000
LAST_RINGS_SECONDS = 1.0

Ring = tuple[str, tuple[tuple[str, str], ...]]


def ring(task: str, **ids: str) -> None:
    """Send a task by name. A broker that is away is not our caller's trouble: the sweep finds the work."""
    try:
        current_app.send_task(task, kwargs=ids, retry=False)
    except OperationalError:
        logger.warning("doorbell not heard", extra={"task": task})


def ring_on_commit(task: str, **ids: str) -> None:
    """Ring once the transaction around is committed, and without waiting for the broker."""
    transaction.on_commit(partial(ring_soon, task, **ids), robust=True)


class _Ringer:
    """One thread a process that rings for all that was asked for since it last did: a burst costs one message."""

    def __init__(self) -> None:
        # A dict for its order.
        self._wanted: dict[Ring, None] = {}
        self._bell = threading.Condition()
        self._is_idle = True
        threading.Thread(target=self._run, name="doorbell", daemon=True).start()

    def want(self, task: str, **ids: str) -> None:
        with self._bell:
            if len(self._wanted) < MOST_WANTED:
                self._wanted[task, tuple(ids.items())] = None
                self._is_idle = False
                self._bell.notify_all()

    def finish(self, seconds: float) -> None:
        """Wait until all is rung, but not for longer: a process that ends can't wait for a broker that hangs."""
        with self._bell:
            self._bell.wait_for(lambda: self._is_idle, seconds)

    def _run(self) -> None:
        while True:
            with self._bell:
                if not self._wanted:
                    self._is_idle = True
                    self._bell.notify_all()
                while not self._wanted:
                    self._bell.wait()
                wanted, self._wanted = self._wanted, {}
            for task, ids in wanted:
                self._ring(task, dict(ids))
            time.sleep(SOON_SECONDS)

    @staticmethod
    def _ring(task: str, ids: dict[str, str]) -> None:
        try:
            ring(task, **ids)
        except Exception:  # the thread is the only one, and must outlive whatever a broker does
            logger.exception("doorbell broken", extra={"task": task})


@cache
def _ringer(_process: int) -> _Ringer:
    """The process's own: a thread doesn't come along into a fork."""
    ringer = _Ringer()
    atexit.register(ringer.finish, LAST_RINGS_SECONDS)
    return ringer


def ring_soon(task: str, **ids: str) -> None:
    """Ring from a thread of our own within some milliseconds, together with others who ask for the same."""
    _ringer(os.getpid()).want(task, **ids)


def finish_rings(seconds: float) -> None:
    """Wait until everything that was asked for here is rung, but not for longer."""
    _ringer(os.getpid()).finish(seconds)
