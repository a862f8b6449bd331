"""A wish to cancel: done at once while the song waits, passed on to fal afterwards, never a way to someone else's."""

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from studio import dispatch, generations, settling, sweep
from studio.errors import AlreadyFinal, NotFound
from studio.fal.errors import Ambiguous, NotAccepted, Refused, Unreachable
from studio.fal.interface import CancelAnswer
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.fixtures import Rings
from tests.studio.people import (
    ONE_SONG,
    asked_for,
    house_micros,
    kinds_of,
    money_of,
    names_of,
    posts,
    put,
    song,
    submitted,
    unanswered,
)


def cancel(generation: Generation) -> Generation:
    return generations.cancel(person=generation.person, generation_id=generation.pk)


def asked_fal_to_cancel(fal: MockFalClient) -> int:
    return sum(call.operation == "cancel" for call in fal.calls)


def test_a_waiting_song_is_cancelled_at_once_and_its_money_given_back(ada: User, fal: MockFalClient) -> None:
    generation = cancel(asked_for(ada))
    assert (generation.state, generation.reason_code, generation.reason_whose) == (State.CANCELLED, "cancelled", "you")
    assert kinds_of(generation) == ["HOLD", "RELEASE"]
    assert money_of(ada) == (0, 0)
    assert names_of(generation) == ["job_queued", "job_failed"]
    assert dispatch.dispatch() == 0
    assert posts(fal) == 0


def test_after_the_post_a_cancel_is_a_wish_that_leaves_state_and_hold(ada: User) -> None:
    generation = cancel(submitted(ada))
    assert (generation.state, generation.cancel_requested_at is None) == (State.SUBMITTED, False)
    assert money_of(ada) == (ONE_SONG, 0)


def test_a_wish_is_told_once_and_rung_for_each_time(
    ada: User, rings: Rings, django_capture_on_commit_callbacks: Any
) -> None:
    generation = submitted(ada)
    rings.clear()
    with django_capture_on_commit_callbacks(execute=True):
        first = cancel(generation).cancel_requested_at
        assert cancel(generation).cancel_requested_at == first
    wishes = [event.data for event in generation.events.filter(data__cancel_requested=True)]
    assert wishes == [{"state": "SUBMITTED", "cancel_requested": True}]
    assert rings == [("studio.cancel_at_fal", {"generation_id": str(generation.pk)})] * 2


@pytest.mark.parametrize("state", [State.INGESTING, State.READY, State.FAILED, State.CANCELLED])
def test_what_has_its_outcome_can_not_be_cancelled(ada: User, state: State) -> None:
    generation = put(submitted(ada), state)
    told = names_of(generation)
    with pytest.raises(AlreadyFinal):
        cancel(generation)
    assert Generation.objects.get(pk=generation.pk).state == state
    assert names_of(generation) == told


def test_a_second_cancel_of_a_cancelled_song_is_refused(ada: User) -> None:
    generation = cancel(asked_for(ada))
    with pytest.raises(AlreadyFinal):
        cancel(generation)
    assert kinds_of(generation) == ["HOLD", "RELEASE"]


def test_another_persons_song_looks_like_none_at_all(ada: User, bo: User) -> None:
    generation = asked_for(ada)
    for wanted in (generation.pk, uuid4()):
        with pytest.raises(NotFound):
            generations.cancel(person=bo, generation_id=wanted)
    assert Generation.objects.get(pk=generation.pk).state == State.QUEUED


# --- At fal -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.SUBMITTED, State.RUNNING, State.LOST])
def test_fals_plain_yes_ends_the_song_as_cancelled(ada: User, fal: MockFalClient, state: State) -> None:
    generation = cancel(put(submitted(ada), state))
    sweep.cancel_at_fal(generation.pk)
    generation.refresh_from_db()
    assert (generation.state, generation.reason_whose) == (State.CANCELLED, "you")
    assert kinds_of(generation) == ["HOLD", "RELEASE"]
    assert asked_fal_to_cancel(fal) == 1


