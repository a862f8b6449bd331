"""A whole studio in processes of its own, as an operator would run it, for tests that go through real HTTP."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg

from neoapex.embedded import ports
from neoapex.embedded.children import Child
from neoapex.embedded.postgres import PostgresServer
from neoapex.embedded.redis import RedisServer
from tests.journeys import prepared
from tests.journeys.commands import Commands
from tests.simulator.server import RunningSimulator, running_simulator

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60.0
WORKERS = ("worker", "media")
QUIET = ("--without-gossip", "--without-mingle")


class RunningStudio:
    """`url` is the studio, `sim` the fal behind it; the rest is what a test does from outside."""

    def __init__(self, home: Path, sim: RunningSimulator, environment: dict[str, str], port: int) -> None:
        self.home = home
        self.sim = sim
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.environment = environment
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        # Its own PostgreSQL and Redis, by name; without, those of the test run, which nobody may kill.
        self.servers: dict[str, PostgresServer | RedisServer] = {}
        self.commands = Commands(environment, home / "commands.log")
        self._children: dict[str, Child] = {}

    def manage(self, *arguments: str) -> str:
        code, output, errors = self.commands.run(*arguments)
        assert code == 0, f"{arguments}: {output}{errors}"
        return output.strip()

    def shell(self, code: str) -> str:
        return self.manage("shell", "--no-imports", "-v", "0", "-c", code)

    def login_link(self, who: str = "studio") -> str:
        """A fresh one-time link for the demo musician ("studio") or the admin ("admin")."""
        path: str = json.loads(self.manage("seed_demo", "--print-links"))[who]
        return self.url + path

    def add_person(self, email: str) -> None:
        self.shell(f"from studio.models import User; User.objects.create_user({email!r})")

    def client(self, email: str = "demo@example.com") -> httpx.Client:
        token = self.manage("create_token", email)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def start(self, name: str) -> None:
        if name in self.servers:
            self._children[name] = self.servers[name].start()
            return
        for left in self.home.glob("beat-schedule*") if name == "beat" else ():
            left.unlink()
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self._command(name), cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def _command(self, name: str) -> list[str]:
        python = [sys.executable, "-m"]
        celery = [*python, "celery", "-A", "neoapex.celery:app"]
        return {
            "web": [*python, "granian", "--interface", "asgi", "neoapex.asgi:application", "--host", "127.0.0.1",
                    "--port", str(self.port), "--workers", "1", "--workers-kill-timeout", "2", "--no-ws"],
            "worker": [*celery, "worker", "-n", "worker@%h", "-Q", "fal,default", "-c", "4", *QUIET],
            "media": [*celery, "worker", "-n", "media@%h", "-Q", "media", "-c", "2", *QUIET],
            "beat": [*celery, "beat", "--pidfile="],
            # Another one beside it, as an operator may start by mistake.
            "second beat": [*celery, "beat", "--pidfile=", "--schedule", str(self.home / "second-schedule")],
        }[name]  # fmt: skip

    def stop(self, name: str) -> None:
        if name in self.servers:
            child = self._children.pop(name, None)
            if child is not None:
                child.stop()
            return
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def end(self) -> None:
        """Kill what is left: nothing of it is looked at any more."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.processes.values():
            process.wait(10)
        self.commands.close()
        for name in list(self._children):
            self.stop(name)

    def signal(self, name: str, number: signal.Signals) -> None:
        if name in self.servers:
            os.killpg(self._children[name].process.pid, number)
        else:
            self.processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        """SIGKILL of the process and all that share its session."""
        process = self._children.pop(name).process if name in self.servers else self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def is_up(self, name: str) -> bool:
        return name in self._children or name in self.processes

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(errors="replace")

    def wait_ready(self) -> None:
        def ready() -> bool:
            try:
                return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200
            except httpx.HTTPError:
                return False

        wait_for(ready, READY_SECONDS, lambda: self.log("web")[-2000:])

    def wait_for_state(
        self, client: httpx.Client, generation_id: str, *states: str, seconds: float = 40
    ) -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def reached() -> bool:
            answer = client.get(f"/api/generations/{generation_id}")
            seen.update(answer.json())
            return seen["state"] in states

        wait_for(reached, seconds, lambda: f"{seen}\n{self._last_words()}")
        return seen

    def _last_words(self) -> str:
        return "\n".join(self.log(name)[-3000:] for name in (*WORKERS, "web") if (self.home / f"{name}.log").exists())

    def ledger_total_micros(self) -> int:
        return int(self.shell("from ledger.queries import total_spent_micros; print(total_spent_micros())"))

    def open_holds(self) -> int:
        return int(self.shell("from ledger.queries import open_holds; print(len(list(open_holds())))"))


