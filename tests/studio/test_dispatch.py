"""Which song goes to fal next, and what each answer to its submit means."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from studio import dispatch, settling
from studio.fal.errors import (
    AccountLocked,
    Ambiguous,
    EndpointRetired,
    FalError,
    InputRefused,
    KeyRefused,
    NotAccepted,
    Refused,
    Said,
)
from studio.fal.interface import Submission
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.fixtures import Rings
from tests.studio.people import (
    ONE_SONG,
    aged,
    asked_for,
    kinds_of,
    money_of,
    names_of,
    person,
    posts,
    put,
    song,
    submitted,
    unanswered,
)


def in_slot(user: User) -> int:
    return Generation.objects.of(user).in_slot().count()


def due_again(generation: Generation) -> Generation:
    """As if its pause were over."""
    return aged(generation, run_at=1)


# --- Whose turn it is -------------------------------------------------------------------------------------------------


def test_no_more_go_to_fal_than_there_are_slots(ada: User, bo: User, settings: Settings, fal: MockFalClient) -> None:
    settings.NEOAPEX_FAL_SLOTS = 3
    for user in (ada, ada, bo, bo):
        asked_for(user)
    assert dispatch.dispatch() == 3
    assert dispatch.dispatch() == 0
    assert posts(fal) == 3


def test_nobody_has_more_slots_than_a_person_may(ada: User, settings: Settings, fal: MockFalClient) -> None:
    settings.NEOAPEX_FAL_SLOTS, settings.NEOAPEX_USER_SLOTS = 5, 2
    for _ in range(4):
        asked_for(ada)
    assert dispatch.dispatch() == 2
    assert (in_slot(ada), posts(fal)) == (2, 2)


@pytest.mark.parametrize("state", [State.LOST, State.INGESTING, State.READY, State.FAILED])
def test_only_songs_at_fal_take_a_slot(ada: User, settings: Settings, state: State) -> None:
    settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = 1
    put(submitted(ada), state)
    submitted(ada)


@pytest.mark.parametrize("state", [State.SUBMITTED, State.RUNNING])
def test_a_song_that_fal_works_on_keeps_its_slot(ada: User, settings: Settings, state: State) -> None:
    settings.NEOAPEX_FAL_SLOTS = 1
    put(submitted(ada), state)
    asked_for(ada)
    assert dispatch.claim_next() is None


def test_within_one_person_the_first_comes_first(ada: User, settings: Settings) -> None:
    settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = 3
    line = [asked_for(ada) for _ in range(3)]
    for position, generation in enumerate(reversed(line)):
        aged(generation, created_at=position)
    claimed = [dispatch.claim_next() for _ in line]
    assert claimed == line


def test_a_hundred_songs_of_one_delay_another_by_at_most_one_slot(
    settings: Settings, db: None, fal: MockFalClient
) -> None:
    settings.NEOAPEX_USER_WAITING, settings.NEOAPEX_FAL_SLOTS, settings.NEOAPEX_USER_SLOTS = 100, 2, 2
    eager, shy = person("eager", songs=100), person("shy")
    for _ in range(100):
        asked_for(eager)
    dispatch.dispatch()
    wanted = asked_for(shy)
    first = Generation.objects.of(eager).in_slot().first()
    assert first is not None
    put(first, State.READY)
    assert dispatch.claim_next() == wanted


def test_people_take_turns_while_their_lines_last(settings: Settings, db: None) -> None:
    settings.NEOAPEX_FAL_SLOTS = 1
    people = [person(name) for name in ("ann", "ben", "cyd")]
    for user, songs in zip(people, (6, 3, 3), strict=True):
        for place in range(songs):
            # Whoever has the longest line has waited longest, too, and still has to take turns.
            aged(asked_for(user), created_at=songs * 1000 - place)
    served = []
    for second in range(9):
        generation = dispatch.claim_next()
        assert generation is not None
        served.append(generation.person_id)
        # Times within one test transaction are all the same, so they are told apart by hand.
        put(generation, State.READY, submit_started_at=timezone.now() + timedelta(seconds=second))
    for third in (served[:3], served[3:6], served[6:]):
        assert Counter(third) == {user.pk: 1 for user in people}


def test_whoever_has_fewer_at_fal_comes_before_whoever_waited_longer(ada: User, bo: User, settings: Settings) -> None:
    settings.NEOAPEX_FAL_SLOTS, settings.NEOAPEX_USER_SLOTS = 4, 3
    aged(submitted(ada), submit_started_at=3600, created_at=3700)
    aged(put(submitted(bo), State.READY), submit_started_at=5, created_at=10)
    aged(asked_for(ada), created_at=3600)
    wanted = asked_for(bo)
    assert dispatch.claim_next() == wanted


def test_of_two_who_were_never_served_the_first_to_ask_comes_first(ada: User, bo: User) -> None:
    assert ada.pk < bo.pk
    asked_for(ada)
    wanted = aged(asked_for(bo), created_at=5)
    assert dispatch.claim_next() == wanted


def test_a_song_whose_pause_lasts_is_passed_over(ada: User) -> None:
    waiting, ready = asked_for(ada), asked_for(ada)
    Generation.objects.filter(pk=waiting.pk).update(run_at=timezone.now() + timedelta(seconds=30))
    assert dispatch.claim_next() == ready
    assert dispatch.claim_next() is None


def test_an_empty_line_sends_nothing(db: None, fal: MockFalClient) -> None:
    assert dispatch.dispatch() == 0
    assert posts(fal) == 0


# --- The POST ---------------------------------------------------------------------------------------------------------


def test_everything_is_sent_explicitly_with_our_id_in_the_callback_address(ada: User, fal: MockFalClient) -> None:
    generation = submitted(ada, num_songs=2)
    [call] = fal.submitted()
    assert call.endpoint_id == "sonauto/v2/text-to-music"
    assert call.webhook_url == f"https://studio.example.com/webhooks/fal/{generation.pk}/"
    assert call.arguments == {
        "prompt": "a calm piano piece at night",
        "tags": None,
        "lyrics_prompt": None,
        "seed": generation.seed,
        "prompt_strength": 2.0,
        "balance_strength": 0.7,
        "num_songs": 2,
        "output_format": "wav",
        "output_bit_rate": None,
        "bpm": "auto",
    }


def test_without_a_public_address_no_callback_is_asked_for(ada: User, settings: Settings, fal: MockFalClient) -> None:
    settings.NEOAPEX_PUBLIC_URL = ""
    submitted(ada)
    assert fal.submitted()[0].webhook_url is None


def test_an_accepted_song_is_started_and_soon_looked_at(ada: User) -> None:
    generation = submitted(ada)
    assert generation.attempts == 1
    assert generation.started_at
    assert generation.look_at is not None
    assert timedelta(seconds=2) < generation.look_at - timezone.now() <= timedelta(seconds=3)
    assert names_of(generation) == ["job_queued", "job_progress", "job_started"]
    assert kinds_of(generation) == ["HOLD"]


def test_a_callback_before_the_answer_leaves_nothing_for_the_answer_to_do(ada: User) -> None:
    generation = unanswered(ada)
    settling.settle(generation.pk, song(), request_id="early")
    dispatch.accepted(generation, "early", 0)
    stored = Generation.objects.get(pk=generation.pk)
    assert (stored.state, stored.request_id) == (State.INGESTING, "early")
    assert names_of(generation).count("job_started") == 1


def test_an_answer_with_another_id_than_the_callbacks_is_not_adopted(ada: User) -> None:
    generation = unanswered(ada)
    settling.settle(generation.pk, song(), request_id="from the callback")
    dispatch.accepted(generation, "from the answer", 0)
    assert Generation.objects.get(pk=generation.pk).request_id == "from the callback"


def test_an_id_that_another_song_has_is_never_adopted(ada: User, bo: User, settings: Settings) -> None:
    first = submitted(ada)
    second = unanswered(bo)
    assert first.request_id is not None
    dispatch.accepted(second, first.request_id, 0)
    assert Generation.objects.get(pk=second.pk).request_id is None


# --- What the answer means --------------------------------------------------------------------------------------------


def test_a_song_that_was_not_accepted_goes_back_in_line_with_its_money_held(ada: User, fal: MockFalClient) -> None:
    generation = asked_for(ada)
    fal.will_raise("submit", NotAccepted())
    dispatch.dispatch()
    generation.refresh_from_db()
    assert (generation.state, generation.attempts, generation.request_id) == (State.QUEUED, 1, None)
    assert timedelta(seconds=3) < generation.run_at - timezone.now() < timedelta(seconds=8)
    assert money_of(ada) == (ONE_SONG, 0)
    assert dispatch.dispatch() == 0


def test_the_pauses_between_tries_grow(ada: User, fal: MockFalClient) -> None:
    generation = asked_for(ada)
    pauses = []
    for _ in range(4):
        fal.will_raise("submit", NotAccepted())
        dispatch.dispatch()
        generation.refresh_from_db()
        pauses.append((generation.run_at - timezone.now()).total_seconds())
        due_again(generation)
    assert [pause < limit for pause, limit in zip(pauses, (8, 16, 32, 60), strict=True)] == [True] * 4
    assert [pause > limit for pause, limit in zip(pauses, (3, 7, 15, 29), strict=True)] == [True] * 4


def test_the_fifth_refusal_is_the_last_and_gives_the_money_back(ada: User, fal: MockFalClient) -> None:
    generation = asked_for(ada)
    fal.will_raise("submit", *[NotAccepted(said=Said(429, raw="queue full"))] * 9)
    for _ in range(9):
        dispatch.dispatch()
        generation.refresh_from_db()
        if generation.state == State.QUEUED:
            due_again(generation)
    assert (generation.state, generation.reason_code, generation.reason_whose) == (
        State.FAILED,
        "fal_not_accepted",
        "fal",
    )
    assert generation.raw_error == "queue full"
    assert posts(fal) == generation.attempts == 5
    assert kinds_of(generation) == ["HOLD", "RELEASE"]
    assert money_of(ada) == (0, 0)


@pytest.mark.parametrize(("asked", "least", "most"), [(120.0, 119, 133), (0.0, -1, 1.1), (10.0**9, 899, 991)])
def test_fals_own_retry_after_is_kept_within_a_quarter_of_an_hour(
    ada: User, fal: MockFalClient, asked: float, least: float, most: float
) -> None:
    generation = asked_for(ada)
    fal.will_raise("submit", NotAccepted(said=Said(429, retry_after_seconds=asked)))
    dispatch.dispatch()
    generation.refresh_from_db()
    assert least < (generation.run_at - timezone.now()).total_seconds() < most


def test_a_second_try_that_succeeds_is_charged_once(ada: User, fal: MockFalClient) -> None:
    generation = asked_for(ada)
    fal.will_raise("submit", NotAccepted())
    dispatch.dispatch()
    due_again(generation)
    dispatch.dispatch()
    generation.refresh_from_db()
    assert (generation.state, generation.attempts) == (State.SUBMITTED, 2)
    assert kinds_of(generation) == ["HOLD"]
    assert names_of(generation).count("job_started") == 1


@pytest.mark.parametrize("error", [Refused(), KeyRefused(), AccountLocked(), EndpointRetired(), InputRefused("no")])
def test_a_final_refusal_fails_with_its_reason_and_gives_the_money_back(
    ada: User, fal: MockFalClient, error: FalError
) -> None:
    generation = asked_for(ada)
    fal.will_raise("submit", error)
    dispatch.dispatch()
    generation.refresh_from_db()
    assert (generation.state, generation.reason_code) == (State.FAILED, error.code)
    assert (generation.reason_message, generation.reason_whose) == (error.message, error.whose)
    assert kinds_of(generation) == ["HOLD", "RELEASE"]
    assert money_of(ada) == (0, 0)
    assert dispatch.dispatch() == 0
    assert "job_started" not in names_of(generation)


def test_an_ambiguous_answer_is_never_followed_by_a_second_post(ada: User, fal: MockFalClient) -> None:
    generation = asked_for(ada)
    fal.will_raise("submit", Ambiguous())
    dispatch.dispatch()
    due_again(generation)
    for _ in range(3):
        dispatch.dispatch()
    assert (generation.state, generation.request_id, generation.started_at) == (State.SUBMITTED, None, None)
    assert posts(fal) == 1
    assert money_of(ada) == (ONE_SONG, 0)


def test_after_an_ambiguous_answer_the_callback_brings_the_song(ada: User, fal: MockFalClient) -> None:
    generation = asked_for(ada)
    fal.will_raise("submit", Ambiguous())
    dispatch.dispatch()
    settling.settle(generation.pk, song(), request_id="known only now")
    generation.refresh_from_db()
    assert (generation.state, generation.request_id) == (State.INGESTING, "known only now")
    assert money_of(ada) == (0, ONE_SONG)


def test_a_worker_that_dies_in_the_post_leaves_a_song_that_nobody_sends_again(
    ada: User, fal: MockFalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> Submission:
        raise Killed

    generation = asked_for(ada)
    monkeypatch.setattr(fal, "submit", die)
    with pytest.raises(Killed):
        dispatch.dispatch()
    monkeypatch.undo()
    assert Generation.objects.get(pk=generation.pk).state == State.SUBMITTED
    assert dispatch.dispatch() == 0


@pytest.mark.parametrize("state", [State.INGESTING, State.FAILED])
@pytest.mark.parametrize("error", [NotAccepted(), Refused()])
def test_a_callback_that_was_faster_than_a_refusal_has_the_last_word(ada: User, error: FalError, state: State) -> None:
    generation = unanswered(ada)
    settling.settle(generation.pk, song() if state == State.INGESTING else Refused("so it failed"), request_id="r")
    dispatch._not_taken(generation, error, is_probe=False)
    assert Generation.objects.get(pk=generation.pk).state == state


def test_one_song_that_can_not_be_sent_fails_alone_and_costs_nothing(ada: User, bo: User, fal: MockFalClient) -> None:
    """A recipe that our own rules refuse by now has provably not left the house."""
    broken, healthy = asked_for(ada), asked_for(bo)
    Generation.objects.filter(pk=broken.pk).update(recipe={"prompt": "x", "vibe_strength": 99})
    assert dispatch.dispatch() == 2
    broken.refresh_from_db()
    healthy.refresh_from_db()
    assert (broken.state, broken.reason_code, broken.reason_whose) == (State.FAILED, "unsendable", "us")
    assert healthy.state == State.SUBMITTED
    assert posts(fal) == 1
    assert money_of(ada) == (0, 0)


def test_a_key_that_can_not_be_right_fails_the_song_instead_of_losing_it(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_client() -> MockFalClient:
        raise ValueError("FAL_KEY is not a key")

    monkeypatch.setattr(dispatch, "from_settings", no_client)
    generation = asked_for(ada)
    dispatch.dispatch()
    generation.refresh_from_db()
    assert (generation.state, generation.reason_code) == (State.FAILED, "unsendable")
    assert "not a key" not in generation.raw_error
    assert kinds_of(generation) == ["HOLD", "RELEASE"]


def test_a_free_place_after_a_refusal_is_rung_for(
    ada: User, fal: MockFalClient, rings: Rings, django_capture_on_commit_callbacks: Any
) -> None:
    asked_for(ada)
    fal.will_raise("submit", Refused())
    with django_capture_on_commit_callbacks(execute=True):
        dispatch.dispatch()
    assert ("studio.dispatch", {}) in rings
