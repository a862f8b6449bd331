"""A studio whose parts are killed, stopped, flushed, filled and cut off: each song still comes, once."""

import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.journeys.stack import WORKERS, RunningStudio, running_studio, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
HASTY = {
    "NEOAPEX_SWEEP_AFTER": "3",
    "NEOAPEX_LOST_AFTER": "60",
    "NEOAPEX_LOST_RELEASE": "120",
    "NEOAPEX_FAL_SLOTS": "8",
    "NEOAPEX_USER_SLOTS": "8",
    "NEOAPEX_USER_RATE": "100000/minute",
}
# A sweep or two, and what fal waits between its tries.
PATIENCE_SECONDS = 90.0
FAL: dict[str, Any] = {"slots": 8, "song_seconds": 1.5, "webhook_timeout_seconds": 3, "webhook_retry_max_seconds": 2}


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningStudio]:
    with running_studio(HASTY, durable=True, **FAL) as running:
        yield running


@pytest.fixture
def studio(shared: RunningStudio) -> Iterator[RunningStudio]:
    """With every part running before; after, the books and the bill must agree."""
    shared.sim.clear_moods()
    for name in ("postgres", "redis", "web", *WORKERS, "beat"):
        if not shared.is_up(name):
            shared.start(name)
    shared.wait_ready()
    yield shared
    assert shared.open_holds() == 0
    assert shared.ledger_total_micros() == shared.sim.bill()["total_micros"]
    sent = [request["webhook_url"] for request in shared.sim.requests()]
    assert len(sent) == len(set(sent)), "something was sent twice"


@pytest.fixture(scope="module")
def client(shared: RunningStudio) -> Iterator[httpx.Client]:
    with shared.client() as client:
        yield client


def ask(studio: RunningStudio, client: httpx.Client, **mood: object) -> str:
    seed = time.time_ns()
    if mood:
        studio.sim.set_mood(seed=seed, **mood)
    answer = client.post("/api/generations", json={"tags": ["piano"], "lyrics": "", "seed": str(seed)})
    return str(answer.raise_for_status().json()["id"])


def heard(studio: RunningStudio, client: httpx.Client, *songs: str, seconds: float = 60) -> None:
    """Each is READY with one track, charged once."""
    for song in songs:
        done = studio.wait_for_state(client, song, "READY", "FAILED", seconds=seconds)
        assert (done["state"], done["charged"], len(done["tracks"])) == ("READY", "0.0750", 1), done


def database(studio: RunningStudio) -> psycopg.Connection:
    return psycopg.connect(studio.environment["DATABASE_URL"], autocommit=True)


def disconnect_everybody(connection: psycopg.Connection) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


# --- Workers ---------------------------------------------------------------------------------------------------------


def test_a_worker_killed_while_it_submits_sends_nothing_again(studio: RunningStudio, client: httpx.Client) -> None:
    before = len(studio.sim.requests())
    song = ask(studio, client, delay_seconds=4)
    wait_for(lambda: len(studio.sim.requests()) > before, 30, lambda: studio.log("worker")[-2000:])
    studio.kill("worker")
    studio.start("worker")
    heard(studio, client, song)


# --- Redis -----------------------------------------------------------------------------------------------------------


def test_songs_are_taken_while_redis_is_full(studio: RunningStudio, client: httpx.Client) -> None:
    with studio.servers["redis"].client() as redis:  # type: ignore[union-attr]
        redis.config_set("maxmemory", "1")
        songs = [ask(studio, client) for _ in range(3)]
        redis.config_set("maxmemory", "0")
    heard(studio, client, *songs, seconds=90)


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def test_connections_that_the_database_closed_cost_nobody_a_request(
    studio: RunningStudio, client: httpx.Client
) -> None:
    song = ask(studio, client)
    with database(studio) as connection:
        disconnect_everybody(connection)
    answers = [client.get("/api/credits/balance").status_code for _ in range(20)]
    assert answers == [200] * 20
    heard(studio, client, song, seconds=PATIENCE_SECONDS)


