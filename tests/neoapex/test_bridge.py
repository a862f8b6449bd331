"""Pages behind ASGI: bodies come in whole or not at all, and files hold no thread while they go out."""

import asyncio
import io
import json
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from neoapex import bridge
from neoapex.bridge import Pages

LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
Seen = dict[str, Any]


class Caller:
    """One request: its messages go in, its answer comes out."""

    def __init__(self, *parts: bytes, headers: dict[str, str] | None = None, breaks_off: bool = False) -> None:
        self.parts = list(parts) or [b""]
        self.headers = headers or {}
        self.breaks_off = breaks_off
        self.sent: list[Any] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = asyncio.Event()
        self._reading = asyncio.Event()

    async def has_begun_to_read(self) -> None:
        await self._reading.wait()

    @property
    def scope(self) -> dict[str, Any]:
        return {
            "type": "http", "http_version": "1.1", "method": "POST", "path": "/", "query_string": b"", "scheme": "http",
            "headers": [(name.encode(), value.encode()) for name, value in self.headers.items()],
        }  # fmt: skip

    async def receive(self) -> dict[str, Any]:
        if self.parts:
            part = self.parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self.parts) or self.breaks_off}
        if not self.breaks_off:
            await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.append(message)
        if len(self.sent) > 1:
            self._reading.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def ended(self) -> bool:
        return len(self.sent) > 1 and not self.sent[-1].get("more_body", False)


def echo(seen: Seen) -> Callable[..., Iterable[bytes]]:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.update(environ)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        seen["body"] = environ["wsgi.input"].read(length) if length <= LIMIT else None
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    return application


def answering(response: HttpResponseBase) -> Callable[..., Iterable[bytes]]:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", list(response.items()))
        return response

    return application


def call(pages: Pages, caller: Caller) -> Caller:
    async def whole() -> None:
        async with asyncio.timeout(20):
            await pages(caller.scope, caller.receive, caller.send)

    asyncio.run(whole())
    return caller


def test_a_body_of_unknown_length_arrives_whole() -> None:
    seen: Seen = {}
    caller = call(Pages(echo(seen), 1), Caller(b"a" * 5, b"b" * 5, headers={"transfer-encoding": "chunked"}))
    assert seen["body"] == b"aaaaabbbbb"
    assert "HTTP_TRANSFER_ENCODING" not in seen
    assert (caller.status, caller.body, caller.ended) == (200, b"done", True)


def test_a_body_of_unknown_length_is_read_no_further_than_the_limit() -> None:
    seen: Seen = {}
    caller = Caller(*[b"x" * 100_000] * 100, headers={"transfer-encoding": "chunked"})
    call(Pages(echo(seen), 1), caller)
    assert int(seen["CONTENT_LENGTH"]) > LIMIT, "so that it is refused"
    assert len(caller.parts) > 90


def test_what_is_declared_as_too_large_is_not_read_at_all() -> None:
    seen: Seen = {}
    caller = Caller(b"x" * 100, headers={"content-length": str(LIMIT + 1)})
    call(Pages(echo(seen), 1), caller)
    assert seen["CONTENT_LENGTH"] == str(LIMIT + 1)
    assert len(caller.parts) == 1


@pytest.mark.parametrize(
    "caller",
    [Caller(b"half a so", headers={"content-length": "50"}), Caller(b"half", breaks_off=True)],
    ids=["shorter than declared", "broken off"],
)
def test_half_a_request_starts_nothing(caller: Caller) -> None:
    seen: Seen = {}
    call(Pages(echo(seen), 1), caller)
    assert seen == {}
    assert caller.status == 400
    assert json.loads(caller.body)["code"] == "broken_off"


def test_a_request_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "BODY_SECONDS", 0.05)
    seen: Seen = {}
    caller = Caller(b"x", headers={"content-length": "2"})
    caller.parts = []
    call(Pages(echo(seen), 1), caller)
    assert seen == {}
    body = json.loads(caller.body)
    assert (caller.status, body["code"]) == (408, "too_slow")
    assert body["hint"]
    assert body["requestId"] == dict(caller.sent[0]["headers"])[b"x-request-id"].decode()


def test_a_header_that_looks_like_the_proxys_is_dropped() -> None:
    seen: Seen = {}
    call(Pages(echo(seen), 1), Caller(headers={"x_forwarded_proto": "https", "x-request-id": "kept"}))
    assert "HTTP_X_FORWARDED_PROTO" not in seen
    assert seen["HTTP_X_REQUEST_ID"] == "kept"


class Blocks:
    """A file's blocks that know who read them and whether they were closed."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.threads: set[str] = set()
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.threads.add(threading.current_thread().name)
        if not self.left:
            raise StopIteration
        self.left -= 1
        return b"x" * bridge.BLOCK_BYTES

    def close(self) -> None:
        self.closed.set()


def download(blocks: Blocks) -> StreamingHttpResponse:
    return StreamingHttpResponse(blocks, headers={"Accept-Ranges": "bytes"})


def test_a_file_arrives_whole_and_is_closed() -> None:
    blocks = Blocks(5)
    caller = call(Pages(answering(download(blocks)), 1), Caller())
    assert len(caller.body) == 5 * bridge.BLOCK_BYTES
    assert caller.ended
    assert blocks.closed.is_set()


def test_static_files_go_the_same_way() -> None:
    content = b"x" * 300_000
    caller = call(Pages(answering(FileResponse(io.BytesIO(content))), 1), Caller())
    assert caller.body == content
    assert len(caller.sent) < 10, "in large blocks"


def test_a_streamed_query_stays_in_its_thread() -> None:
    blocks = Blocks(3)
    call(Pages(answering(StreamingHttpResponse(blocks)), 1), Caller())
    assert {name.partition("_")[0] for name in blocks.threads} == {"page"}


def race(scenario: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(20):
            await scenario()

    asyncio.run(whole())


def test_who_stops_reading_keeps_no_thread() -> None:
    """More downloads than threads stand still, and a page is answered all the same."""
    files = [Blocks(1000) for _ in range(4)]
    answers = iter([*(download(blocks) for blocks in files), HttpResponse(b"alive")])

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return answering(next(answers))(environ, start_response)

    async def scenario() -> None:
        pages = Pages(application, 2)
        readers = [Caller() for _ in files]
        running = []
        for reader in readers:
            running.append(asyncio.create_task(pages(reader.scope, reader.receive, reader.send)))
            await reader.has_begun_to_read()
            reader.reads.clear()
        other = Caller()
        await pages(other.scope, other.receive, other.send)
        assert other.body == b"alive"
        for reader in readers:
            reader.gone.set()
            reader.reads.set()
        await asyncio.gather(*running)

    race(scenario)
    assert all(blocks.closed.is_set() for blocks in files)
    assert all(blocks.left > 900 for blocks in files), "who has gone is sent nothing more"


def test_who_reads_nothing_for_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "STALL_SECONDS", 0.05)
    blocks = Blocks(1000)

    async def scenario() -> None:
        reader = Caller()
        running = asyncio.create_task(Pages(answering(download(blocks)), 1)(reader.scope, reader.receive, reader.send))
        await reader.has_begun_to_read()
        reader.reads.clear()
        await running
        assert not reader.ended

    race(scenario)
    assert blocks.closed.is_set()
