"""The periodic look: whom it asks about, when it gives a song up, and that no one of many stops the others."""

from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from studio import dispatch, generations, rounds, settling, sweep
from studio.fal.answers import generation_failed
from studio.fal.errors import Ambiguous, FalError, NotFinished, NotFound, Said, Unreachable
from studio.fal.interface import Status
from studio.fal.mock import MockFalClient
from studio.models import Generation, IdempotencyKey, User
from studio.states import GenerationState as State
from tests.studio.fixtures import Rings
from tests.studio.people import (
    ONE_SONG,
    aged,
    asked_for,
    house_micros,
    kinds_of,
    make_ready,
    make_unreadable,
    money_of,
    person,
    put,
    song,
    submitted,
    unanswered,
)

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
IN_PROGRESS = Status("IN_PROGRESS")


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> Settings:
    settings.NEOAPEX_SWEEP_AFTER, settings.NEOAPEX_LOST_AFTER = 300, 1800
    settings.NEOAPEX_LOST_RELEASE, settings.NEOAPEX_QUEUE_TIMEOUT = 86_400, 3600
    settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = 5
    return settings


def swept(generation: Generation) -> Generation:
    sweep.sweep()
    return Generation.objects.get(pk=generation.pk)


def silent(generation: Generation, seconds: float, state: State = State.SUBMITTED) -> Generation:
    """In a state, without a sign of life for so long, and due to be asked about."""
    return aged(put(generation, state, ask_at=None), last_sign_at=seconds)


def asked(fal: MockFalClient, operation: str = "status") -> int:
    return sum(call.operation == operation for call in fal.calls)


def request_of(generation: Generation) -> str:
    assert generation.request_id is not None
    return generation.request_id


# --- Asking -----------------------------------------------------------------------------------------------------------


def test_nobody_asks_about_a_song_with_a_recent_sign_of_life(ada: User, fal: MockFalClient) -> None:
    silent(submitted(ada), 4 * MINUTE)
    sweep.sweep()
    assert asked(fal) == 0


@pytest.mark.parametrize("state", [State.SUBMITTED, State.RUNNING, State.LOST])
def test_an_overdue_song_that_fal_has_finished_is_settled(ada: User, fal: MockFalClient, state: State) -> None:
    generation = silent(submitted(ada), 6 * MINUTE, state)
    fal.advance(request_of(generation))
    done = swept(generation)
    assert (done.state, done.tracks.count()) == (State.INGESTING, 1)
    assert money_of(ada) == (0, ONE_SONG)


def test_an_overdue_song_that_failed_at_fal_is_released(ada: User, fal: MockFalClient) -> None:
    generation = silent(submitted(ada), 6 * MINUTE)
    fal.fail(request_of(generation), generation_failed(Said(500), None))
    assert swept(generation).state == State.FAILED
    assert money_of(ada) == (0, 0)


def test_a_song_that_fal_still_works_on_gets_a_sign_of_life(ada: User, fal: MockFalClient) -> None:
    generation = silent(submitted(ada), 6 * MINUTE)
    fal.advance(request_of(generation), IN_PROGRESS)
    alive = swept(generation)
    assert alive.state == State.RUNNING
    assert alive.last_sign_at is not None
    assert timezone.now() - alive.last_sign_at < timedelta(seconds=30)
    assert money_of(ada) == (ONE_SONG, 0)


@pytest.mark.parametrize(
    ("state", "expected"),
    [(State.SUBMITTED, [15, 30, 60, 120, 240, 300, 300]), (State.LOST, [15, 30, 60, 120, 240, 480, 900])],
)
def test_the_pauses_between_two_questions_grow_and_stay_below_what_fal_keeps_a_long_result(
    ada: User, fal: MockFalClient, state: State, expected: list[int]
) -> None:
    generation = submitted(ada)
    pauses = []
    for _ in expected:
        fal.will_raise("status", Unreachable())
        asking = swept(silent(generation, 6 * MINUTE, state))
        assert asking.ask_at is not None
        pauses.append(round((asking.ask_at - timezone.now()).total_seconds()))
    assert pauses == expected


