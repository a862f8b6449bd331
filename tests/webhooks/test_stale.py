"""Signed callbacks with an old time: good for one question to fal, and no way to make us ask often."""

from typing import Any
from uuid import uuid4

import pytest
from pytest_django import Settings

from studio import sweep
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.people import put, song, submitted, unanswered
from tests.webhooks.conftest import Door
from tests.webhooks.delivering import ok
from tests.webhooks.signing import ok_body
from webhooks import stale
from webhooks.stale import Memory


def row_of(generation: Generation) -> dict[str, Any]:
    return dict(Generation.objects.values().get(pk=generation.pk))


def questions(fal: MockFalClient) -> int:
    return sum(call.operation == "status" for call in fal.calls)


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stale, "time", clock)
    return clock


def test_one_stale_callback_sent_again_and_again_makes_us_ask_once(
    door: Door, generation: Generation, fal: MockFalClient, clock: Clock
) -> None:
    body = ok(generation)
    for _ in range(10):
        for _ in range(5):
            assert door.deliver(generation, body, age_seconds=400) == 403
        sweep.sweep()
        clock.now += 15
    assert questions(fal) == 1
    clock.now += stale.ONCE_IN_SECONDS
    door.deliver(generation, body, age_seconds=400)
    sweep.sweep()
    assert questions(fal) == 2


def test_a_repeat_of_it_costs_no_query(door: Door, generation: Generation, django_assert_num_queries: Any) -> None:
    body = ok(generation)
    door.deliver(generation, body, age_seconds=400)
    with django_assert_num_queries(0):
        for age in (400, 500, -400):
            assert door.deliver(generation, body, age_seconds=age) == 403


def test_it_can_not_be_turned_against_other_songs(door: Door, ada: User, bo: User, settings: Settings) -> None:
    """The address is not signed, so whoever has seen one callback can send it to any."""
    settings.NEOAPEX_FAL_SLOTS = 3
    seen, other = submitted(ada), put(submitted(bo), State.RUNNING)
    lost = unanswered(bo)
    before = row_of(other)
    headers = door._signer.headers(ok(seen), str(seen.request_id), age_seconds=400)
    assert door.post(other.pk, ok(seen), headers).status_code == 403
    assert row_of(other) == before
    stale.memory.cache_clear()
    assert door.post(lost.pk, ok(seen), headers).status_code == 403
    assert Generation.objects.get(pk=lost.pk).request_id is None


@pytest.mark.parametrize("state", [State.READY, State.FAILED, State.CANCELLED, State.INGESTING, State.QUEUED])
def test_it_moves_nothing_that_is_not_at_fal(door: Door, generation: Generation, state: State) -> None:
    put(generation, state)
    before = row_of(generation)
    assert door.deliver(generation, ok(generation), age_seconds=400) == 403
    assert row_of(generation) == before


def test_for_a_song_that_nobody_knows_it_does_nothing(door: Door, generation: Generation) -> None:
    before = row_of(generation)
    headers = door._signer.headers(ok_body("r", song()), "r", age_seconds=400)
    assert door.post(uuid4(), ok_body("r", song()), headers).status_code == 403
    assert row_of(generation) == before


def test_the_memory_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stale, "REMEMBERED", 3)
    memory = Memory()
    assert [memory.is_news(name) for name in ("a", "b", "c", "a", "d", "a", "b")] == [
        True, True, True, False, True, True, True,
    ]  # fmt: skip
    assert len(memory._heard) == 3
