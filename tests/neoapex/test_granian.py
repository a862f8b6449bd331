"""The edges through the real server: framing, sizes, slow and rude clients, streams."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
from playwright.sync_api import Page, sync_playwright

from tests.journeys.stack import RunningStudio, running_studio, wait_for
from tests.neoapex.shapes import assert_structured

pytestmark = pytest.mark.slow
CHROMIUM = Path("/usr/bin/chromium")
MORE_THAN_THREADS = 14
CONTENT_TYPE = {"Content-Type": "application/json"}
MASTER_BYTES = 20_000_000
MAKE_TRACK = """
from studio.models import User
from tests import factories
person = User.objects.get(email="demo@example.com")
generation = factories.make_song(person=person, songs=1)
print(generation.tracks.get().pk)
"""


@pytest.fixture(scope="module")
def studio() -> Iterator[RunningStudio]:
    with running_studio(with_worker=False) as running:
        yield running


@pytest.fixture(scope="module")
def demo(studio: RunningStudio) -> Iterator[httpx.Client]:
    with studio.client() as client:
        yield client


@pytest.fixture(scope="module")
def track(studio: RunningStudio) -> str:
    """A READY track with a large master, as a file only."""
    track_id = studio.shell(MAKE_TRACK)
    for folder, name, size in (("masters", f"{track_id}.wav", MASTER_BYTES), ("previews", f"{track_id}.mp3", 1000)):
        path = studio.home / "media" / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x07" * size)
    return track_id


def counts(studio: RunningStudio) -> tuple[Any, ...] | None:
    query = "SELECT (SELECT count(*) FROM studio_generation), (SELECT count(*) FROM ledger_entry WHERE kind = 'HOLD')"
    with psycopg.connect(studio.environment["DATABASE_URL"]) as connection:
        return connection.execute(query).fetchone()


def in_pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // 100_000):
        yield b"x" * 100_000


@pytest.fixture
def nothing_written(studio: RunningStudio) -> Iterator[None]:
    before = counts(studio)
    yield
    assert counts(studio) == before


def test_ten_megabytes_are_refused_declared_or_not(demo: httpx.Client, nothing_written: None) -> None:
    song = json.dumps({"prompt": "x" * 10_000_000})
    webhook = "/webhooks/fal/11111111-1111-4111-8111-111111111111/"
    for path in ("/api/generations", "/api/quotes", "/generations/", "/accounts/login/", webhook):
        assert_structured(demo.post(path, content=song, headers=CONTENT_TYPE), 413)
        assert_structured(demo.post(path, content=in_pieces(10_000_000), headers=CONTENT_TYPE), 413)


def test_a_chunked_request_is_as_good_as_any(demo: httpx.Client) -> None:
    answer = demo.post("/api/quotes", content=iter([b'{"prompt":', b' "x"}']), headers=CONTENT_TYPE)
    assert answer.json()["cost"] == "0.0750"


def test_two_megabytes_of_deep_nesting_are_refused(demo: httpx.Client, nothing_written: None) -> None:
    assert_structured(demo.post("/api/generations", content=b"[" * 200_000, headers=CONTENT_TYPE), 422, "invalid_json")
    assert_structured(demo.post("/api/generations", content=b"", headers=CONTENT_TYPE), 422, "invalid_json")


class Wire:
    """Bytes as they are, to the studio's port."""

    def __init__(self, studio: RunningStudio, token: str) -> None:
        self._port = studio.port
        self._token = token

    def open(self, start: str, *headers: str, body: bytes = b"") -> socket.socket:
        head = [start, "Host: 127.0.0.1", f"Authorization: {self._token}", *headers, "", ""]
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=15)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        connection.sendall("\r\n".join(head).encode("latin-1") + body)
        return connection

    def answer(self, start: str, *headers: str, body: bytes = b"") -> bytes:
        """All that comes back until the server closes; the sending side is closed after the request."""
        with self.open(start, *headers, "Connection: close", body=body) as connection:
            # The server may have had enough, and closed.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            received = b""
            while block := connection.recv(65536):
                received += block
            return received


@pytest.fixture(scope="module")
def wire(studio: RunningStudio, demo: httpx.Client) -> Wire:
    return Wire(studio, demo.headers["Authorization"])


