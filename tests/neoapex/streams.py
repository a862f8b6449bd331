"""Listening to the event stream within the process, as an ASGI server would let a browser do."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

from neoapex import events
from studio import transitions
from studio.models import Event, Generation
from tests.neoapex.shapes import assert_structured

PATIENCE_SECONDS = 10
Result = TypeVar("Result")


@dataclass
class Listener:
    """One open connection; what arrives is split into server-sent events."""

    headers: dict[str, str]
    method: str = "GET"
    host: str = "127.0.0.1"
    status: int | None = None
    answered: dict[str, str] = field(default_factory=dict)
    text: str = ""
    ended: bool = False
    stuck: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _gone: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.stuck.set()

    @property
    def scope(self) -> dict[str, Any]:
        headers = {"host": self.host, **self.headers}
        return {
            "type": "http", "http_version": "1.1", "method": self.method, "scheme": "http", "path": "/api/events",
            "query_string": b"", "root_path": "", "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8000),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        }  # fmt: skip

    async def receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        await self.stuck.wait()
        async with self._news:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.answered = {name.decode().title(): value.decode() for name, value in message["headers"]}
            else:
                self.text += message["body"].decode()
                self.ended = not message["more_body"]
            self._news.notify_all()

    def disconnect(self) -> None:
        self._gone.set()

    @property
    def told(self) -> list[dict[str, str]]:
        """Every event so far, as its fields; comments and `retry` are left out."""
        blocks = [
            dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
            for block in self.text.split("\n\n")
        ]
        return [block for block in blocks if "event" in block]

    @property
    def ids(self) -> list[int]:
        return [int(block["id"]) for block in self.told if "id" in block]

    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def status_code(self) -> int:
        assert self.status is not None
        return self.status

    async def until(self, text: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: text in self.text)

    async def until_ended(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: self.ended)


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[Listener]:
    """A listener whose stream is open, or was refused; it disconnects at the end, and the stream must notice."""
    listener = Listener(**options)
    running = asyncio.create_task(events.stream(listener.scope, listener.receive, listener.send))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while listener.status is None and not running.done():  # noqa: ASYNC110 - either of two may come first
                await asyncio.sleep(0.01)
        if listener.status == 200 and listener.stuck.is_set():
            await listener.until(": open")
        yield listener
    finally:
        listener.disconnect()
        listener.stuck.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await running


def in_thread(function: Callable[..., Result]) -> Callable[..., Awaitable[Result]]:
    """The database from a thread that keeps no connection."""

    def run(*arguments: Any, **named: Any) -> Result:
        try:
            return function(*arguments, **named)
        finally:
            connections.close_all()

    return sync_to_async(run, thread_sensitive=False)


def happens(generation: Generation, **data: object) -> int:
    """One more event of a generation, committed and published; its id."""
    transitions.record(generation, "job_progress", state=generation.state, **data)
    return int(Event.objects.filter(generation=generation).latest("pk").pk)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """The scenario in a loop of its own, with the feeder stopped at its end."""

    async def whole() -> None:
        try:
            await scenario()
        finally:
            feeder = events.hub._feeder
            if feeder is not None:
                feeder.cancel()
                await asyncio.gather(feeder, return_exceptions=True)

    asyncio.run(whole())


def assert_refused(listener: Listener, status: int, code: str) -> None:
    """No stream, but the structured error."""
    listener.headers = listener.answered
    assert_structured(listener, status, code)
