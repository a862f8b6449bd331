"""From the kill of a worker to somebody else's taking up its work, over Celery's own recovery."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import httpx
import psycopg

from benchmarks.ratios import Ratio
from neoapex.embedded import ports
from neoapex.embedded.redis import RedisServer
from tests.journeys.stack import RunningStudio, running_studio, wait_for

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
# Seconds, and the shortest that anybody would dare: what runs for longer is run twice.
VISIBILITY_TIMEOUT = 8
# Celery looks every hundred seconds for what was not acknowledged.
PEER_SECONDS = 150
SLOW = {"call": "file", "file": "slow", "file_bytes_per_second": 20_000}
SONG = {"tags": ["rock"], "lyrics": "", "num_songs": 1}


def run() -> list[Ratio]:
    """Our worker is killed in the middle of a song's file, as we set it; Celery's in a task, at a short timeout."""
    with ExitStack() as stack:
        studio = stack.enter_context(running_studio())
        client = stack.enter_context(studio.client())
        # Both mostly wait, so the one doesn't disturb the other.
        peer = stack.enter_context(_killed_peer())
        ours = [_recovery_seconds(studio, client) for _ in range(ROUNDS)]
        theirs = peer.recovery_seconds()
    return [
        Ratio(
            f"worker killed to its work taken up again, over Celery's own at a timeout of {VISIBILITY_TIMEOUT} s",
            [seconds / theirs for seconds in ours],
            "<= 0.15",
            f"{median(ours):.1f} s against {theirs:.1f} s",
        )
    ]


def _recovery_seconds(studio: RunningStudio, client: httpx.Client) -> float:
    studio.sim.set_mood(**SLOW)
    song = client.post("/api/generations", json=SONG).json()["id"]
    wait_for(lambda: _attempts(studio, song) == 1, 60, lambda: studio.log("media")[-2000:])
    studio.kill("media")
    killed_at = time.monotonic()
    studio.start("media")
    wait_for(lambda: _attempts(studio, song) == 2, 60, lambda: studio.log("media")[-2000:])
    seconds = time.monotonic() - killed_at
    done = studio.wait_for_state(client, song, "READY", "FAILED", seconds=60)
    assert done["state"] == "READY", done
    return seconds


def _attempts(studio: RunningStudio, song: str) -> int:
    with psycopg.connect(studio.environment["DATABASE_URL"], autocommit=True) as connection:
        row = connection.execute("SELECT attempts FROM studio_track WHERE generation_id = %s", [song]).fetchone()
    return int(row[0]) if row else 0


class _Peer:
    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self.killed_at = 0.0

    def worker(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "celery", "-A", "benchmarks.recovery_peer", "worker", "-c", "1"]
        command += ["--without-gossip", "--without-mingle", "--loglevel", "ERROR"]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def starts(self) -> list[float]:
        return [float(line) for line in self._log.read_text().split()] if self._log.exists() else []

    def recovery_seconds(self) -> float:
        wait_for(lambda: len(self.starts()) == 2, PEER_SECONDS, lambda: "Celery did not recover")
        return self.starts()[1] - self.killed_at


@contextmanager
def _killed_peer() -> Iterator[_Peer]:
    """Celery with a task under way whose worker was just killed, and a second worker to take it up."""
    with tempfile.TemporaryDirectory(prefix="neoapex-bench-") as folder:
        home = Path(folder)
        broker = RedisServer(home / "redis", ports.random_free(), secrets.token_hex(8), durable=False)
        server = broker.start()
        given = {"BROKER": broker.url, "LOG": str(home / "starts.txt"), "VISIBILITY_TIMEOUT": str(VISIBILITY_TIMEOUT)}
        environment = {**os.environ, **{f"PEER_{name}": value for name, value in given.items()}}
        peer = _Peer(environment, home / "starts.txt")
        workers = [peer.worker()]
        try:
            ring = "from benchmarks.recovery_peer import long; long.delay()"
            subprocess.run([sys.executable, "-c", ring], cwd=ROOT, env=environment, check=True, timeout=60)
            wait_for(lambda: len(peer.starts()) == 1, 60, lambda: "Celery did not start")
            os.killpg(workers[0].pid, signal.SIGKILL)
            peer.killed_at = time.time()
            workers.append(peer.worker())
            yield peer
        finally:
            for worker in workers:
                if worker.poll() is None:
                    os.killpg(worker.pid, signal.SIGKILL)
                worker.wait(10)
            server.stop()
