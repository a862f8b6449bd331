"""A thread behind a bounded queue that fails and stops together with whoever feeds it."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from studio.media.errors import HouseFault

PATIENCE_SECONDS = 120.0

Item = TypeVar("Item")


class StageCancelled(Exception):
    """Raised inside the thread when its feeder has given up."""


class StageStuck(HouseFault):
    code = "stage_stuck"
    message = "The studio's own machine did not keep up."


class Stage(Generic[Item]):
    """Runs `work` over the items put in; leaving the context ends it, however far it got.

    At most `depth` items wait. What `work` raises comes out of put() and finish(), and so does StageStuck when nothing
    has moved for PATIENCE_SECONDS.
    """

    def __init__(self, name: str, work: Callable[[Iterator[Item]], None], *, depth: int) -> None:
        self._changed = threading.Condition()
        self._items: deque[Item] = deque()
        self._depth = depth
        self._ended = self._cancelled = self._done = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), name=f"media-{name}", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Waits for room; an item that comes after `work` has returned is dropped."""
        with self._changed:
            self._wait_for(lambda: len(self._items) < self._depth or self._done)
            if not self._done:
                self._items.append(item)
                self._changed.notify_all()

    def end(self) -> None:
        """Says that nothing more comes, without waiting."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def finish(self) -> None:
        """Waits until everything put in has been worked through."""
        self.end()
        with self._changed:
            self._wait_for(lambda: self._done)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()
        self._thread.join(PATIENCE_SECONDS)

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        in_time = self._changed.wait_for(condition, PATIENCE_SECONDS)
        if self._error is not None:
            raise self._error
        if not in_time:
            raise StageStuck(self._thread.name)

    def _run(self, work: Callable[[Iterator[Item]], None]) -> None:
        try:
            work(self._arriving())
        except BaseException as error:  # noqa: BLE001 - whatever it was, the feeder must hear of it
            self._error = error
        finally:
            with self._changed:
                self._done = True
                self._items.clear()
                self._changed.notify_all()

    def _arriving(self) -> Iterator[Item]:
        while True:
            with self._changed:
                in_time = self._changed.wait_for(
                    lambda: self._items or self._ended or self._cancelled, PATIENCE_SECONDS
                )
                if self._cancelled:
                    raise StageCancelled
                if not in_time:
                    raise StageStuck(self._thread.name)
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
