"""At every stage a card says one sentence, and it is true."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from studio import queries, sentences, settling
from studio.fal.errors import Refused
from studio.models import Generation, Track, User
from studio.states import GenerationState as State
from tests.studio.people import asked_for, put, song, submitted

NOW = timezone.now()
USUAL = (60, 100)


def ago(seconds: float) -> Any:
    return NOW - timedelta(seconds=seconds)


def place(state: State, *, position: int | None = None, out: bool = False, trouble: bool = False, **row: Any) -> Any:
    """A row that is in no database, at a moment that stands still."""
    defaults = {"created_at": ago(500), "run_at": ago(500), "request_id": "r", "cost_micros": 75_000}
    return sentences.Place(
        generation=Generation(state=state, **{**defaults, **row}),
        now=NOW,
        position=position,
        usual_seconds=USUAL,
        fal_is_out_of_reach=out,
        saving_is_in_trouble=trouble,
    )


SENT = {"submit_started_at": ago(10), "started_at": ago(9)}
SLOW = {"submit_started_at": ago(201), "started_at": ago(200)}
WISHED = {"cancel_requested_at": ago(1)}

TABLE: dict[str, tuple[Any, str]] = {
    "next in line": (place(State.QUEUED, position=1), "Waiting for a free place at fal."),
    "somewhere in line": (place(State.QUEUED, position=4), "Number 4 in your line."),
    "fal did not take it": (
        place(State.QUEUED, attempts=1, run_at=ago(-20)),
        "fal could not take it just now; it is sent again in a moment.",
    ),
    "after that pause": (place(State.QUEUED, attempts=1, position=1), "Waiting for a free place at fal."),
    "fal is out of reach": (
        place(State.QUEUED, position=4, attempts=1, run_at=ago(-20), out=True),
        "fal is out of reach just now. Your song is sent by itself as soon as fal is there again.",
    ),
    "being sent": (place(State.SUBMITTED, submit_started_at=ago(10), request_id=None), "Sending it to fal."),
    "the answer is lost": (
        place(State.SUBMITTED, submit_started_at=ago(151), request_id=None),
        "fal's answer got lost. If fal has the song, it comes by itself; it is never sent twice.",
    ),
    "at fal": (place(State.SUBMITTED, **SENT), "fal has it and will start it soon."),
    "at fal, next": (place(State.SUBMITTED, queue_position=0, **SENT), "fal has it and will start it soon."),
    "at fal, second": (place(State.SUBMITTED, queue_position=1, **SENT), "fal has it; 1 is before it."),
    "at fal, fourth": (place(State.SUBMITTED, queue_position=3, **SENT), "fal has it; 3 are before it."),
    "at fal for long": (
        place(State.SUBMITTED, queue_position=3, **SLOW),
        "fal has it, but this one waits there for longer than usual.",
    ),
    "running": (place(State.RUNNING, **SENT), "Sonauto is making the song."),
    "running for long": (
        place(State.RUNNING, **SLOW),
        "Sonauto is still making the song; this one takes longer than usual.",
    ),
    "cancelling": (
        place(State.RUNNING, **SENT, **WISHED),
        "We are asking fal to stop it. If it is done first, you get the song and pay for it.",
    ),
    "cancelling what may not be there": (
        place(State.SUBMITTED, submit_started_at=ago(1), request_id=None, **WISHED),
        "fal has not said yet whether it has the song. As soon as it does, we ask it to stop.",
    ),
    "lost": (
        place(State.LOST, **SLOW),
        "fal has not answered about this song for a while. We keep asking.",
    ),
    "lost, with the money": (place(State.LOST, reason_message="The money stays.", **SLOW), "The money stays."),
    "saving": (place(State.INGESTING, charged_micros=75_000, **SENT), "The song is done; we are saving it."),
    "saving what was to be cancelled": (
        place(State.INGESTING, charged_micros=75_000, **SENT, **WISHED),
        "The song is done; we are saving it.",
    ),
    "saving with trouble": (
        place(State.INGESTING, charged_micros=75_000, trouble=True, **SENT),
        "The song is done, but saving it takes us longer than it should. Nothing is lost; we keep trying.",
    ),
    "saving a late one": (
        place(State.INGESTING, charged_micros=0, **SENT),
        "The song came after all, after your money had been given back: it costs you nothing. We are saving it.",
    ),
    "ready": (place(State.READY, charged_micros=75_000, **SENT), "Ready."),
    "ready, late": (
        place(State.READY, charged_micros=0, **SENT),
        "It came after your money had been given back, so it costs you nothing.",
    ),
    "ready though cancelled": (
        place(State.READY, charged_micros=75_000, **SENT, **WISHED),
        "It was done before fal could stop it, so you have the song and paid for it.",
    ),
    "failed": (place(State.FAILED, reason_message="Because."), "Because."),
    "failed without a word": (place(State.FAILED), "It ended without a song."),
    "cancelled": (place(State.CANCELLED, reason_message="You did."), "You did."),
}


@pytest.mark.parametrize("stage", TABLE)
def test_at_each_stage_the_sentence_is_true(stage: str) -> None:
    where, says = TABLE[stage]
    assert sentences.sentence(where) == says


def test_the_table_knows_every_state() -> None:
    assert {where.generation.state for where, _ in TABLE.values()} == set(State)


@pytest.mark.parametrize(
    ("stage", "seconds"),
    [
        ("next in line", None),
        ("fal did not take it", 21),
        ("fal is out of reach", sentences.SOON_SECONDS),
        ("being sent", 141),
        ("the answer is lost", None),
        ("at fal", 191),
        ("running", 191),
        ("running for long", None),
        ("saving", None),
        ("ready", None),
        ("failed", None),
    ],
)
def test_a_sentence_says_for_how_long_it_is_true(stage: str, seconds: int | None) -> None:
    where, _ = TABLE[stage]
    assert sentences.stale_seconds(where) == seconds


@pytest.mark.parametrize("stage", [stage for stage, (where, _) in TABLE.items() if sentences.stale_seconds(where)])
def test_once_that_is_over_it_says_something_else_or_asks_again(stage: str) -> None:
    where, says = TABLE[stage]
    seconds = sentences.stale_seconds(where)
    assert seconds is not None
    later = sentences.Place(
        where.generation, NOW + timedelta(seconds=seconds), where.position, USUAL, where.fal_is_out_of_reach
    )
    assert sentences.sentence(later) != says or sentences.stale_seconds(later)


def test_before_anything_is_known_to_be_usual_five_minutes_are_long() -> None:
    row = Generation(state=State.RUNNING, submit_started_at=ago(299), started_at=ago(299))
    assert sentences.Place(row, NOW).patience_seconds
    assert not sentences.Place(row, NOW + timedelta(seconds=2)).patience_seconds


# --- In the database --------------------------------------------------------------------------------------------------


def test_a_late_success_says_so_while_it_is_saved_and_afterwards(ada: User) -> None:
    generation = submitted(ada)
    settling.fail(generation, Refused("Too late."))
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    card = queries.card(ada, generation.pk)
    assert "costs you nothing" in card.sentence
    Track.objects.update(alarm="bucket")
    assert "we keep trying" in queries.card(ada, generation.pk).sentence


def test_a_failure_keeps_what_to_do_next_and_a_success_has_nothing_of_it(ada: User) -> None:
    generation = submitted(ada)
    settling.fail(generation, Refused("So it failed.", hint="Do this next."))
    generation.refresh_from_db()
    assert (generation.reason_message, generation.reason_hint) == ("So it failed.", "Do this next.")
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    generation.refresh_from_db()
    assert generation.reason_hint == ""


def test_a_card_of_a_song_in_line_is_asked_for_again_when_its_pause_is_over(ada: User) -> None:
    generation = put(asked_for(ada), State.QUEUED, attempts=1, run_at=timezone.now() + timedelta(seconds=20))
    card = queries.card(ada, generation.pk)
    assert card.stale_seconds is not None
    assert 18 <= card.stale_seconds <= 21
