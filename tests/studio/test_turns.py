"""Turns in line: whose comes when, and at what cost with ten thousand others waiting."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from studio import dispatch, turns
from studio.fal.errors import NotAccepted
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.crowds import lay, plan, rows_read
from tests.studio.people import aged, asked_for, person, put

# A whole table of this size is as good as an index.
FEW_ROWS = 20


def turns_of(user: User) -> list[int]:
    return list(Generation.objects.of(user).order_by("created_at", "pk").values_list("turn", flat=True))


# --- Whose turn comes when --------------------------------------------------------------------------------------------


def test_a_persons_songs_have_one_turn_after_another(ada: User, bo: User) -> None:
    for _ in range(3):
        asked_for(ada)
    asked_for(bo)
    assert (turns_of(ada), turns_of(bo)) == ([1, 2, 3], [1])


def test_whoever_comes_later_shares_the_turn_after_the_last_that_was_sent(
    ada: User, bo: User, settings: Settings
) -> None:
    settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = 4
    for _ in range(6):
        asked_for(ada)
    dispatch.dispatch()
    asked_for(bo)
    assert turns_of(bo) == [5], "neither before those who wait, nor behind all that they have asked for"


def test_songs_taken_out_of_line_cost_nobody_a_turn(ada: User) -> None:
    for _ in range(5):
        put(asked_for(ada), State.CANCELLED)
    asked_for(ada)
    assert turns_of(ada)[-1] == 1


def test_a_song_that_comes_back_has_its_turn_still(ada: User, bo: User, settings: Settings, fal: MockFalClient) -> None:
    settings.NEOAPEX_FAL_SLOTS = 1
    first = asked_for(ada)
    for user in (bo, ada):
        asked_for(user)
    fal.will_raise("submit", NotAccepted())
    dispatch.dispatch()
    aged(first, run_at=1)
    assert dispatch.claim_next() == first


def test_a_song_that_is_paused_holds_up_nobody(ada: User, bo: User) -> None:
    aged(asked_for(ada), run_at=-60)
    wanted = asked_for(bo)
    assert dispatch.claim_next() == wanted


def test_people_at_their_own_limit_are_passed_over(ada: User, bo: User, settings: Settings) -> None:
    settings.NEOAPEX_FAL_SLOTS, settings.NEOAPEX_USER_SLOTS = 4, 1
    for _ in range(3):
        asked_for(ada)
    wanted = asked_for(bo)
    assert dispatch.claim_next() is not None
    assert dispatch.claim_next() == wanted
    assert dispatch.claim_next() is None


def test_newcomers_without_end_do_not_starve_whoever_waits(settings: Settings, db: None) -> None:
    settings.NEOAPEX_FAL_SLOTS = 1
    patient = person("patient")
    asked_for(person("early"))
    wanted = asked_for(patient)
    for number in range(20):
        asked_for(person(f"newcomer{number}"))
        claimed = dispatch.claim_next()
        assert claimed is not None
        put(claimed, State.READY)
        if claimed == wanted:
            assert number <= 1
            return
    raise AssertionError("never served")


# --- What it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("people", "songs"), [(10, 1), (500, 20), (10_000, 1), (10, 1_000)])
def test_a_claim_reads_as_few_rows_with_ten_thousand_waiting_as_with_ten(
    ada: User, bo: User, settings: Settings, people: int, songs: int
) -> None:
    settings.NEOAPEX_FAL_SLOTS = 4
    for user in (ada, bo):
        # Both have songs at fal and more of them in line: those are what has to be passed over.
        asked_for(user)
        assert dispatch.claim_next() is not None
        asked_for(user)
    lay(people, songs)
    with CaptureQueriesContext(connection) as queries:
        assert turns.next_in_line() is not None
        turns.next_turn(ada)
    told = [query["sql"] for query in queries if "SELECT" in query["sql"]]
    assert len(told) == 4
    for sql in told:
        found = plan(sql)
        assert rows_read(found) <= FEW_ROWS, sql
