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


def test_a_ring_waits_for_the_commit(db: None, sent: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        doorbell.ring_on_commit("studio.dispatch")
        assert sent == []
    assert [task for task, _ in sent] == ["studio.dispatch"]


class Bell:
    """Holds the ringing thread up until it is let go, and notes what it rang."""

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.goes_on = threading.Event()
        self.at_it = threading.Semaphore(0)

    def __call__(self, task: str) -> None:
        self.rung.append(task)
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
