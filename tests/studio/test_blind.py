"""Blind rounds: the order is drawn once and kept, an answer counts once, and a result claims no more than there is."""

from collections import Counter
from unittest.mock import Mock

import pytest

from studio import blind
from studio.errors import InvalidInput, NotFound, NothingToJudge, RoundOver
from studio.models import Arm, Experiment, Round, Trial, User, Verdict
from studio.states import TrialKind
from tests.studio.experimenting import base, finished, started


@pytest.fixture
def experiment(ada: User) -> Experiment:
    return finished(ada, base(ada), [1.8, 2.2, 2.6])


def begin(user: User, experiment: Experiment, **asked: object) -> Round:
    given = {"kind": "PREFERENCE"} | asked
    return blind.begin(person=user, experiment_id=experiment.pk, **given)  # type: ignore[arg-type]


def answer(user: User, asked: Round, slot: int | None, note: str = "") -> Round | None:
    experiment_id = asked.trial.experiment_id
    return blind.answer(person=user, experiment_id=experiment_id, round_id=asked.pk, slot=slot, note=note)


def test_the_order_is_drawn_once_and_stays_over_reloads(ada: User, experiment: Experiment) -> None:
    drawn = begin(ada, experiment)
    assert sorted(drawn.order) == [0, 1, 2]
    for _ in range(5):
        assert begin(ada, experiment) == drawn
    assert Trial.objects.count() == 1


def test_every_order_comes_up(ada: User, experiment: Experiment) -> None:
    seen = set()
    for _ in range(200):
        seen.add(tuple(begin(ada, experiment).order))
        blind.give_up(person=ada, experiment_id=experiment.pk)
    assert len(seen) == 6


def test_a_verdict_is_kept_for_the_arm_that_was_heard_in_the_slot(ada: User, experiment: Experiment) -> None:
    drawn = begin(ada, experiment)
    assert answer(ada, drawn, 2, "warmer") is None
    verdict = Verdict.objects.get()
    assert verdict.arm == Arm.objects.get(experiment=experiment, position=drawn.order[2])
    assert (verdict.note, verdict.round) == ("warmer", drawn)
    assert blind.under_way(experiment) is None


def test_no_difference_is_a_verdict_as_well(ada: User, experiment: Experiment) -> None:
    answer(ada, begin(ada, experiment), None)
    assert Verdict.objects.get().arm is None


def test_a_round_is_answered_once(ada: User, experiment: Experiment) -> None:
    drawn = begin(ada, experiment)
    answer(ada, drawn, 0)
    with pytest.raises(RoundOver):
        answer(ada, drawn, 1)
    with pytest.raises(RoundOver):
        blind.sound(person=ada, experiment_id=experiment.pk, round_id=drawn.pk, slot=0)
    assert Verdict.objects.count() == 1


@pytest.mark.parametrize("slot", [-1, 3, 99])
def test_what_was_not_played_can_not_be_chosen(ada: User, experiment: Experiment, slot: int) -> None:
    with pytest.raises(InvalidInput):
        answer(ada, begin(ada, experiment), slot)
    assert not Verdict.objects.exists()


def test_an_abx_keeps_a_and_b_and_draws_x_for_each_round(ada: User, experiment: Experiment) -> None:
    drawn: Round | None = begin(ada, experiment, kind="ABX", rounds=16, letters=["A", "C"])
    xs, pairs = Counter[int](), set()
    while drawn is not None:
        assert drawn.order[2] in drawn.order[:2]
        pairs.add(tuple(drawn.order[:2]))
        xs[drawn.order[2]] += 1
        drawn = answer(ada, drawn, 0)
    assert len(pairs) == 1
    assert set(xs) == {0, 2}
    assert Round.objects.count() == 16
    assert not Verdict.objects.exists()


def play_abx(user: User, experiment: Experiment, right: int, rounds: int = 12) -> blind.AbxResult:
    drawn: Round | None = begin(user, experiment, kind="ABX", rounds=rounds, letters=["A", "B"])
    for number in range(rounds):
        assert drawn is not None
        correct = drawn.order.index(drawn.order[2])
        drawn = answer(user, drawn, correct if number < right else 1 - correct)
    return blind.results(experiment)[0]


