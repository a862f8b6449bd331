"""How callbacks fare, read from what is there: deliveries, tallies, and songs that no callback settled."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Exists, Min, OuterRef, QuerySet
from django.db.models.functions import TruncHour
from django.utils import timezone

from studio.models import Generation
from studio.states import GenerationState as State
from webhooks import addresses, signatures
from webhooks.models import Delivery, Flag, Outcome, Tally
from webhooks.published import Published

HOURS = 24
SWEPT_SHOWN = 10
SWEPT_COUNTED = 1000

# A replay's time says nothing of how long callbacks take.
_LAG = """
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY lag), max(lag) FROM (
        SELECT extract(epoch FROM processed_at - received_at)::float8 AS lag FROM webhooks_delivery
        WHERE received_at >= %s AND processed_at IS NOT NULL AND replayed_at IS NULL AND flag = ''
    ) AS lags
"""


@dataclass(frozen=True, slots=True)
class Hour:
    begins_at: datetime
    deliveries: int
    repeats: int
    refused: int


@dataclass(frozen=True, slots=True)
class Lag:
    """Seconds from received to processed."""

    median_seconds: float
    worst_seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """Deliveries that are still to be processed."""

    count: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """What this process has fetched of a list of fal's; without a time it had no need of it yet."""

    count: int
    fetched_at: datetime | None


@dataclass(frozen=True, slots=True)
class Health:
    last: Delivery | None
    hours: Sequence[Hour]
    lag: Lag | None
    waiting: Waiting
    flagged: Mapping[Flag, int]
    refused: Mapping[Outcome, int]
    swept: Sequence[Generation]
    swept_count: int
    keys: Known | None
    addresses: Known | None

    @property
    def deliveries(self) -> int:
        return sum(hour.deliveries for hour in self.hours)

    @property
    def repeats(self) -> int:
        return sum(hour.repeats for hour in self.hours)

    @property
    def refused_count(self) -> int:
        return sum(self.refused.values())

    @property
    def dead(self) -> int:
        return self.flagged.get(Flag.DEAD, 0)


def read() -> Health:
    """The last day, but for what is flagged or waiting: that counts until somebody has dealt with it."""
    begin = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    counted = tallies(begin)
    swept = _swept(begin)
    refused: Counter[Outcome] = Counter()
    for (_hour, outcome), count in counted.items():
        if outcome != Outcome.REPEAT:
            refused[outcome] += count
    return Health(
        last=Delivery.objects.order_by("-pk").defer("body").first(),
        hours=_hours(begin, counted),
        lag=_lag(begin),
        waiting=waiting(),
        flagged=flagged(),
        refused=dict(refused.most_common()),
        swept=list(swept[:SWEPT_SHOWN]),
        swept_count=swept[:SWEPT_COUNTED].count(),
        keys=_known(signatures.key_ring()) if settings.NEOAPEX_WEBHOOK_SCHEME == "ed25519" else None,
        addresses=_known(addresses.ranges()) if settings.NEOAPEX_WEBHOOK_ADDRESSES == "fal" else None,
    )


def tallies(begin: datetime) -> dict[tuple[datetime, Outcome], int]:
    rows = Tally.objects.filter(hour__gte=begin).values_list("hour", "outcome", "count")
    return {(hour, Outcome(outcome)): count for hour, outcome, count in rows}


def _hours(begin: datetime, tallies: Mapping[tuple[datetime, Outcome], int]) -> list[Hour]:
    recent = Delivery.objects.filter(received_at__gte=begin).annotate(hour=TruncHour("received_at"))
    deliveries = dict(recent.values("hour").annotate(count=Count("pk")).values_list("hour", "count"))
    refused: Counter[datetime] = Counter()
    for (hour, outcome), count in tallies.items():
        refused[hour] += count if outcome != Outcome.REPEAT else 0
    return [
        Hour(at, deliveries.get(at, 0), tallies.get((at, Outcome.REPEAT), 0), refused[at])
        for at in (begin + timedelta(hours=number) for number in range(HOURS))
    ]


def _lag(begin: datetime) -> Lag | None:
    with connection.cursor() as cursor:
        cursor.execute(_LAG, [begin])
        [(median, worst)] = cursor.fetchall()
    return None if median is None else Lag(median, worst)


def waiting() -> Waiting:
    told = Delivery.objects.filter(processed_at=None).aggregate(count=Count("pk"), since=Min("received_at"))
    return Waiting(told["count"], told["since"])


def flagged() -> dict[Flag, int]:
    rows = Delivery.objects.exclude(flag="").values("flag").annotate(count=Count("pk"))
    return {Flag(flag): count for flag, count in rows.order_by("flag").values_list("flag", "count")}


def _swept(begin: datetime) -> QuerySet[Generation]:
    """Songs that fal took and that came to an outcome, without a delivery of theirs that was processed."""
    counted = Delivery.objects.filter(generation_id=OuterRef("pk"), processed_at__isnull=False, flag="")
    ended = (State.INGESTING, State.READY, State.FAILED)
    taken = Generation.objects.filter(created_at__gte=begin, request_id__isnull=False, state__in=ended)
    return taken.filter(~Exists(counted)).order_by("-created_at")


def _known(published: Published[Any]) -> Known:
    seconds = published.age_seconds()
    return Known(published.count(), None if seconds is None else timezone.now() - timedelta(seconds=seconds))