def test_what_fal_forgets_next_is_asked_about_first(ada: User, fal: MockFalClient) -> None:
    """Who was silent for more than an hour has nothing left to lose; of the others the longest silent comes first."""
    ages = (7 * MINUTE, 25 * HOUR, 50 * MINUTE, 2 * HOUR, 20 * MINUTE)
    songs = {age: silent(submitted(ada), age, State.LOST) for age in ages}
    fal.calls.clear()
    sweep.sweep()
    asked_about = [call.request_id for call in fal.calls if call.operation == "status"]
    order = [age for request_id in asked_about for age in ages if songs[age].request_id == request_id]
    assert order[:3] == [50 * MINUTE, 20 * MINUTE, 7 * MINUTE]


def test_nobody_is_asked_about_twice_within_a_pause(ada: User, fal: MockFalClient) -> None:
    fal.will_raise("status", Unreachable())
    silent(submitted(ada), 6 * MINUTE)
    for _ in range(3):
        sweep.sweep()
    assert asked(fal) == 1


def test_a_song_whose_submit_was_never_answered_can_not_be_asked_about(ada: User, fal: MockFalClient) -> None:
    fal.will_raise("submit", Ambiguous())
    generation = asked_for(ada)
    dispatch.dispatch()
    silent(generation, 6 * MINUTE)
    assert swept(generation).state == State.SUBMITTED
    assert asked(fal) == 0


@pytest.mark.parametrize("error", [Unreachable(), NotFound()])
def test_a_fal_that_does_not_tell_changes_nothing(ada: User, fal: MockFalClient, error: FalError) -> None:
    generation = silent(submitted(ada), 6 * MINUTE)
    fal.will_raise("status", error)
    assert swept(generation).state == State.SUBMITTED
    assert money_of(ada) == (ONE_SONG, 0)


@pytest.mark.parametrize("error", [Unreachable(), NotFound(), NotFinished()])
def test_a_finished_song_without_a_result_waits(ada: User, fal: MockFalClient, error: FalError) -> None:
    generation = silent(submitted(ada), 6 * MINUTE)
    fal.advance(request_of(generation))
    fal.will_raise("result", error)
    assert swept(generation).state == State.SUBMITTED


# --- Lost -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.SUBMITTED, State.RUNNING])
def test_half_an_hour_of_silence_means_lost_with_the_money_still_held(
    ada: User, fal: MockFalClient, state: State
) -> None:
    generation = silent(submitted(ada), 31 * MINUTE, state)
    fal.will_raise("status", Unreachable())
    lost = swept(generation)
    assert (lost.state, lost.reason_code, lost.finished_at) == (State.LOST, "no_sign_of_life", None)
    assert money_of(ada) == (ONE_SONG, 0)
    assert Generation.objects.in_slot().count() == 0


def test_a_song_without_a_request_id_is_lost_and_then_released(ada: User, fal: MockFalClient) -> None:
    generation = silent(unanswered(ada), 31 * MINUTE)
    assert swept(generation).state == State.LOST
    released = swept(silent(generation, 25 * HOUR, State.LOST))
    assert (released.state, released.reason_code) == (State.FAILED, "lost")
    assert kinds_of(generation) == ["HOLD", "RELEASE"]


def test_a_song_that_fal_answers_about_is_not_lost_however_long_it_was_silent(ada: User, fal: MockFalClient) -> None:
    generation = silent(submitted(ada), 5 * HOUR)
    assert swept(generation).state == State.SUBMITTED
    assert money_of(ada) == (ONE_SONG, 0)


def test_a_lost_song_is_asked_about_until_it_is_released(ada: User, fal: MockFalClient) -> None:
    generation = silent(submitted(ada), 2 * HOUR, State.LOST)
    fal.advance(request_of(generation))
    assert swept(generation).state == State.INGESTING
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), 0)


def test_a_day_without_any_record_gives_the_money_back(ada: User, fal: MockFalClient) -> None:
    generation = silent(submitted(ada), 25 * HOUR, State.LOST)
    fal.will_raise("status", NotFound(), NotFound())
    released = swept(generation)
    assert (released.state, released.reason_code, released.reason_whose) == (State.FAILED, "lost", "fal")
    assert money_of(ada) == (0, 0)


