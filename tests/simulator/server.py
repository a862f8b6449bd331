"""A simulator in a process of its own, for any test that wants to speak to fal."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 30.0
STOP_SECONDS = 10.0
# Quick enough for a test to wait for, slow enough to see every status.
FAST = {"song_seconds": 2, "queue_seconds": 0.05, "run_seconds": 0.05, "webhook_retry_seconds": 0.1}


def free_port() -> int:
    """Below the ephemeral range, where no outgoing connection can take it between two starts."""
    for _ in range(200):
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("no free port between 20000 and 32000")


class RunningSimulator:
    """`url`, `key` and `user_id` are what a client needs; the rest looks behind the scenes."""

    def __init__(self, home: Path, **config: object) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = str(config.pop("key", "sim-key-id:sim-key-secret"))
        self.user_id = str(config.pop("user_id", "sim-user"))
        self._config = {**FAST, **config}
        self._process: subprocess.Popen[bytes] | None = None
        # One client for all calls: making one costs more than most of the calls.
        self._client = httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    # The process

    def _environment(self) -> dict[str, str]:
        given = {**self._config, "home": self.home, "url": self.url, "key": self.key, "user_id": self.user_id}
        settings = {f"SIMULATOR_{name.upper()}": _text(value) for name, value in given.items()}
        return {**os.environ, **settings, "PYTHONPATH": str(ROOT)}

    def start(self) -> None:
        """Returns when it answers. Raises RuntimeError with its output when it does not."""
        command = [sys.executable, "-m", "granian", "--interface", "asgi", "simulator.app:app", "--no-ws"]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1", "--workers-kill-timeout", "2"]
        with (self.home / "simulator.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment(), stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self._client.get("/_sim/bill", timeout=2).raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                return
        self.kill()
        raise RuntimeError(f"the simulator did not start:\n{self.log()}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def close(self) -> None:
        self.stop()
        self._client.close()

    def kill(self) -> None:
        """kill -9 of the server and its worker at once, as a power cut would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def log(self) -> str:
        return (self.home / "simulator.log").read_text(errors="replace")

    # What a test asks and tells

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A request with the key, whatever comes back."""
        headers = {"Authorization": f"Key {self.key}", **arguments.pop("headers", {})}
        return self._client.request(method, path, headers=headers, **arguments)

    def _control(self, method: str, path: str, **arguments: Any) -> Any:
        return self.call(method, f"/_sim/{path}", **arguments).raise_for_status().json()

    def bill(self) -> dict[str, Any]:
        """{requests: [{request_id, endpoint_id, cost_micros}], total_micros}"""
        bill: dict[str, Any] = self._control("GET", "bill")
        return bill

    def set_mood(self, **mood: object) -> None:
        """See simulator/README.md; raises httpx.HTTPStatusError for a field that does not exist."""
        self._control("POST", "moods", content=json.dumps(mood))

    def moods(self) -> list[dict[str, Any]]:
        """Those that no call has met yet, as they were set."""
        left: list[dict[str, Any]] = self._control("GET", "moods")["moods"]
        return left

    def clear_moods(self) -> None:
        self._control("DELETE", "moods")

    def rotate_keys(self, *, keep: bool) -> None:
        self._control("POST", f"keys/rotate?keep={int(keep)}")

    def requests(self) -> list[dict[str, Any]]:
        """Every accepted request: request_id, endpoint_id, arguments, webhook_url, status, cancel_requested."""
        entries: list[dict[str, Any]] = self._control("GET", "requests")["requests"]
        return entries

    def deliveries(self) -> list[dict[str, Any]]:
        """Every webhook delivery: request_id, url, answers (a list of texts), pending."""
        entries: list[dict[str, Any]] = self._control("GET", "deliveries")["deliveries"]
        return entries


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@contextmanager
def running_simulator(*, home: Path | None = None, **config: object) -> Iterator[RunningSimulator]:
    """A simulator on a free port; `config` are the fields of simulator.config.Config. `home` outlives it when given."""
    with tempfile.TemporaryDirectory(prefix="simulator-home-") as temporary:
        simulator = RunningSimulator(home or Path(temporary), **config)
        simulator.start()
        try:
            yield simulator
        finally:
            simulator.close()