def test_a_result_says_how_often_and_how_likely_by_chance(ada: User, experiment: Experiment) -> None:
    heard = play_abx(ada, experiment, right=10)
    assert (heard.right, heard.rounds, heard.is_shown, heard.letters) == (10, 12, True, "A / B")
    assert heard.chance == pytest.approx(79 / 4096)
    guessed = play_abx(ada, experiment, right=8)
    assert not guessed.is_shown
    assert guessed.chance == pytest.approx(794 / 4096)


def test_a_trial_that_was_given_up_shows_nothing_however_well_it_went(ada: User, experiment: Experiment) -> None:
    drawn: Round | None = begin(ada, experiment, kind="ABX", rounds=12, letters=["A", "B"])
    for _ in range(9):
        assert drawn is not None
        drawn = answer(ada, drawn, drawn.order.index(drawn.order[2]))
    blind.give_up(person=ada, experiment_id=experiment.pk)
    [result] = blind.results(experiment)
    assert (result.right, result.rounds, result.is_given_up, result.is_shown) == (9, 9, True, False)
    assert drawn is not None
    with pytest.raises(RoundOver):
        answer(ada, drawn, 0)


def test_an_abx_has_no_answer_without_a_choice(ada: User, experiment: Experiment) -> None:
    drawn = begin(ada, experiment, kind="ABX", rounds=8, letters=["A", "B"])
    for slot in (None, 2):
        with pytest.raises(InvalidInput):
            answer(ada, drawn, slot)


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "GUESS"},
        {"kind": "ABX", "rounds": 3, "letters": ["A", "B"]},
        {"kind": "ABX", "rounds": 8},
        {"kind": "ABX", "rounds": 8, "letters": ["A"]},
        {"kind": "ABX", "rounds": 8, "letters": ["A", "A"]},
        {"kind": "ABX", "rounds": 8, "letters": ["A", "B", "C"]},
    ],
)
def test_what_is_no_test_is_refused(ada: User, experiment: Experiment, asked: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        begin(ada, experiment, **asked)
    assert not Trial.objects.exists()


def test_two_arms_at_least_have_to_be_heard(ada: User) -> None:
    with pytest.raises(NothingToJudge):
        begin(ada, started(ada, base(ada)))


def test_another_persons_rounds_are_not_there(ada: User, bo: User, experiment: Experiment) -> None:
    drawn = begin(ada, experiment)
    with pytest.raises(NotFound):
        begin(bo, experiment)
    with pytest.raises(NotFound):
        answer(bo, drawn, 0)
    with pytest.raises(NotFound):
        blind.sound(person=bo, experiment_id=experiment.pk, round_id=drawn.pk, slot=0)
    with pytest.raises(NotFound):
        blind.give_up(person=bo, experiment_id=experiment.pk)


def test_what_is_heard_is_the_arm_in_the_slot_as_long_and_as_loud_as_the_others(
    ada: User, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = list(experiment.arms.order_by("position"))
    for arm, (loudness, length) in zip(arms, [(-14.0, 95_000), (-12.5, 92_000), (-11.0, 99_000)], strict=True):
        assert arm.generation is not None
        arm.generation.tracks.update(loudness_lufs=loudness, duration_ms=length, preview_key=f"previews/{arm.position}")
    made = Mock(return_value=b"sound")
    monkeypatch.setattr("studio.media.alike.alike", made)
    monkeypatch.setattr(blind, "default_storage", lambda: Mock(open_range=lambda key: [key.encode()]))
    drawn = begin(ada, experiment)
    for slot, position in enumerate(drawn.order):
        assert blind.sound(person=ada, experiment_id=experiment.pk, round_id=drawn.pk, slot=slot) == b"sound"
        expected = {"length_ms": 92_000, "cut_db": [0.0, -1.5, -3.0][position]}
        made.assert_called_with(f"previews/{position}".encode(), **expected)


def test_there_are_no_more_slots_than_sounds(ada: User, experiment: Experiment) -> None:
    drawn = begin(ada, experiment)
    with pytest.raises(NotFound):
        blind.sound(person=ada, experiment_id=experiment.pk, round_id=drawn.pk, slot=3)


def test_the_kinds_of_trials_are_known_to_the_database(experiment: Experiment) -> None:
    assert Trial._meta.get_field("kind").choices == TrialKind.choices
