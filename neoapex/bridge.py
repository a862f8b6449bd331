"""Django's pages under ASGI: bodies come in whole, and files go out without holding a thread.

Threads are few. A request that is sent slowly, or a player that stops reading in the middle of a song, would each keep
one for as long as it likes, and eight of them would stop the studio.
"""

import asyncio
import functools
import io
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Final, TypeGuard, cast

from a2wsgi.wsgi import build_environ
from django.conf import settings
from django.http import FileResponse, StreamingHttpResponse
from django_guid.utils import generate_guid

from neoapex import problems

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
# Refuses on the event loop what need not take a thread: the status and the structured error.
Gate = Callable[[Message, bytes], "tuple[int, dict[str, Any]] | None"]

BODY_SECONDS: Final = 30
# A player that is paused reads nothing; when its connection is cut it asks again, with a range.
STALL_SECONDS: Final = 600
BLOCK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a thread has to say: the head, and the whole body or a file that is sent from the event loop."""

    head: Message
    body: bytes = b""
    file: StreamingHttpResponse | None = None


class Pages:
    """An ASGI application around a WSGI one."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]], threads: int, gate: Gate | None = None) -> None:
        self._wsgi = wsgi
        self._gate = gate
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="page")

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
        if self._gate and (refused := self._gate(scope, body)):
            await problems.send_plain(send, *refused)
            return
        known = {**scope, "headers": _headers(scope, len(body))}
        environ = cast("dict[str, Any]", build_environ(cast("Any", known), cast("Any", io.BytesIO(body))))
        loop = asyncio.get_running_loop()
        # A context of its own, so that nothing of one request is left for the next in the same thread.
        in_thread = functools.partial(copy_context().run, self._in_thread, environ, _sender(send, loop))
        answer = await loop.run_in_executor(self._threads, in_thread)
        if answer is None:
            return
        await send(answer.head)
        if answer.file is not None:
            await _send_file(answer.file, receive, send)
        else:
            await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    def _in_thread(self, environ: dict[str, Any], send_now: Callable[[Message], None]) -> Answer | None:
        """The answer, or None where it was sent from here, piece by piece."""
        head: Message = {"type": "http.response.start"}

        def start_response(status: str, headers: list[tuple[str, str]], _failure: object = None) -> None:
            encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            head.update(status=int(status[:3]), headers=encoded)

        response = self._wsgi(environ, start_response)
        if _is_file(response):
            return Answer(head, file=response)
        try:
            if not getattr(response, "streaming", False):
                return Answer(head, b"".join(response))
            # A streamed query needs the thread that its database connection belongs to.
            send_now(head)
            for block in response:
                send_now({"type": "http.response.body", "body": block, "more_body": True})
            send_now({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if hasattr(response, "close"):
                response.close()
        return None


def _is_file(response: object) -> TypeGuard[StreamingHttpResponse]:
    return isinstance(response, FileResponse) or (
        isinstance(response, StreamingHttpResponse) and response.has_header("Accept-Ranges")
    )


def _sender(send: Send, loop: asyncio.AbstractEventLoop) -> Callable[[Message], None]:
    """For a thread: sends, and returns once the client has taken it; TimeoutError if it never does."""

    async def patiently(message: Message) -> None:
        async with asyncio.timeout(STALL_SECONDS):
            await send(message)

    def send_now(message: Message) -> None:
        asyncio.run_coroutine_threadsafe(patiently(message), loop).result(STALL_SECONDS + 10)

    return send_now


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
