"""A stage and its feeder live and die together."""

import threading
from collections.abc import Iterator

import pytest

from studio.media import stage
from studio.media.stage import Stage, StageCancelled, StageStuck


def takes_one(items: Iterator[int]) -> None:
    next(items)


def takes_all(items: Iterator[int]) -> None:
    list(items)


def hangs(released: threading.Event) -> None:
    released.wait(10)


def put_many(running: Stage[int]) -> None:
    for number in range(1000):
        running.put(number)


def test_everything_put_in_is_worked_through_in_order() -> None:
    seen: list[int] = []
    with Stage[int]("test", seen.extend, depth=2) as running:
        for number in range(1000):
            running.put(number)
        running.finish()
    assert seen == list(range(1000))


def test_no_more_than_its_depth_ever_waits() -> None:
    waiting: list[int] = []
    opened = threading.Event()

    def work(items: Iterator[int]) -> None:
        opened.wait(10)
        for _ in items:
            waiting.append(len(running._items))

    with Stage[int]("test", work, depth=3) as running:
        for number in range(3):
            running.put(number)
        opened.set()
        for number in range(100):
            running.put(number)
        running.finish()
    assert max(waiting) <= 3


def test_what_work_raises_comes_out_of_put_and_finish() -> None:
    def work(items: Iterator[int]) -> None:
        next(items)
        raise ValueError("dead")

    with Stage[int]("test", work, depth=1) as running:
        with pytest.raises(ValueError, match="dead"):
            put_many(running)
        with pytest.raises(ValueError, match="dead"):
            running.finish()


def test_leaving_early_cancels_the_work() -> None:
    ended: list[str] = []

    def work(items: Iterator[int]) -> None:
        try:
            for _ in items:
                pass
        except StageCancelled:
            ended.append("cancelled")
            raise

    with Stage[int]("test", work, depth=1) as running:
        running.put(1)
    assert ended == ["cancelled"]


def test_work_that_returns_early_swallows_the_rest() -> None:
    with Stage[int]("test", takes_one, depth=1) as running:
        for number in range(1, 100):
            running.put(number)
        running.finish()
    assert len(running._items) == 0


def test_a_stage_that_does_not_move_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "PATIENCE_SECONDS", 0.05)
    released = threading.Event()
    with Stage[int]("test", lambda _: hangs(released), depth=1) as running:
        running.put(1)
        with pytest.raises(StageStuck):
            running.put(2)
        with pytest.raises(StageStuck):
            running.finish()
        released.set()


def test_work_whose_feeder_falls_silent_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "PATIENCE_SECONDS", 0.05)
    with Stage[int]("test", takes_all, depth=1) as running:
        running._thread.join(10)
        assert not running._thread.is_alive()
        with pytest.raises(StageStuck):
            running.finish()
