"""Many questions to fal in bounded time: some at once, so that a slow answer holds up no other."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from django.db import DatabaseError, connection

logger = logging.getLogger(__name__)

# Any numbers, the same in every process.
ASKING_LOCK: Final = 7_301_002
LOOKING_LOCK: Final = 7_301_003

ASKERS = 8
# No question begins later than this in a round, and none is waited for longer: fal's own timeouts add up to more.
BEGIN_SECONDS = 20.0
ROUND_SECONDS = 75.0

Subject = TypeVar("Subject")
Answer = TypeVar("Answer")


def answers(
    subjects: Iterable[Subject], ask: Callable[[Subject], Answer]
) -> Iterator[tuple[Subject, "Future[Answer]"]]:
    """Each subject with what `ask` gave or raised, in the order in which the answers come.

    `ask` runs in threads, so it must not touch the database. A subject is taken when a thread is free for it, and not
    taken at all once the round is over.
    """
    pool = ThreadPoolExecutor(ASKERS, thread_name_prefix="ask")
    began = time.monotonic()
    waiting: dict[Future[Answer], Subject] = {}
    rest = iter(subjects)
    try:
        while True:
            while len(waiting) < ASKERS and time.monotonic() - began < BEGIN_SECONDS:
                try:
                    subject = next(rest)
                except StopIteration:
                    break
                waiting[pool.submit(ask, subject)] = subject
            if not waiting:
                return
            left_seconds = max(0.0, began + ROUND_SECONDS - time.monotonic())
            done, _ = wait(waiting, left_seconds, FIRST_COMPLETED)
            if not done:
                logger.warning("answers not waited for", extra={"questions": len(waiting)})
                return
            for future in done:
                yield waiting.pop(future), future
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def only_one(lock: int) -> Iterator[bool]:
    """Whether nobody else, in any process, is inside now. Who dies inside lets go with its connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock])
        [mine] = cursor.fetchone()
    try:
        yield mine
    finally:
        if mine:
            # A connection that broke meanwhile has let go already.
            with suppress(DatabaseError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])
