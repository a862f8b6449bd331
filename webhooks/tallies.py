"""Counts what came to the door and left no delivery, so that a flood costs a row and a line every few seconds.

A refusal must write nothing: each process counts in memory, and one thread writes the sums.
"""

import logging
import threading
import time
from collections import Counter
from functools import cache

from django.db import DatabaseError, connection

from webhooks.models import Outcome

logger = logging.getLogger(__name__)

WRITE_EVERY_SECONDS = 5
KEPT_DAYS = 30

_ADD = """
    INSERT INTO webhooks_tally (hour, outcome, count)
    SELECT date_trunc('hour', now(), 'UTC'), outcome, count
    FROM unnest(%s::text[], %s::bigint[]) AS new (outcome, count)
    ON CONFLICT (hour, outcome) DO UPDATE SET count = webhooks_tally.count + excluded.count
"""
_FORGET = "DELETE FROM webhooks_tally WHERE hour < now() - make_interval(days => %s)"


class Tallies:
    """The counts of this process that are not written yet: one number for each outcome, whatever comes."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._any = threading.Event()

    def add(self, outcome: Outcome) -> None:
        with self._lock:
            self._counts[outcome.value] += 1
        self._any.set()

    def start(self) -> None:
        threading.Thread(target=self._run, name="tallies", daemon=True).start()

    def write(self) -> None:
        """Write the sums. Where the database is away they stay, for the next time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            _write(counts)
        except DatabaseError:
            with self._lock:
                self._counts += counts
            self._any.set()
            raise
        if refused := {name: count for name, count in sorted(counts.items()) if name != Outcome.REPEAT}:
            logger.warning("callbacks refused", extra={"outcomes": refused})

    def _run(self) -> None:
        while True:
            self._any.wait()
            self._any.clear()
            try:
                self.write()
            except Exception as error:  # noqa: BLE001 - the thread is the only one, and must outlive the database
                logger.warning("tallies not written", extra={"error": type(error).__name__})
            finally:
                connection.close()
            time.sleep(WRITE_EVERY_SECONDS)


def _write(counts: Counter[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [list(counts), list(counts.values())])
        cursor.execute(_FORGET, [KEPT_DAYS])


@cache
def _of_this_process() -> Tallies:
    tallies = Tallies()
    tallies.start()
    return tallies


def add(outcome: Outcome) -> None:
    _of_this_process().add(outcome)
