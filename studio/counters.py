"""Counts of what has come to an end, in Redis: any number of processes add to them, and monitoring reads one truth.

They are for graphs and alerts and decide nothing. A Redis that was emptied begins again at nought, which monitoring
takes for what it is; the books are in the database.
"""

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from django.db import transaction
from redis.exceptions import RedisError

from studio.redis_server import connection

logger = logging.getLogger(__name__)

KEY: Final = "neoapex:counters"
# The upper bounds in seconds. What lies beyond the last is counted as well.
BUCKETS: Final[Mapping[str, tuple[float, ...]]] = {
    "generation": (5, 10, 20, 30, 60, 90, 120, 180, 300, 600, 1800, 3600),
    "webhook": (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300),
}


@dataclass(slots=True)
class Series:
    """What was counted under one set of labels: how many took how long, and what it came to."""

    labels: tuple[str, ...]
    counts: Counter[int] = field(default_factory=Counter)
    milliseconds: int = 0
    micros: int = 0

    def cumulated(self, bounds: tuple[float, ...]) -> list[tuple[str, int]]:
        """Prometheus' buckets: each counts what is in those below it as well."""
        names = [*(f"{bound:g}" for bound in bounds), "+Inf"]
        return [(name, sum(self.counts[below] for below in range(place + 1))) for place, name in enumerate(names)]


def count_on_commit(family: str, *labels: str, seconds: float, micros: int = 0) -> None:
    """Count one more, once the transaction around is committed. The labels are words of ours, few and known."""
    transaction.on_commit(partial(_count, family, labels, seconds, micros), robust=True)


def _count(family: str, labels: tuple[str, ...], seconds: float, micros: int) -> None:
    name = "|".join((family, *labels))
    try:
        with connection().pipeline(transaction=False) as pipeline:
            pipeline.hincrby(KEY, f"{name}|in|{bisect_left(BUCKETS[family], seconds)}", 1)
            pipeline.hincrby(KEY, f"{name}|milliseconds", max(0, round(seconds * 1000)))
            if micros:
                pipeline.hincrby(KEY, f"{name}|micros", micros)
            pipeline.execute()
    except RedisError:
        logger.warning("not counted", extra={"family": family})


def read() -> Mapping[str, list[Series]]:
    """Everything counted so far, by family. :raises RedisError: it is away."""
    found: dict[tuple[str, ...], Series] = {}
    for name, value in _fields():
        family, *rest = name
        if family not in BUCKETS:
            continue
        labels = tuple(rest[: rest.index("in")] if "in" in rest else rest[:-1])
        series = found.setdefault((family, *labels), Series(labels))
        match rest[-1]:
            case "milliseconds":
                series.milliseconds = value
            case "micros":
                series.micros = value
            case place:
                series.counts[int(place)] = value
    return {family: [series for key, series in sorted(found.items()) if key[0] == family] for family in BUCKETS}


def _fields() -> Iterator[tuple[list[str], int]]:
    held: Mapping[bytes, bytes] = connection().hgetall(KEY)  # type: ignore[assignment]
    for name, value in held.items():
        yield name.decode().split("|"), int(value)
