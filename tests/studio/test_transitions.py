"""The tables of states, and the only function that moves one."""

import io
import itertools
import re
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from studio import transitions
from studio.errors import StaleTransition
from studio.models import Event, Generation, Track, User
from studio.states import GenerationState as G
from studio.states import TrackState as T
from tests.studio.people import WHOLE, asked_for, errors_in, names_of, put, race, submitted

ROOT = Path(__file__).resolve().parents[2]

# The design's own table, written a second time: whoever changes one has to mean it.
DESIGNED = {
    "QUEUED": "SUBMITTED INGESTING FAILED CANCELLED",
    "SUBMITTED": "QUEUED RUNNING INGESTING FAILED CANCELLED LOST",
    "RUNNING": "INGESTING FAILED CANCELLED LOST",
    "LOST": "INGESTING FAILED CANCELLED",
    "INGESTING": "READY FAILED",
    "READY": "",
    "FAILED": "INGESTING",
    "CANCELLED": "INGESTING",
}
IN_TABLE = [(G(came_from), G(to)) for came_from, ways in DESIGNED.items() for to in ways.split()]
NOT_IN_TABLE = sorted(set(itertools.product(G, G)) - set(IN_TABLE))


@pytest.fixture
def generation(ada: User) -> Generation:
    return asked_for(ada)


def test_the_table_is_the_designed_one_and_covers_every_state() -> None:
    assert {came_from: set(ways) for came_from, ways in transitions.GENERATION.items()} == {
        came_from: set(ways.split()) for came_from, ways in DESIGNED.items()
    }
    assert set(transitions.GENERATION) == set(G) == set(transitions.EVENTS)
    assert set(transitions.TRACK) == set(T)


def test_final_states_are_those_that_only_a_late_song_leaves() -> None:
    ends = {state for state, ways in transitions.GENERATION.items() if ways <= {G.INGESTING} and state != G.QUEUED}
    assert ends - {G.INGESTING} == transitions.FINAL


@pytest.mark.parametrize(("came_from", "to"), IN_TABLE)
def test_a_move_in_the_table_is_made_and_told(generation: Generation, came_from: G, to: G) -> None:
    put(generation, came_from)
    fields = {"submit_started_at": generation.created_at} if to in (G.SUBMITTED, G.RUNNING, G.LOST) else {}
    transitions.advance(generation, to, **fields)
    stored = Generation.objects.get(pk=generation.pk)
    assert stored.state == generation.state == to
    assert (stored.finished_at is not None) == (to in transitions.FINAL)
    told = Event.objects.filter(generation=generation).order_by("pk").last()
    assert told is not None
    assert (told.name, told.data["state"]) == (transitions.EVENTS[to], to)


@pytest.mark.parametrize(("came_from", "to"), NOT_IN_TABLE)
def test_a_move_outside_the_table_is_refused_and_writes_nothing(generation: Generation, came_from: G, to: G) -> None:
    put(generation, came_from)
    before = names_of(generation)
    with pytest.raises(StaleTransition):
        transitions.advance(generation, to, reason_code="forbidden")
    stored = Generation.objects.get(pk=generation.pk)
    assert (stored.state, stored.reason_code) == (came_from, "")
    assert names_of(generation) == before


def test_a_lost_race_raises_and_writes_neither_fields_nor_event(generation: Generation) -> None:
    late = Generation.objects.get(pk=generation.pk)
    transitions.advance(generation, G.CANCELLED)
    before = names_of(generation)
    with pytest.raises(StaleTransition) as caught:
        transitions.advance(late, G.FAILED, reason_code="too_late")
    assert caught.value.code == "stale_transition"
    stored = Generation.objects.get(pk=generation.pk)
    assert (stored.state, stored.reason_code) == (G.CANCELLED, "")
    assert names_of(generation) == before


