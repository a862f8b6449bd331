"""What monitoring is told, read from the database and Redis at the time: every web process tells the same.

The labels are words of ours, few and known; nothing that a person or fal wrote becomes one.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Count, Min, Q
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from ledger import audit, months
from ledger.dollars import MICROS_PER_DOLLAR
from ledger.models import Budget, BudgetKind
from studio import counters
from studio.endpoints import ENDPOINTS
from studio.fal import breaker
from studio.models import Generation, Message, Track
from studio.states import GenerationState as State
from studio.states import MessageState
from webhooks import health
from webhooks.models import Flag, Outcome

logger = logging.getLogger(__name__)

# A scrape that takes longer than this says so instead: it must never be what slows the studio down.
TIMEOUT_MS = 2000
OPEN = (State.QUEUED, State.SUBMITTED, State.RUNNING, State.LOST, State.INGESTING)
BREAKER_STATES = ("closed", "half-open", "open")
# From an endpoint that is offered no longer, or a word that a newer version writes.
OTHER = "other"

Metrics = Iterator[Metric]


class Studio(Collector):
    """Collects on each scrape, and says of each part whether it answered."""

    def collect(self) -> Metrics:
        started = time.monotonic()
        up = GaugeMetricFamily("neoapex_part_up", "Whether the part could be read for this scrape.", labels=["part"])
        parts: dict[str, tuple[Callable[[], list[Metric]], type[Exception]]] = {
            "database": (_of_database, DatabaseError),
            "redis": (_of_redis, RedisError),
        }
        for part, (read, failure) in parts.items():
            try:
                found = read()
            except failure as error:
                logger.warning("not measured", extra={"part": part, "error": type(error).__name__})
                found = []
            up.add_metric([part], float(bool(found)))
            yield from found
        yield up
        seconds = time.monotonic() - started
        yield GaugeMetricFamily("neoapex_metrics_seconds", "How long it took to read all this.", value=seconds)


# --- From the database -----------------------------------------------------------------------------------------------


def _of_database() -> list[Metric]:
    with _hurried():
        return [*_line(), *_tracks(), *_webhooks(), *_messages(), *_books()]


@contextmanager
def _hurried() -> Iterator[None]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
        yield


def _line() -> Metrics:
    rows = Generation.objects.filter(state__in=OPEN).order_by().values_list("state").annotate(Count("pk"))
    counts: dict[str, int] = dict(rows)
    states = GaugeMetricFamily("neoapex_generations", "Generations that are not finished, by state.", labels=["state"])
    for state in OPEN:
        states.add_metric([state.value], counts.get(state.value, 0))
    yield states
    used = counts.get(State.SUBMITTED, 0) + counts.get(State.RUNNING, 0)
    slots = GaugeMetricFamily("neoapex_slots", "Places at fal, by whether they are taken.", labels=["state"])
    slots.add_metric(["used"], used)
    slots.add_metric(["free"], max(0, settings.NEOAPEX_FAL_SLOTS - used))
    yield slots
    oldest = Generation.objects.waiting().aggregate(oldest=Min("created_at"))["oldest"]
    yield GaugeMetricFamily(
        "neoapex_queue_oldest_seconds", "How long the first in line has waited.", value=_age_seconds(oldest)
    )


def _tracks() -> Metrics:
    pending = Track.objects.filter(state="PENDING").aggregate(
        pending=Count("pk"),
        in_doubt=Count("pk", filter=~Q(alarm="")),
        dead=Count("pk", filter=Q(dead_at__isnull=False)),
    )
    tracks = GaugeMetricFamily(
        "neoapex_masters",
        "Masters that are not saved yet, those of them with something in the way, and those that wait for a person.",
        labels=["state"],
    )
    for state, count in pending.items():
        tracks.add_metric([state], count)
    yield tracks


def _webhooks() -> Metrics:
    waiting = health.waiting()
    yield GaugeMetricFamily("neoapex_webhook_waiting", "Deliveries that are not processed yet.", value=waiting.count)
    yield GaugeMetricFamily(
        "neoapex_webhook_oldest_seconds", "How long the first of them has waited.", value=_age_seconds(waiting.since)
    )
    flags = GaugeMetricFamily("neoapex_webhook_flagged", "Deliveries that need a person's eye.", labels=["flag"])
    found = health.flagged()
    for flag in Flag:
        flags.add_metric([flag.value.lower()], found.get(flag, 0))
    yield flags
    refused = GaugeMetricFamily(
        "neoapex_webhook_refused_last_day", "Callbacks that left no delivery, over 24 hours.", labels=["outcome"]
    )
    tallies = health.tallies(timezone.now() - timedelta(hours=health.HOURS))
    for outcome in Outcome:
        count = sum(count for (_hour, which), count in tallies.items() if which == outcome)
        refused.add_metric([outcome.value.lower()], count)
    yield refused


def _messages() -> Metrics:
    waiting = Message.objects.filter(state=MessageState.WAITING).aggregate(count=Count("pk"), oldest=Min("created_at"))
    yield GaugeMetricFamily(
        "neoapex_message_waiting", "Messages that no receiver has taken yet.", value=waiting["count"]
    )
    yield GaugeMetricFamily(
        "neoapex_message_oldest_seconds",
        "How long the first of them has waited.",
        value=_age_seconds(waiting["oldest"]),
    )


def _books() -> Metrics:
    last = audit.last()
    yield GaugeMetricFamily(
        "neoapex_ledger_drifts", "What the last audit found wrong.", value=len(last.drifts) if last else 0
    )
    yield GaugeMetricFamily(
        "neoapex_ledger_audit_age_seconds",
        "Since the last audit came to its end; -1 where there was none.",
        value=_age_seconds(last.finished_at) if last else -1,
    )
    house = Budget.objects.filter(kind=BudgetKind.HOUSE, month=months.month_of()).first()
    yield GaugeMetricFamily(
        "neoapex_house_spent_dollars",
        "What the organisation itself paid for this month.",
        value=house.spent_micros / MICROS_PER_DOLLAR if house else 0,
    )


def _age_seconds(since: datetime | None) -> float:
    return 0 if since is None else max(0.0, (timezone.now() - since).total_seconds())


# --- From Redis ------------------------------------------------------------------------------------------------------


def _of_redis() -> list[Metric]:
    counted = counters.read()
    return [*_outcomes(counted["generation"]), *_lags(counted["webhook"]), *_breaker()]


def _outcomes(counted: list[counters.Series]) -> Metrics:
    labels = ["endpoint", "outcome"]
    total = CounterMetricFamily("neoapex_generations_finished", "Generations that ended, by how.", labels=labels)
    cost = CounterMetricFamily("neoapex_charged_dollars", "What people were charged for them.", labels=labels)
    seconds = HistogramMetricFamily(
        "neoapex_generation_seconds", "From asking for a song to its outcome.", labels=labels
    )
    for series in counted:
        endpoint, outcome = series.labels
        names = [endpoint if endpoint in ENDPOINTS else OTHER, outcome]
        total.add_metric(names, series.counts.total())
        cost.add_metric(names, series.micros / MICROS_PER_DOLLAR)
        seconds.add_metric(names, series.cumulated(counters.BUCKETS["generation"]), series.milliseconds / 1000)
    yield from (total, cost, seconds)


def _lags(counted: list[counters.Series]) -> Metrics:
    lags = HistogramMetricFamily(
        "neoapex_webhook_lag_seconds", "From receiving a delivery to having processed it.", labels=["outcome"]
    )
    for series in counted:
        lags.add_metric(series.labels, series.cumulated(counters.BUCKETS["webhook"]), series.milliseconds / 1000)
    yield lags


def _breaker() -> Metrics:
    now = breaker.reach().state
    states = GaugeMetricFamily(
        "neoapex_breaker_state", "1 for the state that the breaker to fal is in.", labels=["state"]
    )
    for state in BREAKER_STATES:
        states.add_metric([state], float(state == now))
    yield states