def test_a_database_that_is_away_is_said_and_a_callback_that_met_it_comes_again(
    studio: RunningStudio, client: httpx.Client
) -> None:
    song = ask(studio, client, run_seconds=3)
    studio.wait_for_state(client, song, "SUBMITTED", "RUNNING")
    studio.kill("postgres")
    refused = client.post("/api/generations", json={"tags": ["piano"], "lyrics": ""})
    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
    assert httpx.get(f"{studio.url}/readyz", trust_env=False, timeout=20).json()["missing"] == ["database"]
    wait_for(lambda: tries_of_the_last(studio) > 0, 30, lambda: str(studio.sim.deliveries()[-1:]))
    studio.start("postgres")
    heard(studio, client, song, seconds=PATIENCE_SECONDS)
    the_last_arrives(studio)


def tries_of_the_last(studio: RunningStudio) -> int:
    return len(studio.sim.deliveries()[-1]["answers"])


def the_last_arrives(studio: RunningStudio) -> None:
    """However the song was settled meanwhile: by this callback, or by asking fal."""
    wait_for(lambda: studio.sim.deliveries()[-1]["answers"][-1] == "200", 30, lambda: str(studio.sim.deliveries()[-1:]))


def test_a_callback_that_waits_for_the_database_longer_than_fal_does_has_one_effect(
    studio: RunningStudio, client: httpx.Client
) -> None:
    song = ask(studio, client, run_seconds=1)
    with psycopg.connect(studio.environment["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE webhooks_delivery IN ACCESS EXCLUSIVE MODE")
        wait_for(lambda: tries_of_the_last(studio) > 0, 30, lambda: str(studio.sim.deliveries()[-1:]))
        connection.rollback()
    heard(studio, client, song)


def test_a_database_that_can_only_be_read_takes_no_money(studio: RunningStudio, client: httpx.Client) -> None:
    held = client.get("/api/credits/balance").json()["held"]
    song = ask(studio, client, run_seconds=3)
    with database(studio) as connection:
        [[name]] = connection.execute("SELECT current_database()").fetchall()
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
        disconnect_everybody(connection)
        refused = client.post("/api/generations", json={"tags": ["piano"], "lyrics": ""})
        assert refused.status_code >= 500
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'.encode())
        disconnect_everybody(connection)
    heard(studio, client, song, seconds=PATIENCE_SECONDS)
    assert client.get("/api/credits/balance").json()["held"] == held


# --- Web -------------------------------------------------------------------------------------------------------------


def test_a_callback_that_met_no_web_server_comes_again(studio: RunningStudio, client: httpx.Client) -> None:
    song = ask(studio, client, run_seconds=2)
    studio.wait_for_state(client, song, "SUBMITTED", "RUNNING")
    studio.kill("web")
    wait_for(lambda: tries_of_the_last(studio) > 0, 30, lambda: str(studio.sim.deliveries()[-1:]))
    studio.start("web")
    studio.wait_ready()
    heard(studio, client, song)
    the_last_arrives(studio)


def test_a_restart_under_load_answers_nobody_with_an_error(studio: RunningStudio, client: httpx.Client) -> None:
    songs = [ask(studio, client) for _ in range(4)]
    statuses: set[int] = set()
    for _ in range(2):
        studio.processes["web"].send_signal(signal.SIGTERM)
        while studio.processes["web"].poll() is None:
            statuses |= asked(studio)
        studio.start("web")
        studio.wait_ready()
        statuses |= asked(studio)
    heard(studio, client, *songs)
    assert statuses <= {200}, statuses


def asked(studio: RunningStudio) -> set[int]:
    try:
        return {httpx.get(f"{studio.url}/healthz", trust_env=False, timeout=5).status_code}
    except httpx.TransportError:
        # A socket that was closed is what a client of a server that restarts must expect.
        return set()


def test_hundreds_who_send_nothing_do_not_keep_fal_out(studio: RunningStudio, client: httpx.Client) -> None:
    idle = [socket.create_connection(("127.0.0.1", studio.port), timeout=10) for _ in range(300)]
    try:
        for number, connection in enumerate(idle):
            connection.sendall(b"POST /webhooks/fal/ HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * (number % 50))
        heard(studio, client, ask(studio, client))
        assert studio.sim.deliveries()[-1]["answers"] == ["200"]
    finally:
        for connection in idle:
            connection.close()