def test_an_event_that_can_not_be_kept_takes_the_move_back(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no room for events")

    monkeypatch.setattr(transitions, "record", refuse)
    with pytest.raises(RuntimeError, match="no room"):
        transitions.advance(generation, G.CANCELLED)
    assert Generation.objects.get(pk=generation.pk).state == G.QUEUED


@pytest.mark.parametrize(("came_from", "to"), sorted(set(itertools.product(T, T))))
def test_a_track_moves_by_its_table_alone(ada: User, came_from: T, to: T) -> None:
    track = Track.objects.create(
        person=ada, generation=asked_for(ada), variation=0, title="x", state=T.PENDING, source_url="https://a.b/c"
    )
    Track.objects.filter(pk=track.pk).update(state=came_from, ready_at=ada.date_joined, **WHOLE)
    track.refresh_from_db()
    allowed = {(T.PENDING, T.READY), (T.PENDING, T.UNREADABLE), (T.UNREADABLE, T.PENDING)}
    if (came_from, to) in allowed:
        transitions.advance_track(track, to, reason_code="moved")
    else:
        with pytest.raises(StaleTransition):
            transitions.advance_track(track, to, reason_code="moved")
    stored = Track.objects.get(pk=track.pk)
    moved = (came_from, to) in allowed
    assert (stored.state, stored.reason_code) == ((to, "moved") if moved else (came_from, ""))


def test_a_track_that_somebody_else_moved_stays_where_they_put_it(ada: User) -> None:
    track = Track.objects.create(
        person=ada, generation=asked_for(ada), variation=0, title="x", source_url="https://a.b/c"
    )
    late = Track.objects.get(pk=track.pk)
    transitions.advance_track(track, T.UNREADABLE)
    with pytest.raises(StaleTransition):
        transitions.advance_track(late, T.READY)
    assert Track.objects.get(pk=track.pk).state == T.UNREADABLE


@pytest.mark.parametrize("missing", ["ready_at", *WHOLE])
def test_the_database_refuses_a_ready_track_that_is_not_whole(ada: User, missing: str) -> None:
    track = Track.objects.create(
        person=ada, generation=asked_for(ada), variation=0, title="x", source_url="https://a.b/c"
    )
    empty = {missing: "" if missing.endswith("key") else None}
    with pytest.raises(IntegrityError), transaction.atomic():
        transitions.advance_track(track, T.READY, **{"ready_at": ada.date_joined} | WHOLE | empty)
    assert Track.objects.get(pk=track.pk).state == T.PENDING


def test_the_database_refuses_states_that_nobody_knows(generation: Generation) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Generation.objects.filter(pk=generation.pk).update(state="DONE")


def test_the_database_refuses_one_at_fal_that_was_never_sent(generation: Generation) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        transitions.advance(generation, G.SUBMITTED)


def test_started_is_told_once_by_whoever_comes_first(ada: User) -> None:
    generation = submitted(ada)
    assert not transitions.mark_started(generation)
    assert names_of(generation).count("job_started") == 1


def test_the_second_to_say_started_changes_no_field(ada: User) -> None:
    generation = submitted(ada)
    assert not transitions.mark_started(generation, queue_position=99)
    assert Generation.objects.get(pk=generation.pk).queue_position != 99


def test_the_database_refuses_a_second_start_of_one_generation(ada: User) -> None:
    generation = submitted(ada)
    with pytest.raises(IntegrityError), transaction.atomic():
        Event.objects.create(person=ada, generation=generation, name="job_started")


@pytest.mark.django_db(transaction=True)
def test_two_threads_that_say_started_at_once_tell_it_once(ada: User) -> None:
    generation = asked_for(ada)
    answers = race(2, lambda _: transitions.mark_started(Generation.objects.get(pk=generation.pk)))
    assert sorted(map(str, answers)) == ["False", "True"]
    assert names_of(generation).count("job_started") == 1


@pytest.mark.django_db(transaction=True)
def test_of_ten_threads_that_move_a_generation_one_does(ada: User) -> None:
    generation = asked_for(ada)
    rows = [Generation.objects.get(pk=generation.pk) for _ in range(10)]
    ways = [G.CANCELLED, G.FAILED]
    answers = race(10, lambda number: transitions.advance(rows[number], ways[number % 2], reason_code=f"by {number}"))
    errors = errors_in(answers)
    assert len(errors) == 9
    assert {type(error) for error in errors} == {StaleTransition}
    winner = answers.index(None)
    stored = Generation.objects.get(pk=generation.pk)
    assert (stored.state, stored.reason_code) == (ways[winner % 2], f"by {winner}")
    assert names_of(generation) == ["job_queued", "job_failed"]


def test_the_diagram_shows_every_way_and_no_other() -> None:
    out = io.StringIO()
    call_command("draw_states", stdout=out)
    drawn = set(re.findall(r"^ +(\w+) --> (\w+)$", out.getvalue(), re.MULTILINE))
    tracks = {("PENDING", "READY"), ("PENDING", "UNREADABLE"), ("UNREADABLE", "PENDING")}
    masters = {(str(came_from), str(to)) for came_from, ways in transitions.MASTER.items() for to in ways}
    retouches = {("OPEN", "ACCEPTED"), ("OPEN", "ABANDONED"), ("ACCEPTED", "OPEN")}
    assert drawn == {(str(came_from), str(to)) for came_from, to in IN_TABLE} | tracks | masters | retouches


def test_the_diagram_in_the_docs_is_the_one_that_is_drawn() -> None:
    out = io.StringIO()
    call_command("draw_states", stdout=out)
    assert (ROOT / "docs" / "states.md").read_text() == out.getvalue()


def test_nothing_but_the_transitions_writes_a_state() -> None:
    """Reads (`state=` in a filter) are told from writes by the call that they stand in."""
    writes = re.compile(r"\.state\s*=(?!=)|setattr\([^)]*[\"']state[\"']|\.update\([^()]*\bstate\s*=(?!=)", re.DOTALL)
    sources = [
        path for package in ("studio", "webhooks", "ledger", "neoapex") for path in (ROOT / package).rglob("*.py")
    ]
    writers = {str(path.relative_to(ROOT)) for path in sources if writes.search(path.read_text())}
    # A message to a receiver has a state of its own, with a writer of its own.
    assert writers == {"studio/transitions.py", "studio/receivers.py"}
