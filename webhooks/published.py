"""What fal publishes for everybody, its keys and its addresses: fetched when needed, kept at most a day."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import httpx

from webhooks.errors import OutOfReach, WouldWait

logger = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 3600
# Between two looks for something newer, and after a failed one: a flood of forgeries costs fal one fetch a minute.
COOLDOWN_SECONDS = 60
MAX_BYTES = 64 * 1024
MAX_SECONDS = 10

Thing = TypeVar("Thing")


@dataclass
class Published(Generic[Thing]):
    """A list at an address of fal's, and what to raise while it can't be had. `parse` raises ValueError for no list."""

    url: str
    parse: Callable[[object], Sequence[Thing]]
    unreachable: type[OutOfReach]
    _things: Sequence[Thing] = ()
    _fetched_at: float = float("-inf")
    _tried_at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def current(self, *, may_wait: bool = True) -> Sequence[Thing]:
        """:raises OutOfReach: nothing is known, and nothing could be had within the last minute, or without waiting."""
        if time.monotonic() - self._fetched_at > KEPT_SECONDS:
            self._fetch(may_wait)
        if time.monotonic() - self._fetched_at > KEPT_SECONDS:
            raise self.unreachable
        return self._things

    def newer(self, than: Sequence[Thing], *, may_wait: bool = True) -> Sequence[Thing]:
        """What came since, after one more look if the last was long enough ago; else nothing.

        :raises OutOfReach: the last look failed, or would have to be waited for: so there may be something newer.
        """
        self._fetch(may_wait)
        if self._things is not than:
            return self._things
        if self._tried_at > self._fetched_at:
            raise self.unreachable
        return ()

    def age_seconds(self) -> float | None:
        """How long ago the list was fetched; None where this process has not needed it yet."""
        age = time.monotonic() - self._fetched_at
        return None if age == float("inf") else age

    def count(self) -> int:
        return len(self._things)

    def _fetch(self, may_wait: bool) -> None:
        if not self._lock.acquire(blocking=may_wait):
            raise WouldWait
        try:
            if time.monotonic() - self._tried_at < COOLDOWN_SECONDS:
                return
            if not may_wait:
                raise WouldWait
            self._fetch_now()
        finally:
            self._lock.release()

    def _fetch_now(self) -> None:
        self._tried_at = time.monotonic()
        try:
            self._things = self.parse(_fetch(self.url))
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            logger.warning("not fetched from fal", extra={"what": self.url, "error": type(error).__name__})
            return
        self._fetched_at = time.monotonic()


def _fetch(url: str) -> object:
    give_up_at = time.monotonic() + MAX_SECONDS
    with (
        httpx.Client(timeout=5, follow_redirects=False, trust_env=False) as client,
        client.stream("GET", url, headers={"Accept": "application/json"}) as response,
    ):
        response.raise_for_status()
        if response.status_code != 200:
            raise ValueError("no answer with a document")
        text = b""
        for block in response.iter_bytes():
            text += block
            if len(text) > MAX_BYTES or time.monotonic() > give_up_at:
                raise ValueError("the document is too large or too slow")
    document: object = httpx.Response(200, content=text).json()
    return document
