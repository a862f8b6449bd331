"""After a deploy every browser comes back in the same second: all are served, and pages answer meanwhile."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.journeys.stack import RunningStudio, running_studio

pytestmark = pytest.mark.slow

PEOPLE = 50
# As many as one person may have.
STREAMS_EACH = 20
PATIENCE_SECONDS = 90
MAKE_PEOPLE = f"""
import json
from studio import tokens
from studio.models import User
people = [User.objects.create_user(f"listener{{n}}@example.com") for n in range({PEOPLE})]
print(json.dumps([tokens.create(person, "stream")[1] for person in people]))
"""


@pytest.fixture(scope="module")
def studio() -> Iterator[RunningStudio]:
    with running_studio(with_worker=False) as running:
        yield running


class Stream:
    """One browser's connection to the events."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        head = ("GET /api/events HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}", "Last-Event-ID: 1")
        self._head = "\r\n".join([*head, "", ""]).encode()

    async def open(self) -> int:
        """The status, once the stream has said that it is open or was refused."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(self._head)
        status = int((await self._reader.readuntil(b"\r\n\r\n"))[9:12])
        if status == 200:
            await self._reader.readuntil(b": open\n\n")
        return status

    async def until_ended(self) -> None:
        with suppress(ConnectionError):
            while await self._reader.read(65536):
                pass
        self.close()

    def close(self) -> None:
        self._writer.close()


async def all_at_once(streams: list[Stream]) -> set[int]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return set(await asyncio.gather(*(stream.open() for stream in streams)))


async def pages_until(done: "asyncio.Future[Any]", studio: RunningStudio, token: str) -> list[int]:
    """What somebody gets who looks at one page after the other meanwhile."""
    statuses = []
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=studio.url, headers=headers, timeout=30, trust_env=False) as client:
        while not done.done():
            for path in ("/api/generations", "/accounts/login/", "/healthz"):
                statuses.append((await client.get(path)).status_code)
    return statuses


async def return_of_all(studio: RunningStudio, tokens: list[str]) -> None:
    streams = [Stream(studio.port, token) for token in tokens for _ in range(STREAMS_EACH)]
    assert len(streams) == 1000
    assert await all_at_once(streams) == {200}
    ended = [stream.until_ended() for stream in streams]
    await asyncio.gather(asyncio.to_thread(restart, studio), *ended)
    back = asyncio.ensure_future(all_at_once(streams))
    pages = await pages_until(back, studio, tokens[0])
    assert await back == {200}, "everybody is served, and nobody by a 5xx"
    assert len(pages) >= 3
    assert set(pages) == {200}
    for stream in streams:
        stream.close()


def restart(studio: RunningStudio) -> None:
    studio.stop("web")
    studio.start("web")
    studio.wait_ready()


@pytest.mark.timeout(300)
def test_a_thousand_streams_that_come_back_at_once_are_all_served_while_pages_answer(studio: RunningStudio) -> None:
    asyncio.run(return_of_all(studio, json.loads(studio.shell(MAKE_PEOPLE))))
