"""Rings for workers: bundled, after the commit, and never their caller's trouble."""

import threading
from typing import Any

import pytest
from celery import current_app
from kombu.exceptions import OperationalError

from studio import doorbell

SECONDS = 10


@pytest.fixture(autouse=True)
def rings() -> None:
    """In place of the fixture of this name that silences the bell: here it rings."""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    messages: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, **how: messages.append((task, how)))
    return messages


def test_a_ring_is_one_message_that_is_not_tried_again(sent: list[Any]) -> None:
    doorbell.ring("studio.ingest", track_id="7")
    assert sent == [("studio.ingest", {"kwargs": {"track_id": "7"}, "retry": False})]


def test_a_broker_that_is_away_is_not_the_callers_trouble(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(current_app, "send_task", away)
    doorbell.ring("studio.sweep")
    assert "doorbell not heard" in caplog.text


def test_a_ring_waits_for_the_commit(
    db: None, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    rung: list[Any] = []
    monkeypatch.setattr(doorbell, "ring_soon", lambda task, **ids: rung.append((task, ids)))
    with django_capture_on_commit_callbacks(execute=True):
        doorbell.ring_on_commit("studio.ingest", track_id="7")
        assert rung == []
    assert rung == [("studio.ingest", {"track_id": "7"})]


class Bell:
    """Holds the ringing thread up until it is let go, and notes what it rang."""

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.ids: list[dict[str, str]] = []
        self.goes_on = threading.Event()
        self.at_it = threading.Semaphore(0)

    def __call__(self, task: str, **ids: str) -> None:
        self.rung.append(task)
        self.ids.append(ids)
        self.at_it.release()
        if task == "breaks":
            raise RuntimeError("a broker with a fault that nobody knows")
        assert self.goes_on.wait(SECONDS)


@pytest.fixture
def bell(monkeypatch: pytest.MonkeyPatch) -> Bell:
    monkeypatch.setattr(doorbell, "SOON_SECONDS", 0)
    stand_in = Bell()
    monkeypatch.setattr(doorbell, "ring", stand_in)
    return stand_in


def test_a_burst_of_rings_is_one_message_for_each_task(bell: Bell) -> None:
    ringer = doorbell._Ringer()
    ringer.want("first")
    assert bell.at_it.acquire(timeout=SECONDS)
    for _ in range(50):
        ringer.want("burst")
    bell.goes_on.set()
    assert bell.at_it.acquire(timeout=SECONDS)
    ringer.want("last")
    assert bell.at_it.acquire(timeout=SECONDS)
    assert bell.rung == ["first", "burst", "last"]


def test_the_ringing_thread_outlives_a_fault_of_the_broker(bell: Bell, caplog: pytest.LogCaptureFixture) -> None:
    bell.goes_on.set()
    ringer = doorbell._Ringer()
    for task in ("breaks", "rings again"):
        ringer.want(task)
        assert bell.at_it.acquire(timeout=SECONDS)
    assert bell.rung == ["breaks", "rings again"]
    assert "doorbell broken" in caplog.text


def test_rings_about_different_things_are_all_rung_in_their_order(bell: Bell) -> None:
    ringer = doorbell._Ringer()
    ringer.want("first")
    assert bell.at_it.acquire(timeout=SECONDS)
    for track in ("1", "2", "1", "3"):
        ringer.want("ingest", track_id=track)
    bell.goes_on.set()
    for _ in range(3):
        assert bell.at_it.acquire(timeout=SECONDS)
    assert bell.ids[1:] == [{"track_id": "1"}, {"track_id": "2"}, {"track_id": "3"}]


def test_a_broker_that_hangs_holds_up_nobody_and_fills_no_memory(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorbell, "MOST_WANTED", 5)
    ringer = doorbell._Ringer()
    ringer.want("hangs")
    assert bell.at_it.acquire(timeout=SECONDS)
    for number in range(100):
        ringer.want("ingest", track_id=str(number))
    assert len(ringer._wanted) == 5
    ringer.finish(0.01)
    bell.goes_on.set()
    ringer.finish(SECONDS)
    assert len(bell.rung) == 6


def test_a_process_that_ends_rings_for_what_it_was_asked_for(bell: Bell) -> None:
    bell.goes_on.set()
    ringer = doorbell._Ringer()
    ringer.want("last words")
    ringer.finish(SECONDS)
    assert bell.rung == ["last words"]
