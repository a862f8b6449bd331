"""Asking for a song: what is refused and in which order, what is written, and what a repeat gives."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from ledger.errors import BudgetFrozen, InsufficientBudget
from ledger.models import Entry
from studio import dispatch, generations, settling
from studio.endpoints import NotDirect
from studio.errors import IdempotencyConflict, InvalidIdempotencyKey, InvalidInput, TooManyWaiting
from studio.fal.mock import MockFalClient
from studio.models import Generation, IdempotencyKey, User
from studio.states import GenerationState as State
from tests.factories import freeze
from tests.studio.fixtures import Rings
from tests.studio.people import (
    DESCRIBED,
    ONE_SONG,
    TWO_SONGS,
    asked_for,
    kinds_of,
    money_of,
    names_of,
    nothing_was_written,
    person,
)

BAD_INPUT: dict[str, object] = {"prompt": "x", "vibe_strength": 9}


def start(user: User, key: str | None = None, **inputs: object) -> tuple[Generation, bool]:
    return generations.start_once(person=user, endpoint="text-to-music", inputs=DESCRIBED | inputs, idempotency_key=key)


def test_a_start_queues_the_song_and_sets_its_money_aside(ada: User) -> None:
    generation = asked_for(ada, num_songs=2)
    assert (generation.state, generation.cost_micros, generation.charged_micros) == (State.QUEUED, TWO_SONGS, None)
    assert money_of(ada) == (TWO_SONGS, 0)
    assert kinds_of(generation) == ["HOLD"]
    assert names_of(generation) == ["job_queued"]


def test_a_start_rings_for_the_dispatch_once_it_is_committed(
    ada: User, rings: Rings, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        asked_for(ada)
        assert rings == []
    assert rings == [("studio.dispatch", {})]


def test_the_recipe_holds_every_input_and_makes_the_song_again(ada: User, fal: MockFalClient) -> None:
    generation = asked_for(ada, bpm=120)
    generation.refresh_from_db()
    assert generation.recipe["bpm"] == 120
    assert generation.recipe["output_format"] == "wav"
    assert generation.recipe["seed"] == generation.seed
    dispatch.dispatch()
    again = generations.start(
        person=ada, inputs={name: value for name, value in generation.recipe.items() if value is not None}
    )
    assert again.recipe == generation.recipe


def test_a_seed_is_drawn_where_none_is_given_and_never_the_same(ada: User) -> None:
    drawn = {asked_for(ada).seed for _ in range(8)}
    assert len(drawn) == 8
    assert all(0 <= seed < 2**63 for seed in drawn)


@pytest.mark.parametrize("seed", [2**63 - 1, -(2**63), 2**53 + 1, 0, -1])
def test_a_seed_of_64_bits_survives_the_database_and_the_way_to_fal(ada: User, fal: MockFalClient, seed: int) -> None:
    generation = asked_for(ada, seed=str(seed))
    stored = Generation.objects.get(pk=generation.pk)
    assert (stored.seed, stored.recipe["seed"]) == (seed, seed)
    dispatch.dispatch()
    [call] = fal.submitted()
    assert call.arguments is not None
    assert json.loads(json.dumps(call.arguments))["seed"] == seed


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"prompt": ""}, "needs_input"),
        ({"prompt": None, "lyrics": "la"}, "lyrics_alone"),
        ({"prompt": None, "tags": ["pop"]}, "tags_alone"),
        ({"tags": ["pop"], "lyrics": "la"}, "too_many_inputs"),
        ({"num_songs": 3}, "not_offered"),
        ({"vibe_strength": 9}, "out_of_range"),
        ({"duration": 30}, "unknown_field"),
        ({"seed": 2**63}, "bad_seed"),
        ({"prompt": "a\0b"}, "forbidden_character"),
    ],
)
def test_bad_input_is_refused_with_a_hint_and_writes_nothing(ada: User, inputs: dict[str, object], code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        asked_for(ada, **inputs)
    assert caught.value.code == code
    assert caught.value.hint
    assert nothing_was_written()


def test_several_problems_are_all_told(ada: User) -> None:
    with pytest.raises(InvalidInput) as caught:
        asked_for(ada, num_songs=0, vibe_strength=9)
    assert {problem.field for problem in caught.value.problems} == {"num_songs", "vibe_strength"}
    assert caught.value.code == "invalid_input"


def test_too_little_money_writes_nothing_and_holds_nothing(settings: Settings, db: None) -> None:
    poor = person("poor", songs=1)
    with pytest.raises(InsufficientBudget):
        asked_for(poor, num_songs=2)
    assert nothing_was_written()
    assert money_of(poor) == (0, 0)


def test_a_frozen_person_starts_nothing(ada: User) -> None:
    freeze(ada, frozen=True)
    with pytest.raises(BudgetFrozen):
        asked_for(ada)
    assert nothing_was_written()


def test_a_full_line_takes_nobody_in_until_one_leaves(ada: User, settings: Settings) -> None:
    settings.NEOAPEX_USER_WAITING = 2
    first, _ = asked_for(ada), asked_for(ada)
    with pytest.raises(TooManyWaiting) as caught:
        asked_for(ada)
    assert caught.value.retry_after_seconds > 0
    assert money_of(ada) == (2 * ONE_SONG, 0)
    generations.cancel(person=ada, generation_id=first.pk)
    assert asked_for(ada).state == State.QUEUED


def test_one_persons_full_line_is_nobody_elses(ada: User, bo: User, settings: Settings) -> None:
    settings.NEOAPEX_USER_WAITING = 1
    asked_for(ada)
    assert asked_for(bo).state == State.QUEUED


def test_songs_at_fal_do_not_count_as_waiting(ada: User, settings: Settings) -> None:
    settings.NEOAPEX_USER_WAITING = 1
    asked_for(ada)
    dispatch.dispatch()
    assert asked_for(ada).state == State.QUEUED


@pytest.fixture
def all_wrong(settings: Settings, db: None) -> User:
    """Somebody with a full line and no money."""
    settings.NEOAPEX_USER_WAITING = 1
    user = person("poor", songs=1)
    asked_for(user)
    return user


def test_bad_input_is_told_before_a_full_line_and_an_empty_budget(all_wrong: User) -> None:
    with pytest.raises(InvalidInput):
        generations.start(person=all_wrong, inputs=BAD_INPUT)


def test_a_full_line_is_told_before_an_empty_budget(all_wrong: User, settings: Settings) -> None:
    with pytest.raises(TooManyWaiting):
        asked_for(all_wrong)
    settings.NEOAPEX_USER_WAITING = 2
    with pytest.raises(InsufficientBudget):
        asked_for(all_wrong)


# --- Quotes ----------------------------------------------------------------------------------------------------------


def quote(user: User, **inputs: object) -> generations.Quote:
    return generations.quote(person=user, endpoint="text-to-music", inputs=DESCRIBED | inputs)


def test_a_quote_names_price_and_rest_and_writes_nothing(ada: User) -> None:
    answer = quote(ada, num_songs=2)
    assert (answer.cost_micros, answer.after_micros) == (TWO_SONGS, answer.available_micros - TWO_SONGS)
    assert answer.reasons == []
    assert nothing_was_written()
    assert not Entry.objects.exists()


def test_a_quote_gives_every_reason_at_once(all_wrong: User) -> None:
    assert [reason.code for reason in quote(all_wrong).reasons] == ["too_many_waiting", "insufficient_budget"]


def test_a_quote_of_a_frozen_person_says_frozen(ada: User) -> None:
    freeze(ada, frozen=True)
    assert [reason.code for reason in quote(ada).reasons] == ["budget_frozen"]


def test_bad_input_still_has_a_price_where_the_number_of_songs_is_known(ada: User) -> None:
    answer = quote(ada, num_songs=2, vibe_strength=9)
    assert answer.cost_micros == TWO_SONGS
    assert [reason.field for reason in answer.reasons] == ["vibe_strength"]


@pytest.mark.parametrize("songs", [0, 3, 1.0, 2.0, True, "2", None, [1], {}, float("nan"), 10**40])
def test_an_odd_number_of_songs_has_no_price_but_a_reason(ada: User, songs: object) -> None:
    answer = quote(ada, num_songs=songs)
    assert answer.cost_micros is None
    assert [reason.field for reason in answer.reasons] == ["num_songs"]


# --- Idempotency ------------------------------------------------------------------------------------------------------


def test_the_same_key_and_body_give_the_same_song_and_one_hold(ada: User) -> None:
    first, new = start(ada, "key")
    again, new_again = start(ada, "key")
    assert (first.pk, new, new_again) == (again.pk, True, False)
    assert money_of(ada) == (ONE_SONG, 0)


def test_the_order_of_the_fields_does_not_make_another_body(ada: User) -> None:
    ways = [{"prompt": "x", "bpm": 90}, {"bpm": 90, "prompt": "x"}]
    made = {generations.start(person=ada, inputs=inputs, idempotency_key="key").pk for inputs in ways}
    assert len(made) == 1


def test_the_same_key_with_another_body_is_a_conflict_and_writes_nothing(ada: User) -> None:
    start(ada, "key")
    with pytest.raises(IdempotencyConflict):
        start(ada, "key", num_songs=2)
    assert Generation.objects.count() == 1
    assert money_of(ada) == (ONE_SONG, 0)


def test_a_repeat_is_answered_even_when_the_line_and_the_budget_are_full(all_wrong: User, settings: Settings) -> None:
    settings.NEOAPEX_USER_WAITING = 0
    with pytest.raises(TooManyWaiting):
        start(all_wrong, "key")
    settings.NEOAPEX_USER_WAITING = 1
    generations.cancel(person=all_wrong, generation_id=Generation.objects.get().pk)
    first, _ = start(all_wrong, "key")
    assert start(all_wrong, "key") == (first, False)


def test_a_refused_start_leaves_its_key_free(db: None) -> None:
    poor = person("poor", songs=0)
    with pytest.raises(InsufficientBudget):
        start(poor, "key")
    assert not IdempotencyKey.objects.exists()


def test_two_people_may_use_the_same_key(ada: User, bo: User) -> None:
    assert start(ada, "key")[0].pk != start(bo, "key")[0].pk


@pytest.mark.parametrize(("hours", "new"), [(23.99, False), (24.01, True)])
def test_a_key_is_kept_for_a_day(ada: User, hours: float, new: bool) -> None:
    first, _ = start(ada, "key")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=hours))
    again, was_new = start(ada, "key")
    assert was_new is new
    assert (again.pk != first.pk) is new


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\t", "line\n", "naïve", "nul\0", "x\n"])
def test_a_key_that_is_not_visible_ascii_is_refused(ada: User, key: str) -> None:
    with pytest.raises(InvalidIdempotencyKey):
        start(ada, key)
    assert nothing_was_written()


@pytest.mark.parametrize("key", ["x", "x" * 255, " ", "~!@ #$%^&*()"])
def test_a_key_of_visible_ascii_or_spaces_is_taken(ada: User, key: str) -> None:
    assert start(ada, key)[1]


# --- Titles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "title"),
    [
        ({"prompt": "a calm\n piano piece, at night"}, "A calm piano piece, at night"),
        ({"prompt": "word " * 100}, "Word" + " word" * 11 + "…"),
        ({"prompt": None, "tags": ["lo-fi", "jazz"], "lyrics": ""}, "Lo-fi, jazz"),
        ({"prompt": "夜" * 300}, "夜" * 59 + "…"),
        ({"prompt": " x y " + "z" * 300}, "X y…"),
        ({"prompt": "🎹"}, "🎹"),
    ],
)
def test_a_song_is_named_by_the_first_words_of_its_wish(ada: User, inputs: dict[str, object], title: str) -> None:
    assert settling.title_of(asked_for(ada, **inputs)) == title


@pytest.mark.parametrize("endpoint", ["inpaint", "extend"])
def test_what_works_on_a_track_cannot_be_asked_for_by_itself(ada: User, endpoint: str) -> None:
    """Its own rules, such as the cap on retries, would be gone around."""
    inputs = {
        "audio_url": "https://v3.fal.media/a.wav",
        "tags": ["pop"],
        "lyrics": "la",
        "section": {"start": 0, "end": 4},
    }
    with pytest.raises(NotDirect):
        generations.start(person=ada, endpoint=endpoint, inputs=inputs)
    assert [reason.code for reason in generations.quote(person=ada, endpoint=endpoint, inputs=inputs).reasons] == [
        "not_direct"
    ]
    assert not Generation.objects.exists()
    assert money_of(ada) == (0, 0)
