"""Django's pages under ASGI: bodies come in whole, and files go out without holding a thread.

Threads are few. A request that is sent slowly, or a player that stops reading in the middle of a song, would each keep
one for as long as it likes, and eight of them would stop the studio.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any, Final

from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.http import FileResponse, StreamingHttpResponse
from django_guid.utils import generate_guid

from neoapex import problems

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

BODY_SECONDS: Final = 30
# A player that is paused reads nothing; when its connection is cut it asks again, with a range.
STALL_SECONDS: Final = 600
BLOCK_BYTES: Final = 64 * 1024
HELD: Final = "neoapex.held"


class Pages:
    """An ASGI application around a WSGI one."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]], threads: int) -> None:
        self._wsgi = wsgi
        self._threads = WSGIMiddleware(self._in_thread, workers=threads)  # type: ignore[arg-type]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _whole_body(scope, receive)
        except TimeoutError:
            await _refuse(send, 408, "too_slow", "The request did not arrive in time.")
            return
        if body is None:
            await _refuse(send, 400, "broken_off", "The request broke off before its end.")
            return
        held: list[StreamingHttpResponse] = []
        known = {**scope, "headers": _headers(scope, len(body)), HELD: held}

        async def all_but_the_end(message: Message) -> None:
            if not (held and message["type"] == "http.response.body"):
                await send(message)

        await self._threads(known, _once(body), all_but_the_end)  # type: ignore[arg-type]
        for response in held:
            await _send_file(response, receive, send)

    def _in_thread(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = self._wsgi(environ, start_response)
        # Files only: a streamed query needs the thread that its database connection belongs to.
        if isinstance(response, FileResponse) or (
            isinstance(response, StreamingHttpResponse) and response.has_header("Accept-Ranges")
        ):
            environ["asgi.scope"][HELD].append(response)
            return ()
        return response


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    refusal = problems.problem(code, message, "Send it again, whole.") | {"requestId": generate_guid()}
    await problems.send_plain(send, status, refusal)


async def _whole_body(scope: Message, receive: Receive) -> bytes | None:
    """The body, at most a byte more than any page takes; None where it breaks off before its end.

    What is declared as larger is not read at all: Django refuses it by its header.
    """
    declared = _declared(scope)
    if declared is not None and declared > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return b""
    body = bytearray()
    while len(body) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    # A form that breaks off in the middle still reads as one, and would make half a song for the whole price.
    return None if declared is not None and len(body) != declared else bytes(body)


def _declared(scope: Message) -> int | None:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0][:20]) if lengths and lengths[0].isdigit() else None


def _headers(scope: Message, length: int) -> list[tuple[bytes, bytes]]:
    """The headers without look-alikes: to WSGI X_Forwarded_Proto is X-Forwarded-Proto, which a proxy vouches for."""
    kept = [(name, value) for name, value in scope["headers"] if b"_" not in name and name != b"transfer-encoding"]
    if _declared(scope) is None and length:
        kept.append((b"content-length", str(length).encode()))
    return kept


def _once(body: bytes) -> Receive:
    messages: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(messages, {"type": "http.disconnect"})

    return receive


async def _send_file(response: StreamingHttpResponse, receive: Receive, send: Send) -> None:
    loop = asyncio.get_running_loop()
    blocks = iter(response)
    gone = asyncio.ensure_future(_disconnect(receive))
    try:
        while (block := await loop.run_in_executor(None, _next_block, blocks)) and not gone.done():
            async with asyncio.timeout(STALL_SECONDS):
                await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except TimeoutError:
        logger.info("a reader stopped reading")
    finally:
        gone.cancel()
        await loop.run_in_executor(None, response.close)


def _next_block(blocks: Iterator[bytes]) -> bytes:
    block = bytearray()
    for part in blocks:
        block += part
        if len(block) >= BLOCK_BYTES:
            break
    return bytes(block)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
