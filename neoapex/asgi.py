"""One port for all: the event stream stays on the event loop, everything else is Django under WSGI in threads.

Django's own ASGI handler accepts less than half as many requests; event streams on WSGI threads would stop the site.
"""

from django.conf import settings

from neoapex.wsgi import application as wsgi

THREADS: int = settings.NEOAPEX_WEB_THREADS

# Django is set up by the import above; what follows needs it.
from neoapex import events  # noqa: E402
from neoapex.bridge import Message, Pages, Receive, Send  # noqa: E402
from neoapex.front_door import stored_first, turned_away  # noqa: E402

_pages = Pages(stored_first(wsgi), THREADS, turned_away)


async def application(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] != "http":
        return
    elif scope["path"] == "/api/events":
        await events.stream(scope, receive, send)
    else:
        await _pages(scope, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
