"""Rings for workers. What there is to do stands in the database, so a ring that is lost costs seconds."""

import logging
import threading
import time
from functools import cache, partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

SOON_SECONDS = 0.02


def ring(task: str, **ids: str) -> None:
    """Send a task by name. A broker that is away is not our caller's trouble: the sweep finds the work."""
    try:
        current_app.send_task(task, kwargs=ids, retry=False)
    except OperationalError:
        logger.warning("doorbell not heard", extra={"task": task})


def ring_on_commit(task: str, **ids: str) -> None:
    transaction.on_commit(partial(ring, task, **ids), robust=True)


class _Ringer:
    """One thread a process that rings for all that was asked for since it last did: a burst costs one message."""

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._bell = threading.Condition()
        threading.Thread(target=self._run, name="doorbell", daemon=True).start()

    def want(self, task: str) -> None:
        with self._bell:
            self._wanted.add(task)
            self._bell.notify()

    def _run(self) -> None:
        while True:
            with self._bell:
                while not self._wanted:
                    self._bell.wait()
                tasks, self._wanted = self._wanted, set()
            for task in tasks:
                self._ring(task)
            time.sleep(SOON_SECONDS)

    @staticmethod
    def _ring(task: str) -> None:
        try:
            ring(task)
        except Exception:  # the thread is the only one, and must outlive whatever a broker does
            logger.exception("doorbell broken", extra={"task": task})


@cache
def _ringer() -> _Ringer:
    return _Ringer()


def ring_soon(task: str) -> None:
    """Ring from a thread of our own within some milliseconds, together with others who ask for the same."""
    _ringer().want(task)
