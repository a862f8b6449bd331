"""The doctor finds a studio that is well to be well, and names each fault with what to do about it."""

import io
import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django import Settings

from neoapex.doctor import asking, callbacks, fal, house, keeping
from neoapex.doctor.examination import CHECKS, examine
from neoapex.doctor.findings import State, Verdict, advice, ok
from studio import redis_server
from studio.fal import client
from studio.media import lifecycle
from studio.models import Generation
from tests import factories
from tests.fal.server import FalServer
from tests.glacier import GlacierBucket
from tests.simulator.server import RunningSimulator
from webhooks.models import Delivery, Outcome, Tally

OK, ADVICE, WRONG = State.OK, State.ADVICE, State.WRONG


def said(verdicts: Sequence[Verdict], state: State, *words: str) -> None:
    """One of them says so, and says what to do."""
    text = [f"{verdict.message} → {verdict.remedy}" for verdict in verdicts if verdict.state is state]
    assert any(all(word in line for word in words) for line in text), verdicts
    assert all(verdict.remedy for verdict in verdicts if verdict.state is not OK)


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("doctor", *arguments, stdout=out)
    except SystemExit as stopped:
        return int(str(stopped.code)), out.getvalue()
    return 0, out.getvalue()


# --- The command -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_studio_that_is_well_is_found_to_be_well(well: RunningSimulator) -> None:
    code, text = run()
    assert code == 0, text
    assert text.endswith("All is well.\n")
    assert "WRONG" not in text
    assert {line[8:].split("  ")[0] for line in text.splitlines()[:-1] if line[0] != " "} == CHECKS.keys()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_what_is_wrong_ends_with_one_and_is_there_for_programs(well: RunningSimulator) -> None:
    well.call("PUT", "/_sim/prices", json={"sonauto/v2/inpaint": {"unit_price": 0.08}})
    well.call("PUT", "/_sim/models", json={"sonauto/v2/extend": {"status": "deprecated"}})
    code, text = run("--json")
    told = json.loads(text)
    wrong = {finding["check"]: finding for finding in told["findings"] if finding["state"] == "wrong"}
    assert (code, told["wrong"], set(wrong)) == (1, 2, {"prices", "endpoints"})
    assert all(finding["message"] and finding["remedy"] for finding in wrong.values())
    code, text = run()
    assert code == 1
    assert "sonauto/v2/inpaint costs $0.08 at fal and $0.075 here." in text
    assert text.count("→ ") == 2


@pytest.mark.django_db(transaction=True)
def test_neither_the_key_nor_a_signed_link_is_ever_printed(well: RunningSimulator, settings: Settings) -> None:
    settings.FAL_KEY = "secret-id:secret-part"
    settings.AWS_SECRET_ACCESS_KEY = "test"
    client.from_settings.cache_clear()
    _, text = run("--json")
    assert "secret-" not in text
    assert "X-Amz-" not in text
    assert "fal refuses the key" in text


@pytest.mark.django_db(transaction=True)
def test_a_check_that_never_ends_holds_up_nobody() -> None:
    released = threading.Event()

    def hangs() -> Sequence[Verdict]:
        released.wait(30)
        return [ok("at last")]

    began = time.monotonic()
    findings = examine({"slow": hangs, "quick": lambda: [advice("quick", "do it")]}, seconds=0.3)
    released.set()
    assert time.monotonic() - began < 5
    assert [(finding.check, finding.state) for finding in findings] == [("slow", WRONG), ("quick", ADVICE)]
    assert "No answer" in findings[0].message


@pytest.mark.django_db(transaction=True)
def test_without_a_database_the_rest_is_still_told() -> None:
    def broken() -> Sequence[Verdict]:
        raise OperationalError

    findings = examine({"slots": broken, "keys": lambda: [ok("there")]})
    assert [(finding.check, finding.state) for finding in findings] == [("slots", WRONG), ("keys", OK)]


