"""The queue's engine: IN_QUEUE to IN_PROGRESS when a slot is free, and on to COMPLETED with bill and webhook."""

import asyncio
import contextlib
import logging
import time

from simulator.config import Config
from simulator.deliveries import Courier, body_for
from simulator.inputs import parse
from simulator.outcomes import CANCELLED, CRASHED, NOTHING_MADE, START_TIMEOUT, ModelError, Outcome, told_to_fail
from simulator.songs import Songbook
from simulator.store import Store, StoredRequest

logger = logging.getLogger(__name__)

CONTRADICTED_AFTER_SECONDS = 0.3


class Runner:
    """Owns the slots; the store owns every state, so a restart takes up where the last process fell."""

    def __init__(self, config: Config, store: Store, songbook: Songbook, courier: Courier) -> None:
        self._config = config
        self._store = store
        self._songbook = songbook
        self._courier = courier
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancels: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Until cancelled. What an earlier process left IN_PROGRESS runs again first."""
        for request in self._store.requests("IN_PROGRESS"):
            self._begin(request)
        try:
            while True:
                self._wake.clear()
                wait_seconds = self._start_waiting()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait_seconds)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def wake(self) -> None:
        self._wake.set()

    async def changed(self, timeout_seconds: float) -> bool:
        """Waits for the next change of any request's status."""
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        self.wake()

    def _start_waiting(self) -> float:
        """First come first among those whose time has come; answers how long nothing else can start by itself."""
        soonest_seconds = 60.0
        for request in self._store.requests("IN_QUEUE"):
            if len(self._running) >= self._config.slots:
                break
            wait_seconds = request.submitted_at + self._queue_seconds(request) - time.time()
            if wait_seconds > 0:
                soonest_seconds = min(wait_seconds, soonest_seconds)
            else:
                self.start_now(request)
        return soonest_seconds

    def _queue_seconds(self, request: StoredRequest) -> float:
        told = request.mood.queue_seconds
        return self._config.queue_seconds if told is None else told

    def start_now(self, request: StoredRequest) -> None:
        """Starts it whatever the slots say (an early webhook needs that)."""
        if self._store.start(request.request_id):
            self._begin(self._store.request(request.request_id))
            self._announce()

    def _begin(self, request: StoredRequest) -> None:
        self._cancels[request.request_id] = asyncio.Event()
        self._running[request.request_id] = asyncio.create_task(self._live(request))

    async def _live(self, request: StoredRequest) -> None:
        try:
            self.finish(request, await self._outcome(request))
        except Exception:
            # As in fal's runtime: whatever a model lets through is a 500, and no request hangs for ever.
            logger.exception("request %s failed", request.request_id)
            self.finish(request, CRASHED)
        finally:
            del self._running[request.request_id], self._cancels[request.request_id]
            self._announce()

    async def _outcome(self, request: StoredRequest) -> Outcome:
        if request.start_timeout_seconds and request.started_at:
            waited_seconds = request.started_at - request.submitted_at
            if waited_seconds > request.start_timeout_seconds:
                return START_TIMEOUT
        try:
            inputs = parse(request.endpoint_id, request.arguments)
            if request.mood.fail:
                failure = told_to_fail(request.mood.fail, request.mood.billable_units or 0.0)
                return await self._after_running(request, failure)
            await self._songbook.fetch_source(request, inputs)
            song = asyncio.create_task(self._songbook.make(request, inputs))
        except ModelError as refusal:
            return refusal.outcome
        return await self._with_song(request, song)

    async def _with_song(self, request: StoredRequest, song: "asyncio.Task[Outcome]") -> Outcome:
        try:
            if await self._cancelled_while_running(request):
                return CANCELLED
            return await song
        except ModelError as refusal:
            return refusal.outcome
        finally:
            # The render thread can't be stopped; its file stays in the cache, where it does no harm.
            song.cancel()

    async def _after_running(self, request: StoredRequest, outcome: Outcome) -> Outcome:
        return CANCELLED if await self._cancelled_while_running(request) else outcome

    async def _cancelled_while_running(self, request: StoredRequest) -> bool:
        """Lets the running time pass; True as soon as it was told to stop."""
        told = request.mood.run_seconds
        run_seconds = self._config.run_seconds if told is None else told
        started_at = request.started_at or time.time()
        rest_seconds = None if request.mood.hang else max(0.0, started_at + run_seconds - time.time())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._cancels[request.request_id].wait(), rest_seconds)
        return self._cancels[request.request_id].is_set()

    def cancel(self, request: StoredRequest) -> str:
        """Removes a waiting one, signals a running one; answers which: `removed` or `signalled`."""
        self._store.wish_cancel(request.request_id)
        if request.status == "IN_QUEUE":
            self.finish(request, CANCELLED)
            self._announce()
            return "removed"
        stop = (request.mood.cancel_running or self._config.cancel_running) == "stop"
        # Without the event the task has just ended and its outcome is being written: too late to stop.
        if stop and request.request_id in self._cancels:
            self._cancels[request.request_id].set()
        return "signalled"

    def finish(self, request: StoredRequest, outcome: Outcome) -> None:
        """The one way to COMPLETED: outcome, bill line and deliveries are one transaction."""
        base_url = self._config.url or request.base_url
        wanted = bool(request.webhook_url) and not request.mood.webhook_lose
        if outcome is CANCELLED and not self._config.cancel_webhook:
            wanted = False
        delay_seconds = request.mood.webhook_delay_seconds
        deliveries = [(body_for(request, outcome, base_url), delay_seconds)] * request.mood.webhook_copies
        if request.mood.webhook_contradicts:
            contrary = body_for(request, CRASHED if outcome.succeeded else NOTHING_MADE, base_url)
            deliveries.append((contrary, delay_seconds + CONTRADICTED_AFTER_SECONDS))
        self._store.complete(request, outcome, deliveries if wanted else [])
        self._courier.wake()
