"""An A/B test is valid or it does not start: what is locked, what is refused, what is free, and what it costs."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from ledger.errors import InsufficientBudget
from studio import experiment_queries, experiments, generations, trash
from studio.errors import (
    ArmNotFailed,
    CantFreeze,
    IdempotencyConflict,
    InvalidInput,
    NotComparable,
    NotFound,
    NotFrozen,
    NothingToJudge,
    TooManyWaiting,
    TrackInTrash,
)
from studio.models import Arm, Experiment, Generation, IdempotencyKey, Track, User, Verdict
from studio.states import Purpose
from tests.studio.experimenting import EXACT, VIBES, base, finish, finished, started
from tests.studio.people import ONE_SONG, asked_for, finished_song, money_of, person, put


def recipes_of(experiment: Experiment) -> list[dict[str, Any]]:
    songs = [shown.arm.generation or shown.arm.reused.generation for shown in experiment_queries.arms_of(experiment)]  # type: ignore[union-attr]
    return [song.recipe for song in songs]


def start(user: User, track: Track, **asked: Any) -> Experiment:
    given = {"parameter": "vibe_strength", "values": VIBES} | asked
    return experiments.start(person=user, track_id=track.pk, **given)[0]


# --- What is locked --------------------------------------------------------------------------------------------------


def test_the_arms_differ_in_the_parameter_and_in_nothing_else(ada: User) -> None:
    track = base(ada, vibe_strength=2.0, bpm=92, output_format="flac")
    experiment = started(ada, track, [1.8, 2.4, 3.0])
    recipes = recipes_of(experiment)
    assert [recipe.pop("vibe_strength") for recipe in recipes] == [1.8, 2.4, 3.0]
    assert recipes[0] == recipes[1] == recipes[2] == experiment.locked
    assert experiment.locked["seed"] == track.generation.seed == 42
    assert experiment.locked["bpm"] == 92
    assert experiment.locked["num_songs"] == 1


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("vibe_strength", [1.4, 3.1]),
        ("balance_strength", [0, 0.5, 1.0]),
        ("bpm", ["auto", None, 90, 120]),
    ],
)
def test_each_of_the_three_parameters_can_be_compared(ada: User, parameter: str, values: list[Any]) -> None:
    experiment = started(ada, base(ada), values, parameter=parameter)
    assert [arm.setting for arm in experiment.arms.order_by("position")] == values
    assert {arm.generation.purpose for arm in experiment.arms.all() if arm.generation} <= {Purpose.ARM}


def test_an_arm_is_hidden_from_the_library_and_names_the_song_it_is_of(ada: User) -> None:
    track = base(ada)
    experiment = finished(ada, track)
    for arm in experiment.arms.all():
        assert arm.generation is not None
        assert arm.generation.source_id == track.pk
        assert arm.generation.tracks.get().hidden


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"parameter": "seed", "values": [1, 2]}, "unknown_parameter"),
        ({"parameter": "num_songs", "values": [1, 2]}, "unknown_parameter"),
        ({"parameter": ["bpm"], "values": [90, 100]}, "unknown_parameter"),
        ({"values": [1.8]}, "wrong_number_of_values"),
        ({"values": [1.5, 1.6, 1.7, 1.8, 1.9]}, "wrong_number_of_values"),
        ({"values": "1.8"}, "wrong_number_of_values"),
        ({"values": [1.8, 1.8]}, "equal_values"),
        ({"values": [2, 2.0]}, "equal_values"),
        ({"values": [1.3, 2.0]}, "out_of_range"),
        ({"values": [2.0, float("nan")]}, "out_of_range"),
        ({"values": [2.0, "2.4"]}, "wrong_type"),
        ({"values": [True, 2.0]}, "wrong_type"),
        ({"values": [2.0, {"bpm": 3}]}, "wrong_type"),
        ({"parameter": "bpm", "values": [90, 1000]}, "bad_bpm"),
        ({"parameter": "bpm", "values": [90, 100.0]}, "bad_bpm"),
    ],
)
def test_what_is_no_valid_comparison_is_refused_by_name(ada: User, asked: dict[str, Any], code: str) -> None:
    track = base(ada)
    before = money_of(ada)
    with pytest.raises(InvalidInput) as refusal:
        start(ada, track, **asked)
    assert refusal.value.code == code
    assert not Experiment.objects.exists()
    assert money_of(ada) == before
    assert code in {reason.code for reason in quote_of(ada, track, **asked).quote.reasons}


def quote_of(user: User, track: Track, **asked: Any) -> experiments.Plan:
    given = {"parameter": "vibe_strength", "values": VIBES} | asked
    return experiments.quote(person=user, track_id=track.pk, **given)


def test_a_wrong_value_is_named_by_its_place(ada: User) -> None:
    with pytest.raises(InvalidInput) as refusal:
        started(ada, base(ada), [2.0, 9.0, 1.0])
    assert [problem.field for problem in refusal.value.problems] == ["values.1", "values.2"]


def test_only_ones_own_songs_outside_the_trash_can_be_compared(ada: User, bo: User) -> None:
    track = base(ada)
    with pytest.raises(NotFound):
        started(bo, track)
    trash.put(person=ada, track_id=track.pk)
    with pytest.raises(TrackInTrash):
        started(ada, track)


def test_what_was_made_from_sound_can_not_be_compared(ada: User) -> None:
    track = base(ada)
    Generation.objects.filter(pk=track.generation_id).update(endpoint="extend")
    with pytest.raises(NotComparable):
        started(ada, track)


# --- Freezing --------------------------------------------------------------------------------------------------------


def test_a_described_song_is_refused_until_it_is_frozen(ada: User) -> None:
    track = finished_song(ada).tracks.get()
    with pytest.raises(NotFrozen):
        started(ada, track)
    assert [reason.code for reason in quote_of(ada, track).quote.reasons] == ["not_frozen"]
    experiment = started(ada, track, freeze=True)
    assert experiment.frozen
    assert experiment.locked["prompt"] is None
    assert experiment.locked["tags"] == ["pop"]
    assert experiment.locked["lyrics"] == "la la"
    assert experiment.locked["seed"] == track.generation.seed


def test_a_described_song_can_not_be_frozen_where_fal_told_nothing(ada: User) -> None:
    track = finished_song(ada).tracks.get()
    Generation.objects.filter(pk=track.generation_id).update(written_lyrics=None)
    with pytest.raises(CantFreeze):
        started(ada, track, freeze=True)


def test_to_freeze_what_is_fixed_changes_nothing(ada: User) -> None:
    experiment = started(ada, base(ada), freeze=True)
    assert not experiment.frozen


# --- What is free ----------------------------------------------------------------------------------------------------


def test_an_arm_that_exists_is_free_and_dated(ada: User) -> None:
    track = base(ada, vibe_strength=1.8)
    plan = quote_of(ada, track)
    assert [arm.existing for arm in plan.arms] == [track, None]
    assert plan.quote.cost_micros == ONE_SONG
    held, spent = money_of(ada)
    experiment = started(ada, track)
    assert money_of(ada) == (held + ONE_SONG, spent)
    first, second = experiment_queries.arms_of(experiment)
    assert (first.is_reused, first.state, first.cost_micros) == (True, "READY", 0)
    assert first.made_at == track.generation.created_at
    assert (second.is_reused, second.state, second.cost_micros) == (False, "QUEUED", ONE_SONG)


def test_a_batch_of_two_never_serves_as_an_arm(ada: User) -> None:
    track = base(ada, vibe_strength=1.8, num_songs=2)
    assert [arm.existing for arm in quote_of(ada, track).arms] == [None, None]
    assert all(recipe["num_songs"] == 1 for recipe in recipes_of(started(ada, track)))


def test_arms_of_an_earlier_experiment_are_reused(ada: User) -> None:
    track = base(ada)
    finished(ada, track, [1.8, 2.4])
    held, spent = money_of(ada)
    again = started(ada, track, [2.4, 1.8])
    assert money_of(ada) == (held, spent)
    assert all(shown.is_reused for shown in experiment_queries.arms_of(again))


@pytest.mark.parametrize("gone", ["trashed", "another's", "on its way", "other seed"])
def test_nothing_but_ones_own_ready_song_of_the_same_recipe_is_reused(ada: User, bo: User, gone: str) -> None:
    track = base(ada)
    if gone == "another's":
        base(bo, vibe_strength=1.8)
    elif gone == "on its way":
        asked_for(ada, **EXACT | {"vibe_strength": 1.8})
    elif gone == "other seed":
        base(ada, vibe_strength=1.8, seed="43")
    else:
        trash.put(person=ada, track_id=base(ada, vibe_strength=1.8).pk)
    assert [arm.existing for arm in quote_of(ada, track).arms] == [None, None]


def test_what_is_all_there_needs_neither_money_nor_fal(ada: User, settings: Settings) -> None:
    track = base(ada, vibe_strength=1.8)
    base(ada, vibe_strength=2.4)
    settings.NEOAPEX_USER_WAITING = 0
    assert quote_of(ada, track).quote.reasons == []
    experiment = started(ada, track)
    assert all(shown.is_playable for shown in experiment_queries.arms_of(experiment))


# --- Money -----------------------------------------------------------------------------------------------------------


def test_all_arms_are_paid_for_or_none_starts(db: None) -> None:
    poor = person("poor", songs=3)
    track = base(poor, vibe_strength=2.0)
    before = Generation.objects.count()
    with pytest.raises(InsufficientBudget):
        started(poor, track, [1.8, 2.2, 2.4])
    assert Generation.objects.count() == before
    assert not Experiment.objects.exists()
    assert money_of(poor) == (0, ONE_SONG)
    plan = quote_of(poor, track, values=[1.8, 2.2, 2.4])
    assert plan.quote.cost_micros == 3 * ONE_SONG
    assert [reason.code for reason in plan.quote.reasons] == ["insufficient_budget"]


def test_a_line_without_room_for_all_takes_none(ada: User, settings: Settings) -> None:
    track = base(ada)
    settings.NEOAPEX_USER_WAITING = 1
    with pytest.raises(TooManyWaiting):
        started(ada, track)
    assert [reason.code for reason in quote_of(ada, track).quote.reasons] == ["too_many_waiting"]
    assert not Experiment.objects.exists()


def test_the_same_key_gives_the_same_experiment_and_holds_once(ada: User) -> None:
    track = base(ada)
    first = started(ada, track, idempotency_key="once")
    before = money_of(ada)
    again, is_new = experiments.start(
        person=ada, track_id=track.pk, parameter="vibe_strength", values=VIBES, idempotency_key="once"
    )
    assert (again, is_new) == (first, False)
    assert money_of(ada) == before
    with pytest.raises(IdempotencyConflict):
        started(ada, track, [1.8, 2.5], idempotency_key="once")
    with pytest.raises(IdempotencyConflict):
        asked_for_with_key(ada, "once")


def asked_for_with_key(user: User, key: str) -> Generation:
    return generations.start(person=user, inputs={"prompt": "a waltz"}, idempotency_key=key)


def test_a_key_of_an_experiment_that_cost_nothing_is_kept_as_well(ada: User) -> None:
    track = base(ada, vibe_strength=1.8)
    base(ada, vibe_strength=2.4)
    first = started(ada, track, idempotency_key="once")
    assert started(ada, track, idempotency_key="once") == first
    IdempotencyKey.objects.all().delete()
    first.refresh_from_db()
    assert first.started_by is None
    assert started(ada, track, idempotency_key="once") != first


def test_a_failed_arm_can_be_made_once_more_and_costs_again(ada: User) -> None:
    experiment = started(ada, base(ada))
    first, second = experiment.arms.order_by("position")
    assert first.generation is not None
    generations.cancel(person=ada, generation_id=first.generation_id)  # type: ignore[arg-type]
    held, spent = money_of(ada)
    again = experiments.retry(person=ada, experiment_id=experiment.pk, arm_id=first.pk, idempotency_key="again")
    assert again.generation is not None
    assert again.generation_id != first.generation_id
    assert again.generation.recipe == first.generation.recipe
    assert money_of(ada) == (held + ONE_SONG, spent)
    repeat = experiments.retry(person=ada, experiment_id=experiment.pk, arm_id=first.pk, idempotency_key="again")
    assert repeat.generation_id == again.generation_id
    for arm in (first, second):
        with pytest.raises(ArmNotFailed):
            experiments.retry(person=ada, experiment_id=experiment.pk, arm_id=arm.pk)
    assert money_of(ada) == (held + ONE_SONG, spent)


# --- Judging ---------------------------------------------------------------------------------------------------------


def test_a_verdict_is_an_arm_or_no_difference_and_stays(ada: User) -> None:
    experiment = finished(ada, base(ada))
    first = experiment.arms.get(position=0)
    for choice, arm in ((str(first.pk), first), ("A", first), ("no_difference", None)):
        verdict = experiments.judge(person=ada, experiment_id=experiment.pk, choice=choice, note=" warm \r\nand near ")
        assert (verdict.arm, verdict.note) == (arm, "warm \nand near")
    assert Verdict.objects.count() == 3


@pytest.mark.parametrize("choice", [None, "", "E", 0, True, 10**30, ["A"], {"arm": 1}])
def test_what_is_no_choice_is_refused(ada: User, choice: object) -> None:
    experiment = finished(ada, base(ada))
    with pytest.raises(InvalidInput) as refusal:
        experiments.judge(person=ada, experiment_id=experiment.pk, choice=choice)
    assert refusal.value.code == "unknown_choice"


def test_a_note_has_an_end(ada: User) -> None:
    experiment = finished(ada, base(ada))
    with pytest.raises(InvalidInput):
        experiments.judge(person=ada, experiment_id=experiment.pk, choice="A", note="x" * 2001)


def test_what_can_not_be_heard_can_not_be_judged(ada: User) -> None:
    experiment = started(ada, base(ada))
    with pytest.raises(NothingToJudge):
        experiments.judge(person=ada, experiment_id=experiment.pk, choice="A")
    first = experiment.arms.get(position=0)
    assert first.generation is not None
    finish(first.generation)
    with pytest.raises(NothingToJudge):
        experiments.judge(person=ada, experiment_id=experiment.pk, choice="A")


def test_another_persons_experiment_is_not_there(ada: User, bo: User) -> None:
    experiment = finished(ada, base(ada))
    with pytest.raises(NotFound):
        experiments.judge(person=bo, experiment_id=experiment.pk, choice="A")
    with pytest.raises(NotFound):
        experiments.retry(person=bo, experiment_id=experiment.pk, arm_id=experiment.arms.get(position=0).pk)


# --- The database has the last word ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed", [{"seed": 43}, {"lyrics": "la"}, {"balance_strength": 0.1}, {"output_format": "mp3"}, {"num_songs": 2}]
)
def test_no_song_with_a_second_difference_can_be_written_as_an_arm(ada: User, changed: dict[str, Any]) -> None:
    experiment = started(ada, base(ada))
    stranger = base(ada, **{"vibe_strength": 3.0} | changed | ({"seed": "43"} if "seed" in changed else {}))
    with pytest.raises(IntegrityError, match="more than one input"), transaction.atomic():
        Arm.objects.create(experiment=experiment, position=2, value="3", reused=stranger)


def test_a_song_of_another_value_or_person_can_not_be_written_as_an_arm(ada: User, bo: User) -> None:
    experiment = started(ada, base(ada))
    for wrong in (base(ada, vibe_strength=2.9), base(bo, vibe_strength=3.0)):
        with pytest.raises(IntegrityError, match="more than one input"), transaction.atomic():
            Arm.objects.create(experiment=experiment, position=2, value="3", reused=wrong)
    right = base(ada, vibe_strength=3.0)
    Arm.objects.create(experiment=experiment, position=2, value="3", reused=right)


def test_an_experiment_stays_as_it_was_started(ada: User) -> None:
    experiment = started(ada, base(ada))
    changes: list[dict[str, Any]] = [{"parameter": "bpm"}, {"locked": {}}, {"locked_digest": "x"}]
    for change in changes:
        with pytest.raises(IntegrityError, match="stays as it was"), transaction.atomic():
            Experiment.objects.filter(pk=experiment.pk).update(**change)


def test_an_arm_is_made_or_reused_and_never_both(ada: User) -> None:
    track = base(ada, vibe_strength=3.0)
    experiment = started(ada, track)
    song = put(asked_for(ada, **EXACT | {"vibe_strength": 3.0}), "READY")  # type: ignore[arg-type]
    with pytest.raises(IntegrityError, match="arm_made_or_reused"), transaction.atomic():
        Arm.objects.create(experiment=experiment, position=2, value="3", reused=track, generation=song)
