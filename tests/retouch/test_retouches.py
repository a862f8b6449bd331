"""A retouch from its first take to its end: the section, the verdicts, the cap, and the way back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from pytest_django import Settings

from ledger.errors import InsufficientBudget
from studio import generations, queries, retouches, settling, trash
from studio.errors import (
    AccountClosed,
    IdempotencyConflict,
    InvalidInput,
    NotFound,
    NothingToUndo,
    RetouchOver,
    RetriesExhausted,
    TakeInUse,
    TakeNotReady,
    TakePending,
    TrackInTrash,
    VerdictMissing,
)
from studio.models import Generation, Retouch, Take, Track, User
from tests.retouch.conftest import song_of
from tests.retouch.scenes import WORDS, begun, delivered, failed, last_take, retried, sent
from tests.studio.people import ONE_SONG, kinds_of, money_of, person

SPENT_BEFORE = ONE_SONG


def test_the_first_take_is_asked_for_and_its_price_set_aside(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    take = last_take(retouch)
    assert (retouch.state, retouch.start_ms, retouch.end_ms, retouch.most_takes) == ("OPEN", 8000, 12_000, 4)
    assert (take.number, take.generation.purpose, take.generation.source_id) == (1, "TAKE", track.pk)
    assert take.generation.endpoint == "inpaint"
    assert money_of(ada) == (ONE_SONG, SPENT_BEFORE)


def test_a_take_is_hidden_until_it_is_accepted_and_nothing_is_copied(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    made = delivered(last_take(retouch))
    assert made.hidden
    assert made.title == track.title
    assert not Track.objects.in_library().filter(pk=made.pk).exists()
    assert [card.generation.pk for card in queries.feed(ada).cards] == [track.generation_id]
    retouches.accept(person=ada, retouch_id=retouch.pk, take_id=made.generation_id)
    made.refresh_from_db()
    retouch.refresh_from_db()
    assert (made.hidden, retouch.state, retouch.accepted_id) == (False, "ACCEPTED", made.generation_id)
    assert Track.objects.count() == 2
    assert [card.generation.pk for card in queries.feed(ada).cards] == [made.generation_id, track.generation_id]
    assert money_of(ada) == (0, SPENT_BEFORE + ONE_SONG)


def test_accepting_twice_changes_nothing(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    take_id = delivered(last_take(retouch)).generation_id
    first = retouches.accept(person=ada, retouch_id=retouch.pk, take_id=take_id)
    assert retouches.accept(person=ada, retouch_id=retouch.pk, take_id=take_id).ended_at == first.ended_at


# --- The section ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "code"),
    [
        ({"start": 12.0, "end": 8.0}, "empty_section"),
        ({"start": 8.0, "end": 8.0}, "empty_section"),
        ({"start": 8.0, "end": 8.01}, "section_too_short"),
        ({"start": 8.0, "end": 8.99}, "section_too_short"),
        ({"start": 19.5, "end": 20.04}, "section_too_short"),
        ({"start": 18.0, "end": 21.0}, "section_outside"),
        ({"start": 25.0, "end": 29.0}, "section_outside"),
        ({"start": 0.0, "end": 20.0}, "section_is_everything"),
        ({"start": 0.5, "end": 20.0}, "section_is_everything"),
        ({"start": -1.0, "end": 4.0}, "out_of_range"),
        ({"start": float("nan"), "end": 4.0}, "out_of_range"),
        ({"start": 1.0, "end": float("inf")}, "out_of_range"),
        ({"start": "1", "end": 4.0}, "wrong_type"),
        ({"end": 4.0}, "required"),
        ([{"start": 1.0, "end": 4.0}], "wrong_type"),
        (None, "wrong_type"),
    ],
)
def test_a_bad_section_is_refused_with_a_hint_and_nothing_is_held(
    ada: User, track: Track, section: Any, code: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        begun(ada, track, section=section)
    assert refusal.value.code == code
    assert refusal.value.problems[0].hint
    assert not Retouch.objects.exists()
    assert money_of(ada) == (0, SPENT_BEFORE)


@pytest.mark.parametrize(
    "section", [{"start": 0, "end": 1}, {"start": 0.0, "end": 19.0}, {"start": 16.0, "end": 20.04}]
)
def test_the_smallest_and_the_largest_section_are_taken(ada: User, track: Track, section: dict[str, float]) -> None:
    retouch = begun(ada, track, section=section)
    assert retouch.end_ms <= 20_000


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"lyrics": None}, "needs_lyrics"),
        ({"tags": []}, "needs_tags"),
        ({"num_songs": 2}, "not_offered"),
        ({"audio_url": "https://example.com/a.wav"}, "unknown_field"),
        ({"prompt": "x"}, "unknown_field"),
        ({"vibe_strength": 4.0}, "out_of_range"),
    ],
)
def test_other_bad_input_is_refused_and_nothing_is_held(
    ada: User, track: Track, inputs: dict[str, Any], code: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        begun(ada, track, **inputs)
    assert refusal.value.code == code
    assert money_of(ada) == (0, SPENT_BEFORE)


def test_who_can_not_pay_begins_nothing(db: None) -> None:
    poor = person("poor", songs=1)
    track = song_of(poor)
    with pytest.raises(InsufficientBudget):
        begun(poor, track)
    assert not Retouch.objects.exists()


def test_who_was_deactivated_begins_nothing(ada: User, track: Track) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)
    with pytest.raises(AccountClosed):
        begun(ada, track)
    assert not Retouch.objects.exists()


# --- Verdict and retry ------------------------------------------------------------------------------------------------


def test_a_retry_needs_a_verdict_which_is_kept_before_the_next_take(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    delivered(last_take(retouch))
    with pytest.raises(VerdictMissing):
        retried(ada, retouch, "  ")
    second = retried(ada, retouch, "wrong words", note="line two")
    first = retouch.takes.get(number=1)
    assert (first.verdict, first.verdict_note) == ("WRONG_WORDS", "line two")
    assert first.verdict_at is not None
    assert second.number == 2


def test_a_reason_in_ones_own_words_is_other_with_a_note(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    delivered(last_take(retouch))
    retried(ada, retouch, "the drums drag")
    first = retouch.takes.get(number=1)
    assert (first.verdict, first.verdict_note) == ("OTHER", "the drums drag")


def test_a_retry_draws_another_seed_or_keeps_it(ada: User, track: Track) -> None:
    retouch = begun(ada, track, seed="7")
    delivered(last_take(retouch))
    other = retried(ada, retouch)
    assert other.generation.seed != 7
    assert other.generation.recipe["lyrics"] == WORDS["lyrics"]
    delivered(other)
    assert retried(ada, retouch, keep_seed=True).generation.seed == other.generation.seed


def test_while_a_take_is_under_way_there_is_no_other(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    with pytest.raises(TakePending):
        retried(ada, retouch)
    sent(last_take(retouch))
    with pytest.raises(TakePending):
        retried(ada, retouch)
    assert Take.objects.count() == 1


def test_after_three_retries_none_is_left_whatever_is_under_way(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    for left in (3, 2, 1):
        delivered(last_take(retouch))
        assert retouches.read(ada, retouch.pk).retries_left == left
        retried(ada, retouch)
    with pytest.raises(RetriesExhausted):
        retried(ada, retouch)
    delivered(last_take(retouch))
    with pytest.raises(RetriesExhausted):
        retried(ada, retouch)
    assert [take.number for take in retouches.read(ada, retouch.pk).takes] == [1, 2, 3, 4]
    assert money_of(ada) == (0, SPENT_BEFORE + 4 * ONE_SONG)


def test_takes_that_failed_or_were_cancelled_cost_nothing_and_do_not_count(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    failed(last_take(retouch))
    retried(ada, retouch, reason="")
    generations.cancel(person=ada, generation_id=last_take(retouch).pk)
    retried(ada, retouch, reason="")
    for _ in range(3):
        delivered(last_take(retouch))
        retried(ada, retouch)
    delivered(last_take(retouch))
    with pytest.raises(RetriesExhausted):
        retried(ada, retouch)
    strip = retouches.read(ada, retouch.pk)
    assert [take.number for take in strip.takes] == [None, None, 1, 2, 3, 4]
    assert money_of(ada) == (0, SPENT_BEFORE + 4 * ONE_SONG)


def test_a_take_that_comes_after_all_is_a_gift_beside_the_cap(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    late = failed(last_take(retouch))
    retried(ada, retouch, reason="")
    settling.settle(late.pk, {"audio": [{"url": "https://v3.fal.media/a.wav"}], "seed": 1}, request_id=late.request_id)
    late.refresh_from_db()
    assert (late.state, late.charged_micros) == ("INGESTING", 0)
    strip = retouches.read(ada, retouch.pk)
    assert [take.number for take in strip.takes] == [None, 1]
    assert strip.retries_left == 3


def test_the_cap_of_a_retouch_is_the_one_that_it_began_with(ada: User, track: Track, settings: Settings) -> None:
    settings.NEOAPEX_INPAINT_MAX_RETRIES = 1
    retouch = begun(ada, track)
    settings.NEOAPEX_INPAINT_MAX_RETRIES = 9
    delivered(last_take(retouch))
    delivered(retried(ada, retouch))
    with pytest.raises(RetriesExhausted):
        retried(ada, retouch)


def test_the_cap_holds_over_a_months_end(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    for _ in range(3):
        delivered(last_take(retouch))
        Generation.objects.filter(take__retouch=retouch).update(created_at="2026-10-31T23:59:59Z")
        Take.objects.filter(retouch=retouch).update(created_at=F("created_at") - timedelta(days=31))
        retried(ada, retouch)
    delivered(last_take(retouch))
    with pytest.raises(RetriesExhausted):
        retried(ada, retouch)


def test_the_same_key_again_gives_the_same_take(ada: User, track: Track) -> None:
    asked: dict[str, Any] = {"person": ada, "track_id": track.pk, "inputs": WORDS, "idempotency_key": "once"}
    retouch, new = retouches.start(**asked)
    assert (new, retouches.start(**asked)) == (True, (retouch, False))
    with pytest.raises(IdempotencyConflict):
        retouches.start(**asked | {"inputs": WORDS | {"lyrics": "other"}})
    delivered(last_take(retouch))
    again: dict[str, Any] = {"person": ada, "retouch_id": retouch.pk, "reason": "GLITCH", "idempotency_key": "twice"}
    assert [retouches.retry(**again)[1] for _ in range(3)] == [True, False, False]
    assert Take.objects.count() == 2


def test_a_source_in_the_trash_stops_retries_until_it_is_back(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    delivered(last_take(retouch))
    trash.put(person=ada, track_id=track.pk)
    with pytest.raises(TrackInTrash):
        retried(ada, retouch)
    assert not retouch.takes.exclude(verdict="").exists(), "nothing is written"
    trash.put_back(person=ada, track_id=track.pk)
    assert retried(ada, retouch).number == 2


# --- The end ----------------------------------------------------------------------------------------------------------


def test_keeping_the_original_ends_it_and_cancels_what_waits(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    retouches.abandon(person=ada, retouch_id=retouch.pk)
    take = last_take(retouch)
    assert take.generation.state == "CANCELLED"
    assert kinds_of(take.generation) == ["HOLD", "RELEASE"]
    assert retouches.abandon(person=ada, retouch_id=retouch.pk).state == "ABANDONED"
    with pytest.raises(RetouchOver):
        retried(ada, retouch)
    with pytest.raises(RetouchOver):
        retouches.accept(person=ada, retouch_id=retouch.pk, take_id=take.pk)


def test_an_earlier_take_can_be_accepted_and_what_is_under_way_is_cancelled(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    first = delivered(last_take(retouch))
    second = retried(ada, retouch)
    retouches.accept(person=ada, retouch_id=retouch.pk, take_id=first.generation_id)
    assert Generation.objects.get(pk=second.pk).state == "CANCELLED"
    with pytest.raises(RetouchOver):
        retried(ada, retouch)


def test_only_what_can_be_heard_is_accepted(ada: User, ben: User, track: Track) -> None:
    retouch = begun(ada, track)
    with pytest.raises(TakeNotReady):
        retouches.accept(person=ada, retouch_id=retouch.pk, take_id=last_take(retouch).pk)
    made = delivered(last_take(retouch))
    with pytest.raises(NotFound):
        retouches.accept(person=ada, retouch_id=retouch.pk, take_id=track.generation_id)
    with pytest.raises(NotFound):
        retouches.accept(person=ben, retouch_id=retouch.pk, take_id=made.generation_id)


def test_an_acceptance_is_taken_back_until_something_derives_from_it(ada: User, track: Track) -> None:
    retouch = begun(ada, track)
    made = delivered(last_take(retouch))
    with pytest.raises(NothingToUndo):
        retouches.undo(person=ada, retouch_id=retouch.pk)
    retouches.accept(person=ada, retouch_id=retouch.pk, take_id=made.generation_id)
    retouches.undo(person=ada, retouch_id=retouch.pk)
    made.refresh_from_db()
    assert made.hidden
    assert retried(ada, retouch).number == 2
    retouches.accept(person=ada, retouch_id=retouch.pk, take_id=made.generation_id)
    begun(ada, made)
    with pytest.raises(TakeInUse):
        retouches.undo(person=ada, retouch_id=retouch.pk)
