"""Turns in line: whose comes when, and at what cost with ten thousand others waiting."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from studio import dispatch, turns
from studio.fal.errors import NotAccepted
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.people import aged, asked_for, person, put

# A whole table of this size is as good as an index.
FEW_ROWS = 20
# Songs in line, made in one statement; each person's turns follow one another.
CROWD = """
INSERT INTO studio_generation (id, person_id, endpoint, state, recipe, seed, num_songs, cost_micros, reason_code,
    reason_message, reason_whose, raw_error, attempts, looks, asks, turn, created_at, run_at)
SELECT md5('crowd' || person.id || '/' || n)::uuid, person.id, 'text-to-music', 'QUEUED', '{}', 1, 1, 75000, '',
    '', '', '', 0, 0, 0, n, now() - interval '1 hour', now() - interval '1 hour'
FROM studio_user person, generate_series(1, %(songs)s) n WHERE person.email LIKE 'crowd%%'
"""
PEOPLE = """
INSERT INTO studio_user (password, is_superuser, first_name, last_name, is_staff, is_active, date_joined, email)
SELECT '', false, '', '', false, true, now(), 'crowd' || n || '@example.com' FROM generate_series(1, %(people)s) n
"""


def lay(people: int, songs: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, {"people": people})
        cursor.execute(CROWD, {"songs": songs})
        cursor.execute("ANALYZE studio_generation")


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


def plan(sql: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        found: dict[str, Any] = cursor.fetchone()[0][0]["Plan"]
    return found


def walk(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(inner for child in node.get("Plans", []) for inner in walk(child))]


def rows_read(node: dict[str, Any]) -> int:
    """Rows that any step of the plan took up or threw away; a bitmap also counts those that are long gone."""
    steps = [step for step in walk(node) if step["Node Type"] != "Bitmap Index Scan"]
    return max(int(step["Actual Rows"]) + int(step.get("Rows Removed by Filter", 0)) for step in steps)


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
