"""Webhook deliveries: signed as fal signs, the same bytes at every try, kept until a 2xx or a permanent refusal."""

import asyncio
import contextlib
import json
import time
from typing import Any

import httpx

from simulator.config import Config
from simulator.keys import STRANGER, Keyring, sign, sign_as_relay
from simulator.outcomes import Outcome
from simulator.store import Delivery, Store, StoredRequest

# Enough for a double delivery to arrive in parallel, few enough that a dead receiver can't use up the sockets.
AT_ONCE = 8
PAYLOAD_ERROR = (
    "Response payload is not JSON serializable. Either return a JSON serializable object or use the queue endpoint"
    " to retrieve the response."
)


def body_for(request: StoredRequest, outcome: Outcome, base_url: str) -> bytes:
    """The JSON that fal posts for this outcome."""
    gateway_request_id = request.mood.webhook_gateway_request_id or request.request_id
    body: dict[str, Any] = {"request_id": request.request_id, "gateway_request_id": gateway_request_id}
    if not outcome.succeeded:
        body |= {"status": "ERROR", "error": outcome.error, "payload": outcome.body}
    elif request.mood.webhook_payload_error:
        body |= {"status": "OK", "payload": None, "payload_error": PAYLOAD_ERROR}
    else:
        body |= {"status": "OK", "payload": outcome.payload(base_url)}
    return json.dumps(body, separators=(",", ":")).encode()


class Courier:
    """Delivers what the store holds as due, a bounded number at a time."""

    def __init__(self, config: Config, store: Store, keyring: Keyring) -> None:
        self._config = config
        self._store = store
        self._keyring = keyring
        self._wake = asyncio.Event()
        self._under_way: dict[int, asyncio.Task[None]] = {}

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; whatever is unfinished then goes out after the next start."""
        timeout = httpx.Timeout(self._config.webhook_timeout_seconds)
        async with httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False) as client:
            try:
                while True:
                    self._wake.clear()
                    wait_seconds = self._start_due(client)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), wait_seconds)
            finally:
                # A try that is cut off here was not recorded, so it is made again after the restart.
                for task in self._under_way.values():
                    task.cancel()
                await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _start_due(self, client: httpx.AsyncClient) -> float:
        """Starts what is due and has a free place; answers how long nothing else can become due."""
        for delivery in self._store.due_deliveries(AT_ONCE * 2):
            if delivery.number in self._under_way:
                continue
            if len(self._under_way) >= AT_ONCE:
                break
            wait_seconds = (delivery.next_at or 0.0) - time.time()
            if wait_seconds > 0:
                return min(wait_seconds, 60.0)
            self._under_way[delivery.number] = asyncio.create_task(self._deliver(client, delivery))
        return 60.0

    async def _deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        try:
            answer, final = await self._try(client, delivery)
            tries_left = self._config.webhook_retries - delivery.tries
            next_at = None if final or tries_left <= 0 else time.time() + self._retry_seconds(delivery.tries)
            self._store.record_try(delivery, answer, next_at)
        finally:
            del self._under_way[delivery.number]
            self.wake()

    def _retry_seconds(self, tries: int) -> float:
        return min(self._config.webhook_retry_seconds * 2.0**tries, self._config.webhook_retry_max_seconds)

    async def _try(self, client: httpx.AsyncClient, delivery: Delivery) -> tuple[str, bool]:
        """One POST; what came back, and whether that ends the delivery. A redirect is a permanent failure."""
        try:
            async with asyncio.timeout(self._config.webhook_timeout_seconds):
                response = await client.post(delivery.url, content=delivery.body, headers=self.headers(delivery))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return type(error).__name__, isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol)
        return str(response.status_code), response.status_code < 400

    def headers(self, delivery: Delivery) -> dict[str, str]:
        mood = delivery.mood
        user_id = mood.webhook_user_id or self._config.user_id
        # Each try is signed anew over the same body, so that a late retry is not stale by itself.
        timestamp = str(int(time.time()) + mood.webhook_timestamp_offset_seconds)
        signature = self._signature(delivery, user_id, timestamp)
        if mood.webhook_bad_signature:
            half = len(signature) // 2
            signature = signature[half:] + signature[:half]
        return {
            "Content-Type": "application/json",
            "User-Agent": "fal-webhook",
            "X-Fal-Webhook-Request-Id": delivery.request_id,
            "X-Fal-Webhook-User-Id": user_id,
            "X-Fal-Webhook-Timestamp": timestamp,
            "X-Fal-Webhook-Signature": signature,
        }

    def _signature(self, delivery: Delivery, user_id: str, timestamp: str) -> str:
        is_strange, request_id, body = delivery.mood.webhook_unknown_key, delivery.request_id, delivery.body
        if self._config.webhook_secret:
            secret = STRANGER if is_strange else self._config.webhook_secret.encode()
            return sign_as_relay(secret, request_id=request_id, timestamp=timestamp, body=body)
        key = STRANGER if is_strange else self._keyring.current
        return sign(key, request_id=request_id, user_id=user_id, timestamp=timestamp, body=body)
