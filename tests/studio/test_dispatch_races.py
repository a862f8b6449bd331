"""Many dispatchers at once, and what must be committed before fal is asked."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db import connection
from pytest_django import Settings

from studio import dispatch, generations
from studio.fal.interface import Submission
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.people import asked_for, errors_in, kinds_of, money_of, names_of, person, posts, race

pytestmark = pytest.mark.django_db(transaction=True)


def test_ten_threads_that_claim_at_once_never_exceed_the_slots(settings: Settings, db: None) -> None:
    settings.NEOAPEX_FAL_SLOTS, settings.NEOAPEX_USER_SLOTS = 5, 2
    people = [person(name) for name in ("ann", "ben", "cyd", "dee")]
    for user in people:
        for _ in range(4):
            asked_for(user)
    answers = race(10, lambda _: dispatch.claim_next())
    assert errors_in(answers) == []
    claimed = [answer for answer in answers if isinstance(answer, Generation)]
    assert len({generation.pk for generation in claimed}) == len(claimed) == 5
    assert max(Generation.objects.of(user).in_slot().count() for user in people) <= 2


def test_ten_threads_give_one_person_no_more_than_their_slots(ada: User, settings: Settings) -> None:
    settings.NEOAPEX_FAL_SLOTS, settings.NEOAPEX_USER_SLOTS = 8, 3
    for _ in range(8):
        asked_for(ada)
    answers = race(10, lambda _: dispatch.claim_next())
    assert errors_in(answers) == []
    assert Generation.objects.in_slot().count() == 3


def test_ten_dispatchers_post_every_song_once(ada: User, settings: Settings, fal: MockFalClient) -> None:
    settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = 6
    for _ in range(6):
        asked_for(ada)
    assert errors_in(race(10, lambda _: dispatch.dispatch())) == []
    assert posts(fal) == 6
    assert set(Generation.objects.values_list("attempts", flat=True)) == {1}


def test_the_row_says_submitted_to_everybody_before_the_post(
    ada: User, fal: MockFalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, ...] | None] = []
    really = fal.submit

    def look_from_outside(endpoint_id: str, arguments: Mapping[str, Any], *, webhook_url: str | None) -> Submission:
        settings = connection.settings_dict
        with psycopg.connect(
            host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"],
            user=settings["USER"], password=settings["PASSWORD"],
        ) as outside:  # fmt: skip
            seen.append(
                outside.execute("SELECT state, submit_started_at IS NOT NULL FROM studio_generation").fetchone()
            )
        return really(endpoint_id, arguments, webhook_url=webhook_url)

    monkeypatch.setattr(fal, "submit", look_from_outside)
    asked_for(ada)
    assert dispatch.dispatch() == 1
    assert seen == [("SUBMITTED", True)]


def test_a_cancel_that_races_with_the_dispatch_ends_in_one_of_two_true_ways(
    ada: User, fal: MockFalClient, settings: Settings
) -> None:
    settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = 5
    for _ in range(5):
        generation = asked_for(ada)
        before = posts(fal)
        cancel = partial(generations.cancel, person=ada, generation_id=generation.pk)
        answers = race(2, lambda number, cancel=cancel: cancel() if number else dispatch.dispatch())  # type: ignore[misc]
        assert errors_in(answers) == []
        generation.refresh_from_db()
        if generation.state == State.CANCELLED:
            assert posts(fal) == before
            assert kinds_of(generation) == ["HOLD", "RELEASE"]
        else:
            assert (generation.state, generation.cancel_requested_at is None) == (State.SUBMITTED, False)
            assert kinds_of(generation) == ["HOLD"]
        assert names_of(generation).count("job_started") <= 1
    money_of(ada)


def test_a_song_that_is_being_cancelled_does_not_stop_the_next_ones_turn(ada: User) -> None:
    """The row is locked by the cancel: whoever claims takes the next one, and doesn't trip over it."""
    first, second = asked_for(ada), asked_for(ada)
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"],
        user=settings["USER"], password=settings["PASSWORD"],
    ) as outside:  # fmt: skip
        outside.execute("SELECT 1 FROM studio_generation WHERE id = %s FOR UPDATE", [first.pk])
        assert dispatch.claim_next() == second
