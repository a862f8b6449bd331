"""The event stream: one Redis subscription a process, fanned out to whoever listens."""

import asyncio
import io
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import redis.asyncio as aioredis
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError, connections
from django.http import HttpRequest
from django_guid import get_guid, set_guid
from django_guid.utils import generate_guid
from redis.exceptions import RedisError

from neoapex import problems, strangers
from neoapex.sessions import SessionStore
from studio import live, tokens
from studio.errors import AddressRateReached, ScopeMissing
from studio.states import Scope

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

KEEP_ALIVE_SECONDS = 15.0
# A stream ends after this and the browser opens another: so somebody who may no longer listen is gone by then.
LIFETIME_SECONDS = 600.0
# A listener who is this far behind is cut off; on coming back it catches up from the database.
QUEUE_LENGTH = 200
STREAMS_PER_PERSON = 20
RETRY_MS = 2000
SUBSCRIBE_SECONDS = 3.0
RESUBSCRIBE_SECONDS = 1.0
# A client that takes nothing for this long is gone, whatever its connection says.
SEND_SECONDS = 60.0


class Refused(Exception):
    """No stream: the status, the structured error and the headers that say so."""

    def __init__(self, status: int, body: dict[str, Any], **headers: str) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        super().__init__(body["code"])


class Hub:
    """Who listens in this process, and the one subscription that feeds them."""

    def __init__(self) -> None:
        self._listeners: dict[int, set[asyncio.Queue[str | None]]] = defaultdict(set)
        self._feeder: asyncio.Task[None] | None = None
        self._subscribed = asyncio.Event()
        self.closing = False

    def join(self, person_id: int) -> "asyncio.Queue[str | None]":
        """A queue of messages for one listener; None in it means that the stream should end.

        :raises Refused: the person has as many streams as they may.
        """
        if len(self._listeners.get(person_id, ())) >= STREAMS_PER_PERSON:
            hint = "Close a tab or two."
            raise Refused(429, problems.problem("too_many_streams", "Too many streams are open.", hint, retry_after=30))
        queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUE_LENGTH)
        self._listeners[person_id].add(queue)
        return queue

    async def listen(self) -> None:
        """Wait until Redis feeds this process. Without it a stream still carries what was missed, and comes again."""
        if self._feeder is None or self._feeder.done():
            self._feeder = asyncio.create_task(self._feed())
        try:
            await asyncio.wait_for(self._subscribed.wait(), SUBSCRIBE_SECONDS)
        except TimeoutError:
            logger.warning("event stream without redis")

    def leave(self, person_id: int, queue: "asyncio.Queue[str | None]") -> None:
        self._listeners[person_id].discard(queue)
        if not self._listeners[person_id]:
            del self._listeners[person_id]

    def _end_all(self) -> None:
        for queues in self._listeners.values():
            for queue in queues:
                _offer(queue, None)

    async def _feed(self) -> None:
        while not self.closing:
            try:
                await self._subscribe()
            except (RedisError, OSError, ValueError) as error:
                logger.warning("subscription lost", extra={"error": type(error).__name__})
            self._subscribed.clear()
            # Whatever was said meanwhile is missed here: let everybody reconnect and catch up.
            self._end_all()
            await asyncio.sleep(RESUBSCRIBE_SECONDS)

    async def _subscribe(self) -> None:
        async with (
            aioredis.from_url(settings.REDIS_URL, socket_connect_timeout=5, health_check_interval=30) as client,
            client.pubsub() as subscription,
        ):
            await subscription.psubscribe(live.channel_pattern())
            await subscription.subscribe(live.bye_channel())
            while not self.closing:
                message = await subscription.get_message(timeout=30)
                if message is None:
                    continue
                if message["type"] in ("psubscribe", "subscribe"):
                    self._subscribed.set()
                elif message["type"] == "message":
                    self.closing = True
                    self._end_all()
                else:
                    self._fan_out(message["channel"].decode(), message["data"].decode())

    def _fan_out(self, channel: str, text: str) -> None:
        for queue in self._listeners.get(live.person_of_channel(channel), ()):
            # An empty message ends the person's streams.
            _offer(queue, text or None)


def _offer(queue: "asyncio.Queue[str | None]", text: str | None) -> None:
    try:
        queue.put_nowait(text)
    except asyncio.QueueFull:
        # Too slow: forget the rest and end the stream.
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)


hub = Hub()