POST = "POST /api/generations HTTP/1.1"
JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("start", "headers", "body"),
    [
        (POST, (JSON, "Content-Length: 50"), b'{"prompt": "x"}'),
        (POST, (JSON, "Transfer-Encoding: chunked"), b'f\r\n{"prompt": "x"}\r\nZZ\r\n'),
        (POST, (JSON, "Transfer-Encoding: chunked"), b'f\r\n{"prompt": "x"}\r\n'),
        (POST, (JSON, "Content-Length: 15", "Content-Length: 16"), b'{"prompt": "x"}'),
        (POST, (JSON, "Content-Length: -1"), b'{"prompt": "x"}'),
        (POST, (JSON, "Content-Length: x"), b'{"prompt": "x"}'),
        (POST, (JSON, "Content-Length: 15", "Transfer-Encoding: chunked"), b"0\r\n\r\n"),
        (POST, (JSON,), b""),
        ("POST /api/generations HTTP/9.9", (JSON,), b""),
        ("GET /api/tags?q=\xff HTTP/1.1", (), b""),
        ("GET /\xff\xfe HTTP/1.1", (), b""),
        ("GET /api/tags?q=" + "a" * 200_000 + " HTTP/1.1", (), b""),
        ("GET /api/tags HTTP/1.1", ("X-Long: " + "a" * 1_000_000,), b""),
        ("GET //evil.example/ HTTP/1.1", ("Accept: application/json",), b""),
        ("GET http://evil.example/api/tags HTTP/1.1", ("Host: evil.example",), b""),
        ("BREW /api/tags HTTP/1.1", (), b""),
        ("DELETE /api/events HTTP/1.1", (), b""),
        ("nonsense", (), b""),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_broken_request_starts_nothing(
    wire: Wire, nothing_written: None, start: str, headers: tuple[str, ...], body: bytes
) -> None:
    try:
        received = wire.answer(start, *headers, body=body)
    except (ConnectionResetError, BrokenPipeError):
        return
    assert received == b"" or received.split()[1][:1] == b"4", received[:300]
    assert b"Traceback" not in received


def alive(studio: RunningStudio) -> bool:
    return httpx.get(f"{studio.url}/healthz", timeout=5, trust_env=False).status_code == 200


def test_downloads_that_stand_still_do_not_stop_the_studio(studio: RunningStudio, wire: Wire, track: str) -> None:
    stalled = []
    for _ in range(MORE_THAN_THREADS):
        connection = wire.open(f"GET /api/tracks/{track}/master HTTP/1.1")
        assert connection.recv(1024).startswith(b"HTTP/1.1 200")
        stalled.append(connection)
    assert alive(studio)
    for connection in stalled:
        connection.close()
    assert alive(studio)


def test_requests_that_arrive_slowly_do_not_stop_the_studio(studio: RunningStudio, wire: Wire) -> None:
    slow = [wire.open(POST, JSON, "Content-Length: 100", body=b"{") for _ in range(MORE_THAN_THREADS)]
    assert alive(studio)
    for connection in slow:
        connection.close()


def test_a_range_of_a_track_comes_and_head_says_how_large_it_is(demo: httpx.Client, track: str) -> None:
    path = f"/api/tracks/{track}/master"
    part = demo.get(path, headers={"Range": "bytes=100-199"})
    assert (part.status_code, len(part.content)) == (206, 100)
    assert part.headers["Content-Range"] == f"bytes 100-199/{MASTER_BYTES}"
    whole = demo.head(path)
    assert (whole.status_code, whole.headers["Content-Length"]) == (200, str(MASTER_BYTES))
    assert len(demo.get(path).content) == MASTER_BYTES
    assert_structured(demo.get(path, headers={"Range": f"bytes={MASTER_BYTES}-"}), 416, "range_not_satisfiable")


@pytest.fixture
def page() -> Iterator[Page]:
    if not CHROMIUM.exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM))
        yield browser.new_page()
        browser.close()


def test_the_docs_work_in_a_browser_without_a_foreign_host(page: Page, studio: RunningStudio) -> None:
    troubles: list[str] = []
    foreign: list[str] = []
    page.on("console", lambda told: troubles.append(told.text) if told.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith((studio.url, "data:")) else foreign.append(asked.url))
    page.goto(f"{studio.url}/api/docs")
    page.click("text=Make Quote")
    page.wait_for_selector("text=Try it out")
    assert troubles == []
    assert foreign == []