@pytest.mark.parametrize("failed", [False, True])
def test_an_outcome_that_the_last_question_brings_is_the_outcome(
    ada: User, fal: MockFalClient, failed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    generation = silent(submitted(ada), 25 * HOUR, State.LOST)
    fal.advance(request_of(generation))
    if failed:
        fal.fail(request_of(generation), generation_failed(Said(500), None))
    ended = swept(generation)
    assert ended.state == (State.FAILED if failed else State.INGESTING)
    assert ended.reason_code != "lost"
    assert kinds_of(generation) == ["HOLD", "RELEASE" if failed else "CHARGE"]
    assert "failed on one" not in caplog.text


def test_a_fal_out_of_reach_for_the_last_question_is_asked_again_before_the_money_goes_back(
    ada: User, fal: MockFalClient
) -> None:
    generation = silent(submitted(ada), 25 * HOUR, State.LOST)
    fal.will_raise("status", Unreachable())
    assert swept(generation).state == State.LOST
    assert money_of(ada) == (ONE_SONG, 0)
    fal.advance(request_of(generation))
    assert swept(generation).state == State.LOST
    put(generation, State.LOST, ask_at=None)
    assert swept(generation).state == State.INGESTING


def test_a_song_that_fal_finished_is_not_released_while_its_result_is_out_of_reach(
    ada: User, fal: MockFalClient
) -> None:
    generation = silent(submitted(ada), 25 * HOUR, State.LOST)
    fal.advance(request_of(generation))
    fal.will_raise("result", Unreachable(), Unreachable())
    assert swept(generation).state == State.LOST
    assert money_of(ada) == (ONE_SONG, 0)


def test_a_fal_out_of_reach_for_good_gives_the_money_back_all_the_same(ada: User, fal: MockFalClient) -> None:
    generation = silent(submitted(ada), 49 * HOUR, State.LOST)
    fal.will_raise("status", Unreachable(), Unreachable())
    released = swept(generation)
    assert (released.state, released.reason_code) == (State.FAILED, "lost")
    assert money_of(ada) == (0, 0)


@pytest.mark.parametrize("status", [IN_PROGRESS, Status("IN_QUEUE", 3)])
def test_nothing_is_released_that_fal_still_works_on(ada: User, fal: MockFalClient, status: Status) -> None:
    generation = silent(submitted(ada), 25 * HOUR, State.LOST)
    fal.advance(request_of(generation), status)
    assert swept(generation).state == State.LOST
    assert money_of(ada) == (ONE_SONG, 0)


def test_the_money_stays_until_the_pause_before_the_last_question_is_over(ada: User, fal: MockFalClient) -> None:
    generation = silent(submitted(ada), 25 * HOUR, State.LOST)
    put(generation, State.LOST, ask_at=timezone.now() + timedelta(minutes=10))
    fal.will_raise("status", NotFound())
    assert swept(generation).state == State.LOST
    assert (money_of(ada), asked(fal)) == ((ONE_SONG, 0), 0)
    put(generation, State.LOST, ask_at=None)
    assert swept(generation).state == State.FAILED
    assert (money_of(ada), asked(fal)) == ((0, 0), 1)


def test_a_live_song_is_asked_about_in_time_however_short_the_limits(
    ada: User, fal: MockFalClient, limits: Settings
) -> None:
    """The longest pause is below the time that means lost; else a song that fal works on would be lost between two."""
    limits.NEOAPEX_SWEEP_AFTER, limits.NEOAPEX_LOST_AFTER, limits.NEOAPEX_LOST_RELEASE = 2, 20, 40
    generation = submitted(ada)
    fal.advance(request_of(generation), IN_PROGRESS)
    for _ in range(12):
        asking = swept(aged(generation, last_sign_at=3))
        assert asking.ask_at is not None
        assert asking.ask_at - timezone.now() <= timedelta(seconds=10)
        put(generation, State(asking.state), ask_at=None)
    assert asked(fal) == 12


def test_none_is_lost_about_whom_a_round_had_no_time_to_ask(
    ada: User, fal: MockFalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "BEGIN_SECONDS", -1.0)
    generation = silent(submitted(ada), 31 * MINUTE)
    assert swept(generation).state == State.SUBMITTED
    assert asked(fal) == 0


def test_two_sweeps_at_once_ask_once(ada: User, fal: MockFalClient, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = silent(submitted(ada), 6 * MINUTE)
    stale = list(sweep._overdue())
    fal.advance(request_of(generation), IN_PROGRESS)
    sweep.sweep()
    assert list(sweep._asked_in_turn(stale)) == []


def test_a_song_that_was_settled_before_its_turn_came_is_not_asked_about(ada: User, fal: MockFalClient) -> None:
    generation = silent(submitted(ada), 6 * MINUTE)
    due = list(sweep._overdue())
    assert due == [generation]
    put(generation, State.READY)
    assert list(sweep._asked_in_turn(due)) == []
    assert Generation.objects.get(pk=generation.pk).asks == 0


def test_a_sweep_beside_one_that_asks_still_rings_and_frees(ada: User, fal: MockFalClient, rings: Rings) -> None:
    silent(submitted(ada), 6 * MINUTE)
    timed_out = aged(asked_for(ada), created_at=2 * HOUR)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [rounds.ASKING_LOCK])
    assert swept(timed_out).state == State.FAILED
    other.close()
    assert asked(fal) == 0


# --- Waiting too long -------------------------------------------------------------------------------------------------


def test_an_hour_in_line_ends_the_wait_and_gives_the_money_back(ada: User) -> None:
    generation = aged(asked_for(ada), created_at=61 * MINUTE)
    ended = swept(generation)
    assert (ended.state, ended.reason_code, ended.reason_whose) == (State.FAILED, "queue_timeout", "fal")
    assert ended.reason_message
    assert kinds_of(generation) == ["HOLD", "RELEASE"]


def test_a_song_that_waits_for_less_stays_in_line(ada: User) -> None:
    generation = aged(asked_for(ada), created_at=59 * MINUTE)
    assert swept(generation).state == State.QUEUED


def test_a_song_at_fal_does_not_time_out_by_its_age(ada: User) -> None:
    generation = aged(submitted(ada), created_at=5 * HOUR)
    assert swept(generation).state == State.SUBMITTED


# --- Rings and leftovers ----------------------------------------------------------------------------------------------


def test_songs_that_wait_and_tracks_that_are_due_are_rung_for(ada: User, rings: Rings) -> None:
    generation = submitted(ada)
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    asked_for(ada)
    rings.clear()
    sweep.sweep()
    track = generation.tracks.get()
    assert rings == [("studio.ingest", {"track_id": str(track.pk)}), ("studio.dispatch", {})]


def test_nothing_to_do_rings_nowhere(ada: User, rings: Rings) -> None:
    waiting = asked_for(ada)
    Generation.objects.filter(pk=waiting.pk).update(run_at=timezone.now() + timedelta(minutes=1))
    rings.clear()
    sweep.sweep()
    assert rings == []


@pytest.mark.parametrize(("end", "state"), [(make_ready, State.READY), (make_unreadable, State.FAILED)])
def test_a_song_whose_worker_died_after_its_last_track_is_concluded(ada: User, end: Any, state: State) -> None:
    generation = submitted(ada)
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    end(generation.tracks.get())
    assert swept(generation).state == state


def test_keys_older_than_a_day_are_forgotten(ada: User) -> None:
    for key, hours in (("old", 25), ("new", 23)):
        generations.start(person=ada, inputs={"prompt": "x"}, idempotency_key=key)
        IdempotencyKey.objects.filter(key=key).update(created_at=timezone.now() - timedelta(hours=hours))
    sweep.tidy()
    assert [kept.key for kept in IdempotencyKey.objects.all()] == ["new"]


def test_a_sweep_of_an_empty_studio_does_nothing(db: None, fal: MockFalClient, rings: Rings) -> None:
    call_command("sweep")
    assert (fal.calls, rings) == ([], [])


# --- One of many ------------------------------------------------------------------------------------------------------


def test_one_that_breaks_does_not_stop_the_others(
    ada: User, fal: MockFalClient, caplog: pytest.LogCaptureFixture
) -> None:
    broken, lost, done = (silent(submitted(ada), age * MINUTE) for age in (40, 35, 31))
    fal.will_raise("status", RuntimeError("a bug of ours"), Unreachable())  # type: ignore[arg-type] # what nobody expects
    fal.advance(request_of(done))
    timed_out = aged(asked_for(ada), created_at=2 * HOUR)
    sweep.sweep()
    states = {str(row.pk): row.state for row in Generation.objects.all()}
    assert states == {
        str(broken.pk): State.LOST,
        str(lost.pk): State.LOST,
        str(done.pk): State.INGESTING,
        str(timed_out.pk): State.FAILED,
    }
    assert "a bug of ours" in caplog.text


def test_one_that_can_not_be_concluded_does_not_stop_the_next(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    songs = [submitted(ada), submitted(ada)]
    for generation in songs:
        settling.settle(generation.pk, song(), request_id=generation.request_id)
        make_ready(generation.tracks.get())
    really = settling.conclude

    def conclude(generation_id: Any) -> None:
        if generation_id == min(generation.pk for generation in songs):
            raise RuntimeError("broken books")
        really(generation_id)

    monkeypatch.setattr(settling, "conclude", conclude)
    sweep.sweep()
    assert sorted(Generation.objects.values_list("state", flat=True)) == [State.INGESTING, State.READY]


def test_a_worker_that_must_stop_stops_the_sweep(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_time(_: object) -> None:
        raise SoftTimeLimitExceeded

    silent(submitted(ada), 6 * MINUTE)
    monkeypatch.setattr(sweep, "_status", out_of_time)
    with pytest.raises(SoftTimeLimitExceeded):
        sweep.sweep()


@pytest.mark.slow
def test_many_overdue_songs_are_asked_about_in_bounded_rounds(settings: Settings, db: None, fal: MockFalClient) -> None:
    settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = settings.NEOAPEX_USER_WAITING = 60
    eager = person("eager", songs=60)
    for _ in range(55):
        silent(submitted(eager), 6 * MINUTE)
    sweep.sweep()
    assert asked(fal) == sweep.BATCH
    sweep.sweep()
    assert asked(fal) == 55


# --- Asked soon -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.SUBMITTED, State.RUNNING, State.LOST])
def test_a_song_to_ask_about_soon_is_asked_about_by_the_next_sweep(ada: User, fal: MockFalClient, state: State) -> None:
    generation = put(submitted(ada), state, ask_at=timezone.now() + timedelta(minutes=20), last_sign_at=timezone.now())
    fal.advance(request_of(generation))
    sweep.ask_soon(generation.pk, request_of(generation))
    assert swept(generation).state == State.INGESTING


def test_a_lost_answer_is_made_good_by_the_id_that_fal_signed_for_us(ada: User, fal: MockFalClient) -> None:
    fal.will_raise("submit", Ambiguous())
    generation = asked_for(ada)
    dispatch.dispatch()
    [request_id] = fal.requests
    fal.advance(request_id)
    sweep.ask_soon(generation.pk, request_id)
    assert swept(generation).state == State.INGESTING


def test_an_id_of_nobody_knows_whose_account_is_not_adopted(ada: User, settings: Settings) -> None:
    settings.NEOAPEX_FAL_USER_ID = ""
    generation = unanswered(ada)
    sweep.ask_soon(generation.pk, "somebody's")
    assert Generation.objects.get(pk=generation.pk).request_id is None


@pytest.mark.parametrize("state", [State.QUEUED, State.INGESTING, State.READY, State.FAILED])
def test_nothing_changes_for_a_song_that_is_not_at_fal(ada: User, state: State) -> None:
    generation = put(asked_for(ada), state)
    sweep.ask_soon(generation.pk, "r")
    stored = Generation.objects.get(pk=generation.pk)
    assert (stored.request_id, stored.last_sign_at, stored.state) == (None, None, state)