async def stream(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer `GET /api/events`: what was missed since `Last-Event-ID`, then what happens, as it happens."""
    set_guid(generate_guid())
    try:
        person_id, last_id = await _admit(scope)
        queue = hub.join(person_id)
    except Refused as refusal:
        await problems.send_plain(send, refusal.status, refusal.body, refusal.headers)
        return
    gone = asyncio.ensure_future(_until_disconnect(receive))
    try:
        await _start(send)
        async for text in _texts(person_id, last_id, queue, gone):
            async with asyncio.timeout(SEND_SECONDS):
                await send({"type": "http.response.body", "body": f"{text}\n\n".encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except (OSError, RuntimeError, DatabaseError) as error:
        # Servers differ in how they say that the client is gone.
        logger.debug("stream broken", extra={"error": type(error).__name__})
    finally:
        gone.cancel()
        hub.leave(person_id, queue)


async def _texts(
    person_id: int, last_id: int | None, queue: "asyncio.Queue[str | None]", gone: "asyncio.Future[None]"
) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + LIFETIME_SECONDS
    # Listening comes before looking back: what happens in between is in both, and told once.
    await hub.listen()
    yield f"retry: {RETRY_MS}\n: open"
    await _watch(person_id)
    replayed: set[str] = set()
    if last_id is not None:
        for text in await _database(live.missed)(person_id, last_id):
            replayed.add(_id_line(text))
            yield text
    while loop.time() < ends_at and not hub.closing:
        text = await _next(queue, gone)
        if gone.done():
            return
        if text is None:
            break
        if text == "":
            await _watch(person_id)
            yield ": still here"
        elif _id_line(text) not in replayed:
            yield text
    yield "event: bye\ndata: {}"


def _id_line(text: str) -> str:
    """By this two tellings of an event are known as one: the database orders the names in its data as it likes."""
    return text.partition("\n")[0]


async def _next(queue: "asyncio.Queue[str | None]", gone: "asyncio.Future[None]") -> str | None:
    """The next message, an empty text when it is time for a sign of life, None when the stream should end."""
    getting = asyncio.ensure_future(queue.get())
    waited: set[asyncio.Future[Any]] = {getting, gone}
    try:
        await asyncio.wait(waited, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        return getting.result() if getting.done() else ""
    finally:
        getting.cancel()


async def _watch(person_id: int) -> None:
    try:
        await sync_to_async(live.watch, thread_sensitive=False)(person_id)
    except RedisError:
        logger.warning("not marked as watched")


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _database(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Run in a thread, and close the thread's connection: no stream holds one, and no idle thread either."""

    def run(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        finally:
            connections.close_all()

    return sync_to_async(run, thread_sensitive=False)


async def _admit(scope: MutableMapping[str, Any]) -> tuple[int, int | None]:
    """Who listens, and the id of the last event they had. :raises Refused: with the reason."""
    if hub.closing:
        raise Refused(503, problems.problem("stopping", "The studio is restarting.", "Come again.", retry_after=2))
    request = ASGIRequest(scope, io.BytesIO())
    try:
        request.get_host()
    except DisallowedHost:
        raise Refused(
            400, problems.problem("bad_request", "This host is not ours.", "Use the studio's own address.")
        ) from None
    if request.method != "GET":
        body = problems.problem("method_not_allowed", "This address doesn't take that method.", "Allowed here: GET.")
        raise Refused(405, body, Allow="GET")
    try:
        person_id = await _database(_listener)(request)
    except ScopeMissing as error:
        raise Refused(403, problems.problem(error.code, str(error.message), str(error.hint))) from None
    except DatabaseError:
        body = problems.problem("not_ready", "The database is out of reach.", "Come again.", retry_after=5)
        raise Refused(503, body) from None
    if person_id is None:
        await sync_to_async(_count_stranger, thread_sensitive=False)(request)
        body = problems.problem("unauthenticated", "Who are you?", "Log in, or send a personal token.")
        raise Refused(401, body, **{"WWW-Authenticate": "Bearer"})
    last = request.headers.get("Last-Event-ID", "")
    return person_id, int(last) if last.isascii() and last.isdigit() and len(last) < 19 else None


def _count_stranger(request: HttpRequest) -> None:
    try:
        strangers.count(request)
    except AddressRateReached as error:
        raise Refused(429, strangers.problem_of(error)) from None


def _listener(request: HttpRequest) -> int | None:
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        person = tokens.person_of(raw.strip(), (Scope.READ,))
        return person.pk if person else None
    request.session = SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    user = get_user(request)
    return user.pk if user.is_authenticated and user.is_active else None


async def _start(send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", str(get_guid() or "").encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