# --- Streams ---------------------------------------------------------------------------------------------------------


class Ears:
    """A stream that is read in a thread."""

    def __init__(self, client: httpx.Client, headers: dict[str, str] | None = None) -> None:
        self.text = ""
        self.ended = threading.Event()
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(client, headers or {}), daemon=True)
        self._thread.start()
        assert self._open.wait(15)

    def _read(self, client: httpx.Client, headers: dict[str, str]) -> None:
        # Closing the client at the end of a test breaks off its streams.
        with suppress(httpx.HTTPError), client.stream("GET", "/api/events", headers=headers) as answer:
            for text in answer.iter_text():
                self.text += text
                self._open.set()
        self.ended.set()

    def heard(self, what: str) -> None:
        wait_for(lambda: what in self.text, 15, lambda: self.text)


@pytest.fixture
def ears(studio: RunningStudio, demo: httpx.Client) -> Iterator[Callable[..., Ears]]:
    clients: list[httpx.Client] = []

    def listen(**headers: str) -> Ears:
        clients.append(httpx.Client(base_url=studio.url, headers=demo.headers, timeout=20, trust_env=False))
        return Ears(clients[-1], headers)

    yield listen
    for client in clients:
        client.close()


def start(demo: httpx.Client) -> str:
    answer = demo.post("/api/generations", json={"prompt": "x"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_song_that_is_asked_for_is_heard_at_once(demo: httpx.Client, ears: Callable[..., Ears]) -> None:
    stream = ears()
    stream.heard(": open")
    first = start(demo)
    stream.heard(first)
    last_id = stream.text.rpartition("id: ")[2].split()[0]
    second = start(demo)
    again = ears(**{"Last-Event-ID": last_id})
    again.heard(second)
    assert first not in again.text


def test_strangers_and_other_methods_get_no_stream(studio: RunningStudio, demo: httpx.Client) -> None:
    assert_structured(httpx.get(f"{studio.url}/api/events", trust_env=False), 401, "unauthenticated")
    assert_structured(demo.post("/api/events"), 405)
    assert_structured(demo.get("/api/events", headers={"Host": "evil.example"}), 400)


def test_who_leaves_makes_room(studio: RunningStudio, demo: httpx.Client, ears: Callable[..., Ears]) -> None:
    wire = Wire(studio, demo.headers["Authorization"])
    for _round in range(3):
        streams = [wire.open("GET /api/events HTTP/1.1") for _ in range(15)]
        for stream in streams:
            assert stream.recv(512).startswith(b"HTTP/1.1 200")
        for stream in streams:
            stream.close()

        def room() -> bool:
            with demo.stream("GET", "/api/events") as answer:
                return answer.status_code == 200

        wait_for(room, 15, lambda: "no room")


def test_bye_ends_streams_and_refuses_new_ones(studio: RunningStudio, demo: httpx.Client, ears: Any) -> None:
    stream = ears()
    broker = redis.Redis.from_url(studio.environment["REDIS_URL"])
    broker.publish("neoapex:0:bye", "bye")
    broker.close()
    assert stream.ended.wait(15)
    assert "event: bye" in stream.text
    assert_structured(demo.get("/api/events"), 503, "stopping")
    studio.stop("web")
    studio.start("web")
    studio.wait_ready()


def test_who_never_reads_does_not_fill_the_memory(studio: RunningStudio, demo: httpx.Client, wire: Wire) -> None:
    deaf = wire.open("GET /api/events HTTP/1.1")
    assert deaf.recv(256).startswith(b"HTTP/1.1 200")
    broker = redis.Redis.from_url(studio.environment["REDIS_URL"])
    person = studio.shell("from studio.models import User; print(User.objects.get(email='demo@example.com').pk)")
    before = memory_kib(studio)
    for number in range(5000):
        broker.publish(f"neoapex:events:{person}", f"id: {number}\nevent: job_progress\ndata: {'x' * 20_000}")
    assert alive(studio)
    assert memory_kib(studio) - before < 60_000, "100 MB were said"
    deaf.close()
    broker.close()


def memory_kib(studio: RunningStudio) -> int:
    """Of the web server and its worker."""
    parent = studio.processes["web"].pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return sum(_resident_kib(pid) for pid in (str(parent), *children))


def _resident_kib(pid: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
