"""A few threads with connections of their own that start together, again and again."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic, sleep

import pytest
from django.db import connection

PATIENCE_SECONDS = 20

Work = Callable[[], object]


class Crew:
    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def start(self, works: Sequence[Work]) -> list[Future[object]]:
        """Let go of all of them at once, each in a thread of its own; refusals and faults come with the futures."""
        gate = threading.Barrier(len(works))

        def run(work: Work) -> object:
            connection.ensure_connection()
            gate.wait(PATIENCE_SECONDS)
            return work()

        return [self._pool.submit(run, work) for work in works]


@contextmanager
def crew(size: int) -> Iterator[Crew]:
    with ThreadPoolExecutor(size) as pool:
        band = Crew(pool)
        try:
            yield band
        finally:
            for closed in band.start([_close] * size):
                closed.result(PATIENCE_SECONDS)


def _close() -> None:
    """Looked up by the thread that runs it: each has a connection of its own."""
    connection.close()


def wait_until_stuck_or_done(futures: Sequence[Future[object]]) -> None:
    """Return when each has ended, or waits for a lock of somebody's."""
    deadline = monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while monotonic() < deadline:
            # In this order: who ends meanwhile is missing from both, and is seen next time.
            done = sum(future.done() for future in futures)
            cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
            if done + cursor.fetchone()[0] >= len(futures):
                return
            sleep(0.001)
    pytest.fail("Somebody neither ended nor waited.")
