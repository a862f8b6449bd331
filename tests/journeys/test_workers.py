"""Workers that are killed, told to end or cut off: every song is still made, once, and paid for once."""

import json
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from tests.journeys.stack import WORKERS, RunningStudio, running_studio, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SONG = {"tags": ["ambient"], "lyrics": "", "num_songs": 1, "output_format": "wav"}
ENDS = ("READY", "FAILED", "CANCELLED")
# Of a file of 350 KB: long enough to be caught in the middle of.
SLOW = {"file": "slow", "file_bytes_per_second": 40_000}
FACTS = """
import json
from ledger.models import Entry
from ledger.queries import open_holds, total_spent_micros
from studio.media.storage import default_storage
from studio.models import Generation, Track
from pathlib import Path
from webhooks.models import Delivery
files = [str(path) for path in Path(default_storage().location).rglob("*") if path.is_file()]
print(json.dumps({
    "kinds": sorted(Entry.objects.filter(reference__startswith="generation:").values_list("kind", flat=True)),
    "last": Track.objects.values("attempts", "deaths").latest("created_at"),
    "masters": len([name for name in files if "/masters/" in name]),
    "parts": [name for name in files if name.endswith(".part")],
    "states": sorted(Generation.objects.values_list("state", flat=True)),
    "open_holds": len(list(open_holds())),
    "spent_micros": total_spent_micros(),
    "waiting": Delivery.objects.filter(processed_at=None).count(),
}))
"""


@pytest.fixture(scope="module")
def studio() -> Iterator[RunningStudio]:
    """One for all of them: what a test breaks, it mends."""
    with running_studio({"NEOAPEX_FAL_SLOTS": "6", "NEOAPEX_USER_SLOTS": "6"}, slots=6) as running:
        yield running


@pytest.fixture(scope="module")
def client(studio: RunningStudio) -> Iterator[httpx.Client]:
    with studio.client() as client:
        yield client


def facts(studio: RunningStudio) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(studio.shell(FACTS).splitlines()[-1])
    return known


def start(client: httpx.Client) -> str:
    answer = client.post("/api/generations", json=SONG)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def parts(studio: RunningStudio) -> list[Path]:
    return list((studio.home / "media").rglob(".*.part"))


def in_the_middle_of_an_ingest(studio: RunningStudio) -> None:
    def under_way() -> bool:
        return any(path.stat().st_size for path in parts(studio) if "masters" in str(path))

    wait_for(under_way, 30, lambda: studio.log("media")[-3000:])


def all_is_well(studio: RunningStudio) -> None:
    """Every song once at fal, once in storage, once in the books."""
    known = facts(studio)
    songs = len(studio.sim.requests())
    assert known["states"] == ["READY"] * songs
    assert known["kinds"] == ["CHARGE"] * songs + ["HOLD"] * songs
    assert known["masters"] == songs
    assert (known["open_holds"], known["waiting"]) == (0, 0)
    assert known["spent_micros"] == studio.sim.bill()["total_micros"]


# --- Told to end, killed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGQUIT], ids=["finishes", "hands back"])
def test_a_worker_that_is_told_to_end_in_the_middle_leaves_a_song_that_is_soon_ready(
    studio: RunningStudio, client: httpx.Client, told: signal.Signals
) -> None:
    studio.sim.set_mood(call="file", **SLOW)
    song = start(client)
    in_the_middle_of_an_ingest(studio)
    media = studio.processes["media"]
    studio.signal("media", told)
    assert media.wait(30) is not None
    assert parts(studio) == []
    studio.start("media")
    done = studio.wait_for_state(client, song, *ENDS, seconds=30)
    assert done["state"] == "READY"
    assert facts(studio)["last"]["deaths"] == 0
    all_is_well(studio)


def test_a_worker_that_is_killed_in_the_middle_costs_seconds(studio: RunningStudio, client: httpx.Client) -> None:
    studio.sim.set_mood(call="file", **SLOW)
    song = start(client)
    in_the_middle_of_an_ingest(studio)
    studio.kill("media")
    assert len(parts(studio)) == 4, "of the master, the preview and both waveforms"
    studio.start("media")
    killed_at = time.monotonic()
    assert studio.wait_for_state(client, song, *ENDS, seconds=40)["state"] == "READY"
    # The lease, the ring after it, a worker's start; and no visibility timeout of twenty minutes.
    assert time.monotonic() - killed_at < 30
    studio.shell("from studio.media.storage import default_storage; default_storage().clean_stale_parts(0)")
    assert parts(studio) == []
    all_is_well(studio)


