import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from neoapex.embedded import ports
from tests.embedded.processes import BASE_DIR, assert_gone, ended_at_last, family, open_folder, wait_until

pytestmark = pytest.mark.slow

# The stamps of what is installed are none of these tests' business, and nothing may be downloaded.
MAKE = ("make", "studio", "--assume-old=.venv/.installed", "--assume-old=node_modules/.installed")
SUPERVISOR = (sys.executable, "-m", "neoapex.embedded")
CHILDREN = ("postgres", "redis", "simulator", "worker", "media", "beat", "web")
START_SECONDS = 90.0
KILLED = ("supervisor", "make", "all children and the supervisor")
# Each child is killed in one test, three of them in the studio that starts after another kill.
KILLED_AFTERWARDS = ("postgres", "redis", "simulator")


@dataclass
class Studio:
    """A studio as a person starts it, read line by line."""

    process: subprocess.Popen[str]
    home: Path
    port: int
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(line.rstrip("\n") for line in iter(self.process.stdout.readline, ""))

    def wait_ready(self) -> "Studio":
        wait_until(
            lambda: any(line.startswith("Admin: ") for line in [*self.lines]) or self.process.poll() is not None,
            "the studio to be ready",
            START_SECONDS,
        )
        assert self.process.poll() is None, self.lines
        return self

    def link(self, name: str) -> str:
        return next(line.removeprefix(f"{name}: ") for line in self.lines if line.startswith(f"{name}: "))

    def supervisor(self) -> psutil.Process:
        return next(member for member in family(self.process.pid) if member.cmdline()[1:] == list(SUPERVISOR[1:]))

    def child(self, name: str) -> psutil.Process:
        return next(child for child in self.supervisor().children() if is_named(child, name))


def is_named(process: psutil.Process, name: str) -> bool:
    words = {
        "postgres": "/bin/postgres",
        "redis": "redis-server",
        "simulator": "simulator.app:app",
        "worker": "worker@%h",
        "media": "media@%h",
        "beat": " beat ",
        "web": "neoapex.asgi:application",
    }
    return words[name] in " ".join(process.cmdline())


def clean_environment(home: Path, port: int) -> dict[str, str]:
    """Ours, without what the test run's own servers put there."""
    ours = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FAL_KEY", "DJANGO_SETTINGS_MODULE", "MAKE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*ours, "NEOAPEX_"))}
    return {**kept, "NEOAPEX_HOME": str(home), "NEOAPEX_PORT": str(port)}


Start = Callable[..., Studio]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """One home for all of them: each start is also the start after what the last test did to it."""
    with open_folder() as folder:
        yield folder / "home"


