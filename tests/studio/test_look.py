"""The display-only look at fal: for whom, how often, and that it settles nothing."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from studio import live, redis_server, rounds, sweep
from studio.fal.answers import generation_failed
from studio.fal.errors import Said, Unreachable
from studio.fal.interface import LogLine, Status
from studio.fal.mock import MockFalClient
from studio.models import Event, Generation, User
from studio.states import GenerationState as State
from tests.studio.people import ONE_SONG, aged, money_of, names_of, put, submitted


@pytest.fixture(autouse=True)
def slots(settings: Settings) -> None:
    settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = 4


@pytest.fixture
def watched(ada: User) -> Iterator[User]:
    live.watch(ada.pk)
    yield ada
    redis_server.connection().delete(f"neoapex:watched:{ada.pk}")


def due(generation: Generation) -> Generation:
    return aged(generation, look_at=1)


def looked_at(generation: Generation) -> Generation:
    sweep.look()
    return Generation.objects.get(pk=generation.pk)


def looks(fal: MockFalClient) -> int:
    return sum(call.operation == "status" for call in fal.calls)


def test_nobody_is_looked_at_whom_nobody_watches(ada: User, fal: MockFalClient) -> None:
    due(submitted(ada))
    sweep.look()
    assert looks(fal) == 0


def test_only_the_watched_persons_songs_are_looked_at(watched: User, bo: User, fal: MockFalClient) -> None:
    mine = due(submitted(watched))
    due(submitted(bo))
    sweep.look()
    assert [call.request_id for call in fal.calls if call.operation == "status"] == [mine.request_id]


def test_the_first_look_waits_and_the_next_ones_come_at_most_every_fifteen_seconds(
    watched: User, fal: MockFalClient
) -> None:
    generation = submitted(watched)
    sweep.look()
    assert looks(fal) == 0
    due(generation)
    seen = looked_at(generation)
    sweep.look()
    assert (looks(fal), seen.looks) == (1, 1)
    assert seen.look_at is not None
    assert timedelta(seconds=14) < seen.look_at - timezone.now() <= timedelta(seconds=15)


def test_running_is_shown_with_its_time_and_told(watched: User, fal: MockFalClient) -> None:
    generation = due(submitted(watched))
    fal.advance(str(generation.request_id), Status("IN_PROGRESS"))
    seen = looked_at(generation)
    assert (seen.state, seen.queue_position) == (State.RUNNING, None)
    assert seen.running_at is not None
    last = Event.objects.order_by("pk").last()
    assert last is not None
    assert (last.name, last.data) == ("job_progress", {"state": "RUNNING"})


def test_a_new_place_in_fals_line_is_told_once(watched: User, fal: MockFalClient) -> None:
    generation = submitted(watched)
    before = len(names_of(generation))
    for _ in range(3):
        fal.advance(str(generation.request_id), Status("IN_QUEUE", 7))
        seen = looked_at(due(generation))
    assert seen.queue_position == 7
    assert len(names_of(generation)) == before + 1


def test_fals_logs_are_passed_on_shortened(watched: User, fal: MockFalClient) -> None:
    lines: list[LogLine] = [{"message": f"{number} " + "x" * 900, "timestamp": ""} for number in range(9)]
    lines.append({"message": "odd \0 one \ud800", "timestamp": ""})
    generation = put(submitted(watched), State.RUNNING)
    fal.advance(str(generation.request_id), Status("IN_PROGRESS", logs=lines))
    looked_at(due(generation))
    last = Event.objects.order_by("pk").last()
    assert last is not None
    assert [len(line) for line in last.data["logs"]] == [500, 500, 500, 500, 10]
    assert last.data["logs"][-1] == "odd  one ?"


def test_a_running_song_that_fal_puts_back_in_line_stays_running(watched: User, fal: MockFalClient) -> None:
    generation = due(put(submitted(watched), State.RUNNING))
    fal.advance(str(generation.request_id), Status("IN_QUEUE", 2))
    assert looked_at(generation).state == State.RUNNING


@pytest.mark.parametrize("good", [True, False])
def test_a_look_settles_nothing(watched: User, fal: MockFalClient, good: bool) -> None:
    generation = due(submitted(watched))
    if good:
        fal.advance(str(generation.request_id))
    else:
        fal.fail(str(generation.request_id), generation_failed(Said(500), None))
    assert looked_at(generation).state == State.SUBMITTED
    assert money_of(watched) == (ONE_SONG, 0)
    assert not any(call.operation == "result" for call in fal.calls)


def test_without_a_public_address_looking_settles_whoever_watches(
    ada: User, fal: MockFalClient, settings: Settings
) -> None:
    settings.SETTLE_BY_POLLING = True
    good, bad = due(submitted(ada)), due(submitted(ada))
    fal.advance(str(good.request_id))
    fal.fail(str(bad.request_id), generation_failed(Said(500), None))
    assert looked_at(good).state == State.INGESTING
    assert Generation.objects.get(pk=bad.pk).state == State.FAILED
    assert money_of(ada) == (0, ONE_SONG)


def test_one_look_that_breaks_does_not_stop_the_next(watched: User, fal: MockFalClient) -> None:
    first, second = due(submitted(watched)), due(submitted(watched))
    aged(first, look_at=60)
    fal.will_raise("status", RuntimeError("a bug of ours"))  # type: ignore[arg-type] # what nobody expects
    fal.advance(str(second.request_id), Status("IN_PROGRESS"))
    assert looked_at(second).state == State.RUNNING
    assert Generation.objects.get(pk=first.pk).state == State.SUBMITTED


def test_a_fal_out_of_reach_costs_one_look_and_no_state(watched: User, fal: MockFalClient) -> None:
    generation = due(submitted(watched))
    fal.will_raise("status", Unreachable())
    seen = looked_at(generation)
    assert (seen.state, seen.looks) == (State.SUBMITTED, 1)
    sweep.look()
    assert looks(fal) == 1


@pytest.mark.parametrize("state", [State.LOST, State.INGESTING, State.FAILED])
def test_only_songs_in_a_slot_are_looked_at(watched: User, fal: MockFalClient, state: State) -> None:
    due(put(submitted(watched), state))
    sweep.look()
    assert looks(fal) == 0


def test_a_song_that_was_settled_during_the_look_stays_settled(watched: User, fal: MockFalClient) -> None:
    generation = due(submitted(watched))
    stale = Generation.objects.get(pk=generation.pk)
    put(generation, State.INGESTING)
    sweep._show(stale, Status("IN_PROGRESS"))
    assert Generation.objects.get(pk=generation.pk).state == State.INGESTING


def test_a_look_beside_another_asks_about_nobody(watched: User, fal: MockFalClient) -> None:
    due(submitted(watched))
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [rounds.LOOKING_LOCK])
        sweep.look()
        cursor.execute("SELECT pg_advisory_unlock(%s)", [rounds.LOOKING_LOCK])
    other.close()
    assert looks(fal) == 0
    sweep.look()
    assert looks(fal) == 1


def test_two_looks_at_once_ask_about_each_once(watched: User, fal: MockFalClient) -> None:
    first, second = due(submitted(watched)), due(submitted(watched))
    slow = sweep._to_look_at()
    assert next(slow) in {first, second}
    sweep.look()
    assert list(slow) == []
    assert looks(fal) == 1