@pytest.mark.parametrize("answer", [CancelAnswer.REQUESTED, CancelAnswer.ALREADY_COMPLETED, CancelAnswer.NOT_FOUND])
def test_any_other_answer_waits_for_the_outcome(ada: User, fal: MockFalClient, answer: CancelAnswer) -> None:
    generation = cancel(submitted(ada))
    fal.will_answer_cancel(answer)
    sweep.cancel_at_fal(generation.pk)
    generation.refresh_from_db()
    assert generation.state == State.SUBMITTED
    assert money_of(ada) == (ONE_SONG, 0)
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), 0)


def test_a_song_that_arrives_before_fals_yes_is_kept_and_charged(ada: User, fal: MockFalClient) -> None:
    generation = cancel(submitted(ada))
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    sweep.cancel_at_fal(generation.pk)
    assert Generation.objects.get(pk=generation.pk).state == State.INGESTING
    assert asked_fal_to_cancel(fal) == 0


def test_a_song_that_arrives_after_fals_yes_is_given_and_the_house_pays(ada: User) -> None:
    generation = cancel(submitted(ada))
    sweep.cancel_at_fal(generation.pk)
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    assert Generation.objects.get(pk=generation.pk).state == State.INGESTING
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


def test_a_wish_that_comes_while_fal_answers_is_passed_on_after_the_answer(
    ada: User, fal: MockFalClient, rings: Rings
) -> None:
    generation = unanswered(ada)
    cancel(generation)
    sweep.cancel_at_fal(generation.pk)
    assert asked_fal_to_cancel(fal) == 0
    rings.clear()
    dispatch.accepted(generation, "known now", 0)
    assert rings == [("studio.cancel_at_fal", {"generation_id": str(generation.pk)})]


def test_a_wish_is_granted_when_fal_turns_out_not_to_have_the_song(ada: User, fal: MockFalClient) -> None:
    """It would go back in line and be sent after all, against the wish."""
    generation = unanswered(ada)
    cancel(generation)
    dispatch._not_taken(generation, NotAccepted(), is_probe=False)
    generation.refresh_from_db()
    assert (generation.state, generation.reason_whose) == (State.CANCELLED, "you")
    assert kinds_of(generation) == ["HOLD", "RELEASE"]
    assert dispatch.dispatch() == 0


def test_a_wish_after_a_refusal_is_overtaken_by_the_refusal(ada: User) -> None:
    generation = unanswered(ada)
    cancel(generation)
    dispatch._end(generation, Refused())
    assert Generation.objects.get(pk=generation.pk).state == State.FAILED
    assert kinds_of(generation) == ["HOLD", "RELEASE"]


def test_a_wish_after_a_lost_answer_waits_for_the_callback(ada: User, fal: MockFalClient) -> None:
    generation = asked_for(ada)
    fal.will_raise("submit", Ambiguous())
    dispatch.dispatch()
    assert cancel(generation).state == State.SUBMITTED
    sweep.cancel_at_fal(generation.pk)
    assert asked_fal_to_cancel(fal) == 0
    assert money_of(ada) == (ONE_SONG, 0)


@pytest.mark.parametrize("state", [State.SUBMITTED, State.RUNNING, State.LOST])
def test_a_fal_out_of_reach_is_asked_again_by_the_sweep(
    ada: User, fal: MockFalClient, rings: Rings, state: State
) -> None:
    generation = cancel(put(submitted(ada), state))
    fal.will_raise("cancel", Unreachable())
    sweep.cancel_at_fal(generation.pk)
    assert Generation.objects.get(pk=generation.pk).state == state
    rings.clear()
    sweep.sweep()
    assert rings == [], "the wish is fresh: its own ring may still be on its way"
    put(generation, state, cancel_requested_at=timezone.now() - sweep.WISH_AGAIN * 2)
    sweep.sweep()
    assert rings == [("studio.cancel_at_fal", {"generation_id": str(generation.pk)})]