class Keeper:
    """Starts studios one after the other, and leaves the last one running for whoever only looks at it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._running: list[Studio] = []

    def start(self, command: tuple[str, ...] = SUPERVISOR, **environment: str) -> Studio:
        port = ports.random_free()
        process = subprocess.Popen(
            command,
            cwd=BASE_DIR,
            env={**clean_environment(self._home, port), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._running.append(Studio(process, self._home, port))
        return self._running[-1]

    def one_that_runs(self) -> Studio:
        for studio in self._running:
            if studio.process.poll() is None:
                return studio.wait_ready()
        self.end()
        return self.start().wait_ready()

    def end(self) -> None:
        while self._running:
            with ended_at_last(self._running.pop().process) as process:
                process.terminate()


@pytest.fixture(scope="module")
def keeper(home: Path) -> Iterator[Keeper]:
    started = Keeper(home)
    yield started
    started.end()


@pytest.fixture
def start(keeper: Keeper) -> Iterator[Start]:
    """For a test that starts its own: nothing runs before it, and nothing after."""
    keeper.end()
    yield keeper.start
    keeper.end()


@pytest.fixture
def studio(keeper: Keeper) -> Studio:
    """One that is ready. Whoever only looks at it leaves it to the next."""
    return keeper.one_that_runs()


def manage(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = clean_environment(home, 1)
    del environment["NEOAPEX_PORT"]
    argv = [sys.executable, "manage.py", *arguments]
    return subprocess.run(argv, cwd=BASE_DIR, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_links_open_the_studio_and_commands_find_its_database(studio: Studio, home: Path) -> None:
    for name in ("Studio", "Admin"):
        assert studio.link(name).startswith(f"http://127.0.0.1:{studio.port}/")
        with urllib.request.urlopen(studio.link(name), timeout=20) as answer:  # noqa: S310 - our own address, as printed
            assert answer.status == 200
    beside = manage(home, "migrate", "--check")
    assert beside.returncode == 0, beside.stderr
    assert all("celery" in " ".join(studio.child(name).cmdline()) for name in ("worker", "media", "beat"))


def test_with_a_relays_scheme_the_simulator_signs_so_and_a_song_is_made(start: Start, home: Path) -> None:
    studio = start(NEOAPEX_WEBHOOK_SCHEME="hmac", NEOAPEX_WEBHOOK_SECRET="@FAL_KEY").wait_ready()
    token = manage(home, "create_token", "demo@example.com").stdout.strip()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{studio.port}", headers=headers, timeout=30, trust_env=False) as ada:
        song = ada.post("/api/generations", json={"tags": ["rock"], "lyrics": "la la"}).json()
        wait_until(lambda: ada.get(f"/api/generations/{song['id']}").json()["state"] == "READY", "the song", 90)
    # The sweep could have fetched it without any callback.
    code = f"from webhooks.models import Delivery; print(Delivery.objects.get(generation_id='{song['id']}').pinned)"
    assert manage(home, "shell", "--no-imports", "-v", "0", "-c", code).stdout.strip() == "True"


def test_a_relays_scheme_without_its_secret_is_told_of_at_the_start(start: Start) -> None:
    studio = start(NEOAPEX_WEBHOOK_SCHEME="hmac")
    assert studio.process.wait(START_SECONDS) == 1
    wait_until(lambda: any("NEOAPEX_WEBHOOK_SECRET" in line for line in [*studio.lines]), "the reason", 5)


def test_secrets_stay_out_of_the_process_list_and_of_other_peoples_reach(studio: Studio, home: Path) -> None:
    secrets = json.loads((home / "secrets.json").read_text()).values()
    shown = " ".join(" ".join(member.cmdline()) for member in family(studio.process.pid))
    assert not [secret for secret in secrets if secret in shown]
    open_files = [path for path in home.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert not [path for path in open_files if "static" not in path.parts]
    assert home.stat().st_mode & 0o066 == 0


def test_a_second_studio_of_the_same_home_is_told_so_in_one_line(studio: Studio, keeper: Keeper) -> None:
    second = keeper.start()
    assert second.process.wait(30) == 1
    wait_until(lambda: bool(second.lines), "the refusal")
    assert len(second.lines) == 1
    assert f"A studio already runs from {studio.home} (process {studio.process.pid})." in second.lines[0]
    assert studio.process.poll() is None


def assert_that_its_kill_ends_all(studio: Studio, name: str) -> None:
    members = family(studio.process.pid)
    studio.child(name).kill()
    assert studio.process.wait(30) == 1
    assert_gone(members)
    wait_until(lambda: any("SIGKILL" in line for line in studio.lines), "the last words")
    assert any(line.startswith(f"neoapex: {name} ended with SIGKILL") for line in studio.lines)


@pytest.mark.parametrize("name", [name for name in CHILDREN if name not in KILLED_AFTERWARDS])
def test_a_killed_child_ends_the_studio_with_its_name(studio: Studio, name: str) -> None:
    assert_that_its_kill_ends_all(studio, name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_of_make_leaves_no_process_and_no_environment(start: Start, home: Path, number: signal.Signals) -> None:
    studio = start(MAKE).wait_ready()
    members = family(studio.process.pid)
    assert (home / "environment.json").stat().st_mode & 0o777 == 0o600
    if number == signal.SIGINT:
        os.killpg(studio.process.pid, number)
    else:
        studio.process.send_signal(number)
    studio.process.wait(30)
    assert_gone(members)
    assert not (home / "environment.json").exists()
    alone = manage(home, "migrate", "--check")
    assert alone.returncode != 0
    assert len(alone.stderr.strip().splitlines()) == 1, alone.stderr


def test_every_log_holds_json_lines_only(start: Start, home: Path) -> None:
    studio = start().wait_ready()
    studio.process.send_signal(signal.SIGINT)
    assert studio.process.wait(30) == 0
    logs = sorted((home / "logs").glob("*.log"))
    assert {path.stem for path in logs} == {"beat", "media", "simulator", "supervisor", "web", "worker"}
    for path in logs:
        assert [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("whom", "child"), list(zip(KILLED, KILLED_AFTERWARDS, strict=True)))
def test_after_a_kill_nothing_runs_and_the_next_start_works_until_a_child_is_killed(
    start: Start, whom: str, child: str
) -> None:
    studio = start(MAKE).wait_ready()
    members = family(studio.process.pid)
    supervisor = studio.supervisor()
    doomed = [studio.process, supervisor] if whom != "make" else [studio.process]
    if whom == "all children and the supervisor":
        doomed += supervisor.children()
    for process in doomed:
        process.kill()
    if whom == "make":
        # Its studio stops in good order and holds the lock until then.
        assert_gone(members)
    # Otherwise started at once, while what was killed is still ending.
    second = start().wait_ready()
    assert_gone(members)
    assert second.child("web").is_running()
    assert_that_its_kill_ends_all(second, child)


def test_a_taken_port_is_told_with_a_free_one_to_use(start: Start) -> None:
    with socket.socket() as squatter:
        port = ports.random_free()
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        studio = start(NEOAPEX_PORT=str(port))
        assert studio.process.wait(30) == 1
        wait_until(lambda: len(studio.lines) == 2, "the refusal")
    assert studio.lines[1].startswith(f"neoapex: Port {port} is in use. Run `NEOAPEX_PORT=")


def test_servers_that_the_environment_names_are_used_and_not_started(start: Start, home: Path) -> None:
    from_the_run = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
    studio = start(**from_the_run).wait_ready()
    children = studio.supervisor().children()
    assert not [child for child in children if is_named(child, "postgres") or is_named(child, "redis")]
    lent = json.loads((home / "environment.json").read_text())
    assert {name: lent[name] for name in from_the_run} == from_the_run
