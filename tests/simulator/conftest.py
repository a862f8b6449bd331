"""One simulator for all tests that don't need one of their own, and a receiver for its webhooks."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.simulator.server import RunningSimulator, running_simulator

SONG = {"tags": ["pop"], "lyrics_prompt": "sing a song", "seed": 7}


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers with the scripted statuses one after the other, then with 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int, timeout_seconds: float = 10) -> list[Received]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.received) >= count, timeout_seconds), self.received
            return list(self.received)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with state.arrived:
                answer = state.answers.pop(0) if state.answers else 200
                state.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                state.arrived.notify_all()
            self.send_response(answer)
            self.send_header("Location", f"{state.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture(scope="session")
def shared_simulator() -> Iterator[RunningSimulator]:
    with running_simulator(retired=["sonauto/v1/generate"]) as simulator:
        yield simulator


@pytest.fixture
def sim(shared_simulator: RunningSimulator) -> Iterator[RunningSimulator]:
    """The shared simulator without moods. Other tests' requests stand in its lists and on its bill."""
    shared_simulator.clear_moods()
    yield shared_simulator
    shared_simulator.clear_moods()


def submit(
    sim: RunningSimulator,
    arguments: dict[str, Any] | None = None,
    *,
    endpoint: str = "text-to-music",
    webhook: str = "",
) -> dict[str, Any]:
    """The submit answer."""
    query = {"fal_webhook": webhook} if webhook else {}
    response = sim.call("POST", f"/sonauto/v2/{endpoint}", json=SONG if arguments is None else arguments, params=query)
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


def status_of(sim: RunningSimulator, request_id: str, query: str = "") -> dict[str, Any]:
    body: dict[str, Any] = sim.call("GET", f"/sonauto/v2/requests/{request_id}/status{query}").json()
    return body


def wait_until(true: Callable[[], object], timeout_seconds: float = 10) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def finish(sim: RunningSimulator, arguments: dict[str, Any] | None = None, **how: Any) -> dict[str, Any]:
    """Submits, waits for COMPLETED, and returns the result's body."""
    request_id = submit(sim, arguments, **how)["request_id"]
    wait_until(lambda: status_of(sim, request_id)["status"] == "COMPLETED")
    body: dict[str, Any] = sim.call("GET", f"/sonauto/v2/requests/{request_id}").json()
    return {"request_id": request_id, **body}


def download(sim: RunningSimulator, file: dict[str, Any]) -> bytes:
    return sim.call("GET", str(file["url"]).removeprefix(sim.url)).raise_for_status().content
