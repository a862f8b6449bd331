"""What monitoring is told: the truth of the database and of Redis, to nobody else, and at a bounded cost."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from pytest_django import DjangoAssertNumQueries, Settings
from redis.exceptions import ConnectionError as RedisAway

from ledger import audit
from ledger.models import AuditRun
from neoapex import environment, metrics
from studio import counters, transitions
from studio.fal import breaker
from studio.fal.errors import KeyRefused
from studio.models import Generation, User
from studio.redis_server import connection as redis
from studio.states import GenerationState as State
from tests import factories
from tests.neoapex.shapes import assert_structured
from webhooks.models import Delivery

DOCS = Path(__file__).resolve().parents[2] / "docs" / "observability"
TOKEN = "a-long-random-text-for-monitoring"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_counted_and_nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    redis().delete(counters.KEY)
    monkeypatch.setattr(metrics, "kept", metrics._Kept())
    yield
    redis().delete(counters.KEY)


def read(client: Client, *, fresh: bool = True) -> list[Sample]:
    if fresh:
        metrics.kept._made_at = -metrics.KEPT_SECONDS
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.content.decode())
    return [sample for family in families for sample in family.samples]


def value(samples: list[Sample], name: str, **labels: str) -> float | None:
    found = [sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()]
    assert len(found) <= 1, found
    return found[0] if found else None


def ends(generation: Generation, to: State, **fields: Any) -> None:
    transitions.advance(generation, to, **fields)


def test_songs_are_counted_by_endpoint_and_outcome_with_their_time_and_cost(
    stranger: Client, ada: User, django_capture_on_commit_callbacks: Any
) -> None:
    asked_at = timezone.now() - timedelta(seconds=45)
    saved = factories.make_generation(person=ada, state=State.INGESTING, created_at=asked_at)
    refused = factories.make_generation(person=ada, state=State.RUNNING, created_at=asked_at)
    unlucky = factories.make_generation(person=ada, created_at=asked_at)
    with django_capture_on_commit_callbacks(execute=True):
        ends(saved, State.READY)
        ends(refused, State.FAILED, reason_whose="fal", reason_code="content_policy_violation")
        ends(unlucky, State.CANCELLED, reason_whose="you", reason_code="cancelled")
    told = read(stranger)
    for outcome in ("ready", "failed_fal", "cancelled"):
        labels = {"endpoint": "text-to-music", "outcome": outcome}
        assert value(told, "neoapex_generations_finished_total", **labels) == 1
        assert value(told, "neoapex_generation_seconds_count", **labels) == 1
        assert value(told, "neoapex_generation_seconds_bucket", **labels, le="30") == 0
        assert value(told, "neoapex_generation_seconds_bucket", **labels, le="60") == 1
        assert value(told, "neoapex_generation_seconds_bucket", **labels, le="+Inf") == 1
        assert 45 <= (value(told, "neoapex_generation_seconds_sum", **labels) or 0) < 60
        cost = 0.075 if outcome == "ready" else 0
        assert value(told, "neoapex_charged_dollars_total", **labels) == pytest.approx(cost)


def test_what_is_rolled_back_is_not_counted(stranger: Client, ada: User) -> None:
    # Within the test's own transaction nothing is ever committed.
    ends(factories.make_generation(person=ada, state=State.INGESTING), State.READY)
    assert value(read(stranger), "neoapex_generations_finished_total") is None


def test_line_slots_and_masters_are_those_of_the_database(stranger: Client, ada: User, settings: Settings) -> None:
    settings.NEOAPEX_FAL_SLOTS = 3
    factories.make_generation(person=ada, created_at=timezone.now() - timedelta(minutes=10))
    factories.make_generation(person=ada)
    factories.make_generation(person=ada, state=State.RUNNING)
    saving = factories.make_generation(person=ada, state=State.INGESTING, recipe={"num_songs": 2})
    factories.make_track(saving, state="PENDING", alarm="the bucket is away", dead_at=timezone.now())
    factories.make_track(saving, state="PENDING", variation=1)
    told = read(stranger)
    states = {state: value(told, "neoapex_generations", state=state) for state in ("QUEUED", "RUNNING", "LOST")}
    assert states == {"QUEUED": 2, "RUNNING": 1, "LOST": 0}
    assert (value(told, "neoapex_slots", state="used"), value(told, "neoapex_slots", state="free")) == (1, 2)
    assert 600 <= (value(told, "neoapex_queue_oldest_seconds") or 0) < 660
    masters = {state: value(told, "neoapex_masters", state=state) for state in ("pending", "in_doubt", "dead")}
    assert masters == {"pending": 2, "in_doubt": 1, "dead": 1}


def test_callbacks_that_wait_or_are_flagged_are_told(stranger: Client, ada: User) -> None:
    for number, flag in enumerate(["", "DEAD"]):
        Delivery.objects.create(
            generation_id="11111111-1111-4111-8111-111111111111", request_id=f"r{number}", body=b"{}",
            body_sha256=str(number), flag=flag, received_at=timezone.now() - timedelta(seconds=90),
            processed_at=timezone.now() if flag else None,
        )  # fmt: skip
    told = read(stranger)
    assert value(told, "neoapex_webhook_waiting") == 1
    assert 90 <= (value(told, "neoapex_webhook_oldest_seconds") or 0) < 150
    assert value(told, "neoapex_webhook_flagged", flag="dead") == 1
    assert value(told, "neoapex_webhook_flagged", flag="foreign_request") == 0


def test_a_drift_of_the_books_is_told_from_the_last_audit_that_ended(stranger: Client, db: None) -> None:
    assert value(read(stranger), "neoapex_ledger_audit_age_seconds") == -1
    audit.run()
    told = read(stranger)
    assert value(told, "neoapex_ledger_drifts") == 0
    assert 0 <= (value(told, "neoapex_ledger_audit_age_seconds") or 0) < 60
    AuditRun.objects.create(finished_at=timezone.now(), drifts=[{"rule": "x"}] * 3)
    AuditRun.objects.create()
    assert value(read(stranger), "neoapex_ledger_drifts") == 3


def test_the_breaker_has_one_state_at_a_time(stranger: Client) -> None:
    def states() -> dict[str, float]:
        told = read(stranger)
        return {
            state: value(told, "neoapex_breaker_state", state=state) or 0 for state in ("closed", "half-open", "open")
        }

    assert states() == {"closed": 1, "half-open": 0, "open": 0}
    breaker.note(KeyRefused(provider_failed=True))
    assert states() == {"closed": 0, "half-open": 0, "open": 1}


def test_a_part_that_is_away_is_said_to_be_and_the_other_is_told(
    stranger: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("gone")

    with connection.execute_wrapper(away):
        told = read(stranger)
    assert value(told, "neoapex_part_up", part="database") == 0
    assert value(told, "neoapex_part_up", part="redis") == 1
    assert value(told, "neoapex_breaker_state", state="closed") == 1

    def no_redis() -> None:
        raise RedisAway

    monkeypatch.setattr(counters, "connection", no_redis)
    told = read(stranger)
    assert value(told, "neoapex_part_up", part="redis") == 0
    assert value(told, "neoapex_slots", state="used") == 0


def test_a_song_ends_all_the_same_where_nothing_can_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_redis() -> None:
        raise RedisAway

    monkeypatch.setattr(counters, "connection", no_redis)
    counters._count("generation", ("text-to-music", "ready"), 1.0, 75_000)


def test_an_endpoint_that_is_offered_no_longer_makes_no_label_of_its_own(stranger: Client) -> None:
    for name in ("text-to-music", "left-the-list"):
        counters._count("generation", (name, "ready"), 5000.0, 1)
    told = read(stranger)
    assert value(told, "neoapex_generations_finished_total", endpoint="other") == 1
    assert not [sample for sample in told if "left-the-list" in sample.labels.values()]
    assert value(told, "neoapex_generation_seconds_bucket", endpoint="other", le="3600") == 0
    assert value(told, "neoapex_generation_seconds_bucket", endpoint="other", le="+Inf") == 1


def test_a_scrape_costs_a_few_queries_whatever_there_is_and_nothing_within_seconds(
    stranger: Client, ada: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        factories.make_song(person=ada)
    with django_assert_max_num_queries(13):
        first = read(stranger)
    with django_assert_max_num_queries(0):
        assert read(stranger, fresh=False) == first


# --- Who may look ----------------------------------------------------------------------------------------------------


@pytest.fixture
def production(settings: Settings) -> Settings:
    settings.EMBEDDED = False
    settings.NEOAPEX_METRICS_TOKEN = ""
    settings.NEOAPEX_METRICS_NETWORKS = []
    return settings


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}", f"Basic {TOKEN}", "Bearer x"])
def test_in_production_nobody_is_told_unless_it_was_set_up(production: Settings, stranger: Client, sent: str) -> None:
    answer = stranger.get("/metrics", headers={"Authorization": sent})
    assert_structured(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("sent", "status"),
    [(f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), (f"Bearer {TOKEN}x", 401), (f"Basic {TOKEN}", 401),
     ("Bearer ", 401), ("", 401), ("Bearer \xff", 401)],
)  # fmt: skip
def test_in_production_the_token_opens(production: Settings, stranger: Client, sent: str, status: int) -> None:
    production.NEOAPEX_METRICS_TOKEN = TOKEN
    assert stranger.get("/metrics", headers={"Authorization": sent}).status_code == status


def test_an_admin_is_no_monitoring(production: Settings, browser: Client, ada: User) -> None:
    production.NEOAPEX_METRICS_TOKEN = TOKEN
    User.objects.filter(pk=ada.pk).update(is_staff=True, is_superuser=True)
    assert browser.get("/metrics").status_code == 401


@pytest.mark.parametrize(("address", "status"), [("10.1.2.3", 200), ("fd00::1", 200), ("192.0.2.7", 401)])
def test_in_production_a_network_of_ones_own_may_look(
    production: Settings, stranger: Client, monkeypatch: pytest.MonkeyPatch, address: str, status: int
) -> None:
    monkeypatch.setenv("NEOAPEX_METRICS_NETWORKS", "10.0.0.0/8, fd00::/8")
    production.NEOAPEX_METRICS_NETWORKS = environment.networks("NEOAPEX_METRICS_NETWORKS", "")
    assert stranger.get("/metrics", REMOTE_ADDR=address).status_code == status


def test_a_network_that_is_none_stops_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOAPEX_METRICS_NETWORKS", "10.0.0.1/8")
    with pytest.raises(ImproperlyConfigured, match="NEOAPEX_METRICS_NETWORKS"):
        environment.networks("NEOAPEX_METRICS_NETWORKS", "")


# --- The dashboard and the alerts ------------------------------------------------------------------------------------

WORD = re.compile(r"\bneoapex_\w+")
MATCHER = re.compile(r"(neoapex_\w+)\{([^}]*)\}")
LABEL = re.compile(r'(\w+)\s*=~?\s*"([^"]*)"')


def expressions() -> Iterator[tuple[str, str]]:
    dashboard = json.loads((DOCS / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for group in yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def test_every_metric_and_label_that_dashboard_and_alerts_name_exists(stranger: Client) -> None:
    for outcome in ("ready", "failed_fal", "failed_us"):
        counters._count("generation", ("text-to-music", outcome), 5.0, 75_000)
    counters._count("webhook", ("processed",), 0.1, 0)
    told = read(stranger)
    known = {sample.name for sample in told}
    named = set()
    for title, expression in expressions():
        named |= set(WORD.findall(expression))
        assert set(WORD.findall(expression)) <= known, title
        for name, matchers in MATCHER.findall(expression):
            for label, wanted in LABEL.findall(matchers):
                values = {sample.labels.get(label, "") for sample in told if sample.name == name}
                assert any(re.fullmatch(wanted, one) for one in values), (title, label, wanted)
    assert named >= {"neoapex_ledger_drifts", "neoapex_breaker_state", "neoapex_masters", "neoapex_slots"}


def test_the_dashboard_shows_whatever_is_measured(stranger: Client) -> None:
    counters._count("generation", ("text-to-music", "ready"), 5.0, 75_000)
    counters._count("webhook", ("processed",), 0.1, 0)
    shown = {name.removesuffix("_bucket") for _, expression in expressions() for name in WORD.findall(expression)}
    parts = ("_bucket", "_count", "_sum", "_created")
    told = {re.sub(rf"({'|'.join(parts)})$", "", sample.name) for sample in read(stranger)}
    assert told == shown


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    [group] = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names) > 12
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["description"].endswith((".", "?"))


def test_every_panel_has_a_place_of_its_own() -> None:
    panels = json.loads((DOCS / "dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