# --- fal -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mood", "state", "words"),
    [
        ({"answer_status": 401}, WRONG, ("refuses the key", "FAL_KEY_FILE")),
        ({"answer_status": 403}, WRONG, ("locked", "Top up")),
        ({"answer_status": 429}, ADVICE, ("too often", "minute")),
        ({"answer_status": 500}, WRONG, ("answers 500", "status page")),
        ({"answer_status": 502, "nginx": True}, WRONG, ("answers 502", "NEOAPEX_FAL_API_URL")),
        ({"drop": "before"}, WRONG, ("can't be used", "firewall")),
    ],
)
@pytest.mark.parametrize("check", [fal.key, fal.offered, fal.prices])
def test_what_fal_refuses_is_named(
    sim: RunningSimulator, check: Callable[[], Sequence[Verdict]], mood: dict[str, Any], state: State, words: list[str]
) -> None:
    sim.set_mood(call="platform", **mood)
    said(check(), state, *words)


def test_a_wrong_key_is_found_and_so_is_one_that_can_t_be_right(sim: RunningSimulator, settings: Settings) -> None:
    said(fal.key(), OK)
    for key, words in (("an:other", "refuses"), ("two words", "spaces"), ("", "no FAL_KEY")):
        settings.FAL_KEY = key
        client.from_settings.cache_clear()
        said(fal.key(), WRONG, words, "FAL_KEY")


def test_the_key_that_makes_songs_is_the_one_that_is_tried(sim: RunningSimulator, settings: Settings) -> None:
    """A good admin key must not stand in for it."""
    settings.FAL_KEY = "an:other"
    client.from_settings.cache_clear()
    said(fal.key(), WRONG, "refuses")
    said(fal.bill(), OK)


def test_a_bill_that_the_key_may_not_see_is_told(sim: RunningSimulator, settings: Settings) -> None:
    settings.FAL_ADMIN_KEY = ""
    client.from_settings.cache_clear()
    said(fal.bill(), ADVICE, "reconcile_fal", "FAL_ADMIN_KEY")
    settings.FAL_ADMIN_KEY = sim.key
    client.from_settings.cache_clear()
    said(fal.bill(), WRONG, "not even to FAL_ADMIN_KEY", "ADMIN scope")
    sim.set_mood(call="platform", answer_status=503)
    said(fal.bill(), ADVICE, "just now")
    settings.FAL_ADMIN_KEY = "an:other"
    client.from_settings.cache_clear()
    said(fal.bill(), WRONG, "refuses FAL_ADMIN_KEY")


def test_endpoints_that_end_or_are_gone_are_named(sim: RunningSimulator) -> None:
    told = {"sonauto/v2/inpaint": {"status": "deprecated"}, "sonauto/v2/extend": None}
    sim.call("PUT", "/_sim/models", json=told)
    verdicts = fal.offered()
    assert [verdict.state for verdict in verdicts] == [OK, WRONG, WRONG]
    said(verdicts, WRONG, "sonauto/v2/inpaint is deprecated", "its page")
    said(verdicts, WRONG, "sonauto/v2/extend is gone", "studio/endpoints.py")
    sim.call("PUT", "/_sim/models", json={"sonauto/v2/inpaint": {"status": "resting"}})
    said(fal.offered(), ADVICE, "resting")
    sim.set_mood(call="platform", empty=True)
    assert [verdict.state for verdict in fal.offered()] == [WRONG] * 3


def test_a_price_that_moved_is_named_with_both(sim: RunningSimulator) -> None:
    sim.call("PUT", "/_sim/prices", json={"sonauto/v2/extend": {"unit_price": 0.1}, "sonauto/v2/inpaint": None})
    verdicts = fal.prices()
    said(verdicts, WRONG, "sonauto/v2/extend costs $0.10 at fal and $0.075 here", "studio/endpoints.py")
    said(verdicts, WRONG, "does not name sonauto/v2/inpaint")
    sim.call("PUT", "/_sim/prices", json={"sonauto/v2/extend": {"unit_price": "?"}})
    said(fal.prices(), WRONG, "can't be read")


@pytest.mark.django_db
def test_an_account_is_to_be_pinned_and_to_be_the_right_one(sim: RunningSimulator, settings: Settings) -> None:
    said(fal.account(), OK, "0 of others")
    Tally.objects.create(hour=timezone.now(), outcome=Outcome.ACCOUNT, count=3)
    said(fal.account(), WRONG, "last day, 3", "Compare")
    Delivery.objects.create(generation_id=uuid4(), request_id="r", pinned=True, body=b"{}", body_sha256="0" * 64)
    said(fal.account(), OK, "3 of others")
    settings.NEOAPEX_FAL_USER_ID = ""
    said(fal.account(), ADVICE, "NEOAPEX_FAL_USER_ID", "X-Fal-Webhook-User-Id")


