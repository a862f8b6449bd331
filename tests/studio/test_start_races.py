"""Many starts at once, on real connections: one hold for one key, and never more than budget and line allow."""

import pytest
from pytest_django import Settings

from ledger.errors import InsufficientBudget
from studio import generations
from studio.errors import TooManyWaiting
from studio.models import Generation, IdempotencyKey, User
from tests.studio.people import DESCRIBED, ONE_SONG, asked_for, errors_in, kinds_of, money_of, person, race

pytestmark = pytest.mark.django_db(transaction=True)


def test_twenty_posts_with_one_key_make_one_song_and_one_hold(ada: User) -> None:
    answers = race(
        20,
        lambda _: generations.start_once(
            person=ada, endpoint="text-to-music", inputs=DESCRIBED, idempotency_key="double click"
        ),
    )
    assert errors_in(answers) == []
    generation = Generation.objects.get()
    assert answers.count((generation, False)) == 19
    assert answers.count((generation, True)) == 1
    assert kinds_of(generation) == ["HOLD"]
    assert money_of(ada) == (ONE_SONG, 0)


def test_twenty_posts_with_one_key_and_two_bodies_make_one_song(ada: User) -> None:
    bodies = [DESCRIBED, DESCRIBED | {"num_songs": 2}]
    answers = race(
        20, lambda number: generations.start(person=ada, inputs=bodies[number % 2], idempotency_key="key").pk
    )
    assert {type(error).__name__ for error in errors_in(answers)} == {"IdempotencyConflict"}
    assert len(errors_in(answers)) == 10
    assert Generation.objects.count() == IdempotencyKey.objects.count() == 1


def test_thirty_starts_against_a_budget_for_three_start_exactly_three(db: None) -> None:
    poor = person("poor", songs=3)
    errors = errors_in(race(30, lambda _: asked_for(poor)))
    assert len(errors) == 27
    assert {type(error) for error in errors} <= {InsufficientBudget, TooManyWaiting}
    assert Generation.objects.count() == 3
    assert money_of(poor) == (3 * ONE_SONG, 0)


def test_twelve_starts_at_a_line_for_four_fill_it_exactly(ada: User, settings: Settings) -> None:
    settings.NEOAPEX_USER_WAITING = 4
    errors = errors_in(race(12, lambda _: asked_for(ada)))
    assert [type(error) for error in errors] == [TooManyWaiting] * 8
    assert money_of(ada) == (4 * ONE_SONG, 0)


def test_two_peoples_starts_do_not_stand_in_each_others_way(ada: User, bo: User) -> None:
    people = [ada, bo]
    assert errors_in(race(10, lambda number: asked_for(people[number % 2]))) == []
    assert money_of(ada) == money_of(bo) == (5 * ONE_SONG, 0)