def wait_for(done: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not within {seconds} s: {why()}"
        time.sleep(0.1)


@contextmanager
def running_studio(
    settings: dict[str, str] | None = None, *, with_worker: bool = True, durable: bool = False, **simulator: Any
) -> Iterator[RunningStudio]:
    """A studio with its own database, Redis and simulator; `settings` are environment variables on top.

    A durable one has a PostgreSQL of its own as well, and both servers lose nothing when they are killed.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neoapex-journey-")))
        home.chmod(0o711)
        sim = stack.enter_context(running_simulator(**simulator))
        servers = _servers(home, durable=durable)
        database_url = servers["postgres"].url if durable else stack.enter_context(_own_database())
        port = ports.random_free()
        environment = _environment(home, sim, database_url, servers["redis"].url, port) | (settings or {})
        studio = RunningStudio(home, sim, environment, port)
        stack.callback(studio.end)
        studio.servers = servers
        for name in servers:
            studio.start(name)
        if durable:
            prepared.fill(database_url)
        prepared.static_files(environment)
        for name in ("web", *WORKERS, "beat") if with_worker else ("web",):
            studio.start(name)
        studio.wait_ready()
        yield studio


def _servers(home: Path, *, durable: bool) -> dict[str, PostgresServer | RedisServer]:
    password = secrets.token_hex(8)
    redis = RedisServer(
        home / "redis", ports.random_free(), password, durable=durable, log_path=home / "redis-server.log"
    )
    if not durable:
        return {"redis": redis}
    postgres = PostgresServer(
        home / "postgres", ports.random_free(), password, durable=True, log_path=home / "postgres-server.log"
    )
    return {"postgres": postgres, "redis": redis}


@contextmanager
def _own_database() -> Iterator[str]:
    """A new database on the server of the test run; journeys commit, so they can't share one."""
    server = os.environ["DATABASE_URL"]
    name = f"journey_{secrets.token_hex(4)}"
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    prepared.fill(url)
    try:
        yield url
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _environment(home: Path, sim: RunningSimulator, database_url: str, redis_url: str, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "NEOAPEX_ENV": "embedded",
        "NEOAPEX_HOME": str(home),
        "NEOAPEX_PORT": str(port),
        "NEOAPEX_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SECRET_KEY": secrets.token_hex(32),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "FAL_KEY": sim.key,
        "NEOAPEX_FAL_QUEUE_URL": sim.url,
        "NEOAPEX_FAL_REST_URL": sim.url,
        "NEOAPEX_FAL_API_URL": f"{sim.url}/v1",
        "NEOAPEX_FAL_CDN_URL": sim.url,
        "NEOAPEX_FAL_JWKS_URL": f"{sim.url}/.well-known/jwks.json",
        "NEOAPEX_FAL_USER_ID": sim.user_id,
        "NEOAPEX_MEDIA_HOSTS": urlsplit(sim.url).netloc,
        "PYTHONUNBUFFERED": "1",
        # The same code and settings as those of the command before them, which checked both.
        "CELERY_SKIP_CHECKS": "1",
    }
