"""Outcomes that come at once from callbacks, sweep and polling, on real connections."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from studio import generations, settling
from studio.errors import ForeignRequest
from studio.fal.answers import generation_failed
from studio.fal.errors import GenerationFailed, Said
from studio.models import Generation, Track, User
from studio.states import GenerationState as State
from studio.sweep import StoppedByFal
from tests.studio.people import (
    ONE_SONG,
    TWO_SONGS,
    errors_in,
    house_micros,
    kinds_of,
    make_unreadable,
    money_of,
    names_of,
    put,
    race,
    song,
    submitted,
    two_songs,
    unanswered,
)

pytestmark = pytest.mark.django_db(transaction=True)


def failure(units: str | None = None) -> GenerationFailed:
    return generation_failed(Said(500, billable_units=Decimal(units) if units else None), None)


def run_one(acts: list[Callable[[], object]], number: int) -> object:
    return acts[number]()


def settle_all(generation: Generation, outcomes: list[Any]) -> Generation:
    answers = race(
        len(outcomes),
        lambda number: settling.settle(generation.pk, outcomes[number], request_id=generation.request_id),
    )
    assert errors_in(answers) == []
    return Generation.objects.get(pk=generation.pk)


def test_twenty_threads_with_one_success_charge_it_once(ada: User) -> None:
    generation = submitted(ada, num_songs=2)
    done = settle_all(generation, [two_songs()] * 20)
    assert (done.state, done.charged_micros) == (State.INGESTING, TWO_SONGS)
    assert Track.objects.count() == 2
    assert kinds_of(generation) == ["HOLD", "CHARGE"]
    assert names_of(generation).count("job_started") == 1
    assert (money_of(ada), house_micros()) == ((0, TWO_SONGS), 0)


def test_twenty_late_successes_charge_the_house_once(ada: User) -> None:
    generation = submitted(ada)
    settling.settle(generation.pk, failure(), request_id=generation.request_id)
    settle_all(generation, [song()] * 20)
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)
    assert Track.objects.count() == 1


def test_twenty_failures_release_once_and_bill_the_house_once(ada: User) -> None:
    generation = submitted(ada)
    assert settle_all(generation, [failure("1")] * 20).state == State.FAILED
    assert sorted(kinds_of(generation)) == ["CHARGE", "HOLD", "RELEASE"]
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


def test_success_and_failure_at_once_always_end_with_the_song_and_one_who_pays(ada: User) -> None:
    for _ in range(6):
        generation = put(submitted(ada), State.RUNNING)
        before = money_of(ada)[1] + house_micros()
        done = settle_all(generation, [song(), failure(), song(), failure()])
        assert done.state == State.INGESTING
        assert generation.tracks.count() == 1
        assert money_of(ada)[1] + house_micros() - before == ONE_SONG
    assert money_of(ada)[0] == 0


def test_of_two_request_ids_at_once_one_is_adopted_and_the_other_settles_nothing(ada: User) -> None:
    generation = unanswered(ada)
    answers = race(
        2,
        lambda number: settling.settle(generation.pk, song(f"https://a.b/{number}.wav"), request_id=f"id {number}"),
    )
    assert [type(error) for error in errors_in(answers)] == [ForeignRequest]
    winner = answers.index(None)
    done = Generation.objects.get(pk=generation.pk)
    assert done.request_id == f"id {winner}"
    assert [track.source_url for track in done.tracks.all()] == [f"https://a.b/{winner}.wav"]


def test_ten_conclusions_at_once_move_the_money_once(ada: User) -> None:
    generation = submitted(ada)
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    make_unreadable(generation.tracks.get())
    assert errors_in(race(10, lambda _: settling.conclude(generation.pk))) == []
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)
    assert names_of(generation).count("job_failed") == 1


def test_cancel_and_completion_at_once_end_in_one_of_two_true_ways(ada: User) -> None:
    for _ in range(5):
        generation = put(submitted(ada), State.RUNNING)
        acts: list[Callable[[], object]] = [
            partial(settling.settle, generation.pk, song(), request_id=generation.request_id),
            partial(generations.cancel, person=ada, generation_id=generation.pk),
        ]
        refused = errors_in(race(2, partial(run_one, acts)))
        assert [type(error).__name__ for error in refused] in ([], ["AlreadyFinal"])
        generation.refresh_from_db()
        assert generation.state == State.INGESTING
        assert (generation.cancel_requested_at is None) is bool(refused)
        assert kinds_of(generation) == ["HOLD", "CHARGE"]
    assert money_of(ada) == (0, 5 * ONE_SONG)


def test_fals_yes_to_a_cancel_and_the_song_at_once_always_end_with_the_song_and_one_who_pays(ada: User) -> None:
    for _ in range(5):
        generation = put(submitted(ada), State.RUNNING)
        generations.cancel(person=ada, generation_id=generation.pk)
        before = money_of(ada)[1] + house_micros()
        done = settle_all(generation, [song(), StoppedByFal(), song(), StoppedByFal()])
        assert done.state == State.INGESTING
        assert generation.tracks.count() == 1
        assert money_of(ada)[1] + house_micros() - before == ONE_SONG
    assert money_of(ada)[0] == 0
