"""One port for all: the event stream stays on the event loop, everything else is Django under WSGI in threads.

Django's own ASGI handler accepts less than half as many requests; event streams on WSGI threads would stop the site.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from a2wsgi import WSGIMiddleware

from neoapex.wsgi import application as wsgi

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Django is set up by the import above; what follows needs it.
from neoapex import events  # noqa: E402

THREADS = int(os.environ.get("NEOAPEX_WEB_THREADS", "8"))
_pages = WSGIMiddleware(wsgi, workers=THREADS)  # type: ignore[arg-type] # a WSGI application by any name


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] != "http":
        return
    elif scope["path"] == "/api/events":
        await events.stream(scope, _coroutine(receive), send)
    else:
        await _pages(scope, _coroutine(receive), send)  # type: ignore[arg-type]


def _coroutine(receive: Receive) -> Receive:
    """Granian's `receive()` gives an awaitable that is no coroutine, which a2wsgi can't schedule."""

    async def wrapped() -> dict[str, Any]:
        return await receive()

    return wrapped


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