# --- Callbacks -------------------------------------------------------------------------------------------------------


def test_keys_that_can_t_be_had_are_named(sim: RunningSimulator, settings: Settings) -> None:
    said(callbacks.keys(), OK, "1 key")
    for mood, words in (
        ({"answer_status": 503}, ("answers 503", "NEOAPEX_FAL_JWKS_URL")),
        ({"empty": True}, ("no key that can be used", "503")),
        ({"drop": "before"}, ("connection fails", "firewall")),
    ):
        sim.set_mood(call="jwks", **mood)
        said(callbacks.keys(), WRONG, *words)
    settings.NEOAPEX_FAL_JWKS_URL = "http://nowhere.invalid/jwks"
    said(callbacks.keys(), WRONG, "leads nowhere")
    settings.NEOAPEX_WEBHOOK_SCHEME = "hmac"
    said(callbacks.keys(), OK, "relay")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (301, ("leads to https://other.example", "follows no redirect", "NEOAPEX_PUBLIC_URL")),
        (400, ("answers 400", "ALLOWED_HOSTS")),
        (404, ("not the studio", "proxy")),
        (502, ("answers 502", "proxy")),
        (503, ("can't do its work", "/readyz")),
        (200, ("not the studio", "proxy")),
    ],
)
def test_an_address_that_does_not_lead_to_the_studio_is_named(
    sim: RunningSimulator, elsewhere: FalServer, status: int, words: list[str]
) -> None:
    elsewhere.answers(status, {"hello": "there"}, {"Location": "https://other.example"})
    said(callbacks.public_url(), WRONG, *words)
    said(callbacks.webhook(), WRONG, *words)


def test_nobody_at_the_address_and_no_address_are_told_apart(sim: RunningSimulator, settings: Settings) -> None:
    settings.NEOAPEX_PUBLIC_URL = "http://127.0.0.1:9"
    said(callbacks.public_url(), WRONG, "connection fails", "certificate")
    said(callbacks.webhook(), WRONG, "can't arrive", "certificate")
    settings.NEOAPEX_PUBLIC_URL = sim.url.replace("http://", "https://")
    said(callbacks.public_url(), WRONG, "certificate is not trusted")
    settings.NEOAPEX_PUBLIC_URL = ""
    said(callbacks.public_url(), ADVICE, "slower")
    said(callbacks.webhook(), OK)


def test_an_address_that_fal_would_not_call_is_named(elsewhere: FalServer, settings: Settings) -> None:
    elsewhere.answers(200, {"alive": True})
    assert settings.NEOAPEX_FAL_QUEUE_URL
    settings.NEOAPEX_FAL_QUEUE_URL = "https://queue.fal.run"
    said(callbacks.public_url(), WRONG, "private address", "https address")
    settings.NEOAPEX_PUBLIC_URL = "https://10.1.2.3"
    said(callbacks._where_it_leads("10.1.2.3"), WRONG, "10.1.2.3")
    said(callbacks._where_it_leads("nowhere.invalid"), WRONG, "DNS entry")


@pytest.mark.django_db(transaction=True)
def test_a_callback_that_nobody_signed_is_refused_by_a_studio_that_works(well: RunningSimulator) -> None:
    said(callbacks.public_url(), OK, "leads to the studio")
    said(callbacks.webhook(), OK, "without a signature is refused")
    assert not Delivery.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("seconds", "state", "words"),
    [
        (0, OK, r"agrees with fal's"),
        (-60, ADVICE, r"(59|60|61) s ahead of fal's\."),
        (1000, WRONG, r"(999|1000|1001) s behind fal's: callbacks are refused at 300 s"),
    ],
)
def test_a_clock_that_is_off_is_named(sim: RunningSimulator, seconds: int, state: State, words: str) -> None:
    sim.set_mood(call="jwks", clock_offset_seconds=seconds)
    verdicts = callbacks.clock()
    assert verdicts[0].state is state
    assert re.search(words, verdicts[0].message), verdicts
    said(verdicts, OK, "agrees with the database's")
    sim.set_mood(call="jwks", drop="before")
    said(callbacks.clock(), ADVICE, "can't be read")