def test_a_task_that_a_second_worker_gets_meanwhile_does_no_harm() -> None:
    impatient = {"DJANGO_SETTINGS_MODULE": "tests.journeys.impatient_settings"}
    with running_studio(impatient) as studio, studio.client() as client:
        studio.sim.set_mood(call="file", **SLOW)
        song = start(client)
        assert studio.wait_for_state(client, song, *ENDS)["state"] == "READY"
        received = Counter(re.findall(r"Task (studio\.ingest\[[0-9a-f-]+\]) received", studio.log("media")))
        assert max(received.values()) > 1, "it was no test of anything"
        assert facts(studio)["last"]["attempts"] == 1
        all_is_well(studio)


def test_a_long_ingest_holds_up_no_submit(studio: RunningStudio, client: httpx.Client) -> None:
    studio.sim.set_mood(call="file", next=4, **SLOW)
    slow = [start(client) for _ in range(4)]
    for song in slow:
        studio.wait_for_state(client, song, "INGESTING")
    in_the_middle_of_an_ingest(studio)
    late = start(client)
    studio.wait_for_state(client, late, "INGESTING", seconds=20)
    assert client.get(f"/api/generations/{slow[-1]}").json()["state"] == "INGESTING", "it was no test of anything"
    for song in (*slow, late):
        assert studio.wait_for_state(client, song, *ENDS, seconds=60)["state"] == "READY"
    all_is_well(studio)


def test_a_second_beat_does_no_harm(studio: RunningStudio, client: httpx.Client) -> None:
    studio.start("second beat")
    try:
        songs = [start(client) for _ in range(3)]
        for song in songs:
            assert studio.wait_for_state(client, song, *ENDS)["state"] == "READY"
        wait_for(lambda: studio.log("second beat") != "", 20, lambda: "it never beat")
        assert studio.processes["second beat"].poll() is None
    finally:
        studio.stop("second beat")
    all_is_well(studio)


# --- Redis -----------------------------------------------------------------------------------------------------------


def test_a_flushed_redis_loses_no_song(studio: RunningStudio, client: httpx.Client) -> None:
    for name in WORKERS:
        studio.stop(name)
    songs = [start(client) for _ in range(6)]
    with redis.Redis.from_url(studio.servers["redis"].url) as broker:
        assert broker.llen("fal") > 0
        broker.flushall()
    for name in WORKERS:
        studio.start(name)
    for song in songs:
        assert studio.wait_for_state(client, song, *ENDS, seconds=60)["state"] == "READY"
    all_is_well(studio)


def test_a_redis_that_is_away_stops_no_page_and_loses_no_song(studio: RunningStudio, client: httpx.Client) -> None:
    studio.stop("redis")
    song = start(client)
    assert client.get("/api/generations").status_code == 200
    _pages_open(studio, client)
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["missing"]) == (503, ["redis"])
    wait_for(lambda: "onnect" in studio.log("worker"), 20, lambda: "the worker has not noticed")
    studio.start("redis")
    assert studio.wait_for_state(client, song, *ENDS, seconds=60)["state"] == "READY"
    assert client.get("/readyz").status_code == 200
    all_is_well(studio)


def test_a_redis_that_hangs_holds_nobody_up_for_long(studio: RunningStudio, client: httpx.Client) -> None:
    """As a half-open connection does: it takes what is sent, and never answers."""
    studio.signal("redis", signal.SIGSTOP)
    try:
        began = time.monotonic()
        song = start(client)
        assert time.monotonic() - began < 5
        _pages_open(studio, client)
        assert client.get("/readyz").json()["missing"] == ["redis"]
    finally:
        studio.signal("redis", signal.SIGCONT)
    assert studio.wait_for_state(client, song, *ENDS, seconds=90)["state"] == "READY"
    all_is_well(studio)


def _pages_open(studio: RunningStudio, client: httpx.Client) -> None:
    """With a session, as a browser has it: the pages of a person who is logged in."""
    with httpx.Client(base_url=studio.url, timeout=10, trust_env=False, follow_redirects=True) as browser:
        page = browser.get(studio.login_link())
        assert page.status_code == 200, page.text[:500]
        for path in ("/", "/budget/", "/account/tokens/"):
            assert browser.get(path).status_code == 200, path


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def test_a_restarted_database_costs_no_request_and_no_song() -> None:
    with running_studio(durable=True) as studio, studio.client() as client:
        # Every thread of the web process has a connection that is about to break.
        with ThreadPoolExecutor(8) as pool:
            assert {answer.status_code for answer in pool.map(lambda _: client.get("/api/tags"), range(32))} == {200}
        studio.sim.set_mood(call="file", **SLOW)
        song = start(client)
        in_the_middle_of_an_ingest(studio)
        studio.stop("postgres")
        studio.start("postgres")
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: client.get("/api/credits/balance"), range(32)))
        assert {answer.status_code for answer in answers} == {200}
        assert studio.wait_for_state(client, song, *ENDS, seconds=60)["state"] == "READY"
        all_is_well(studio)