def test_an_answer_without_an_end_is_none(elsewhere: FalServer) -> None:
    elsewhere.answers(200, b"x" * (asking.MAX_BYTES + 1))
    with pytest.raises(asking.NoAnswer, match="no end"):
        asking.ask("GET", elsewhere.url)


def test_an_address_that_is_none_is_no_crash() -> None:
    with pytest.raises(asking.NoAnswer):
        asking.ask("GET", "http://[::1")
    assert asking.Answer(200, httpx.Headers(), b"\xff", 0).json() is None


# --- Keeping ---------------------------------------------------------------------------------------------------------


def test_a_bucket_is_tried_and_left_as_it_was(bucket: GlacierBucket) -> None:
    said(keeping.bucket(), OK, "links into it work")
    assert list(bucket.listed("")) == []


def test_a_bucket_that_is_not_there_or_refuses_is_named(bucket: GlacierBucket, settings: Settings) -> None:
    options = settings.STORAGES["default"]["OPTIONS"]
    for wrong, words in (
        ({"bucket_name": "no-such-bucket"}, "no bucket no-such-bucket"),
        ({"public_endpoint_url": "http://127.0.0.1:9"}, "Links into the bucket don't work"),
    ):
        settings.STORAGES = {
            **settings.STORAGES,
            "default": {**settings.STORAGES["default"], "OPTIONS": options | wrong},
        }
        said(keeping.bucket(), WRONG, words, "AWS_")


def test_rules_that_are_missing_or_foreign_are_named(bucket: GlacierBucket) -> None:
    said(keeping.rules(), WRONG, "lacks", "apply_lifecycle")
    lifecycle.apply(bucket, lifecycle.read(bucket))
    said(keeping.rules(), OK)
    theirs = {"ID": "theirs", "Filter": {"Prefix": "masters/"}, "Status": "Enabled", "Expiration": {"Days": 5}}
    lifecycle.apply(bucket, {"Rules": [theirs]})
    said(keeping.rules(), ADVICE, "theirs", "masters/")


def test_a_folder_is_well_at_home_and_advised_against_in_production(settings: Settings) -> None:
    said(keeping.bucket(), OK, "disk")
    said(keeping.rules(), OK, "no rules")
    settings.NEOAPEX_ENV = "production"
    said(keeping.bucket(), ADVICE, "AWS_STORAGE_BUCKET_NAME")


# --- The house -------------------------------------------------------------------------------------------------------


WITHOUT_THE_LAST = """DELETE FROM django_migrations WHERE app = 'studio'
    AND name = (SELECT max(name) FROM django_migrations WHERE app = 'studio')"""


@pytest.mark.django_db
def test_migrations_that_wait_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    said(house.database(), OK)
    with connection.cursor() as cursor:
        cursor.execute(WITHOUT_THE_LAST)
    said(house.database(), WRONG, "1 migrations", "manage.py migrate")


def test_a_redis_that_forgets_and_one_that_is_away_are_named(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    said(house.redis(), OK)
    redis = redis_server.connection()
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        said(house.redis(), WRONG, "allkeys-lru", "noeviction")
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    away = redis_server.connection.__wrapped__
    monkeypatch.setattr(redis_server, "connection", away)
    said(house.redis(), WRONG, "REDIS_URL")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("here", "there", "state", "words"),
    [(5, 2, OK, "don't wait"), (90, 2, ADVICE, "Raise NEOAPEX_FAL_SLOTS"), (1, 90, ADVICE, "Lower NEOAPEX_FAL_SLOTS")],
)
def test_slots_are_judged_by_how_long_songs_wait_and_where(here: int, there: int, state: State, words: str) -> None:
    person = factories.ada()
    said(house.slots(), OK, "too few")
    for _ in range(house.ENOUGH_SONGS):
        generation = factories.make_song(person=person)
        began = timezone.now() - timedelta(hours=1)
        Generation.objects.filter(pk=generation.pk).update(
            created_at=began,
            submit_started_at=began + timedelta(seconds=here),
            started_at=began + timedelta(seconds=here),
            running_at=began + timedelta(seconds=here + there),
        )
    said(house.slots(), state, words)
