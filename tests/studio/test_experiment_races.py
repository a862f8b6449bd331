"""Experiments that start at once: all arms are paid for or none, one for one key, and one retry of a failed arm."""

import pytest

from ledger.errors import InsufficientBudget
from studio import blind, experiments, generations
from studio.errors import ArmNotFailed, RoundOver
from studio.models import Arm, Experiment, Generation, Round, User, Verdict
from tests.studio.experimenting import VIBES, base, finished, started
from tests.studio.people import ONE_SONG, errors_in, money_of, person, race

pytestmark = pytest.mark.django_db(transaction=True)


def test_of_two_starts_with_money_for_one_exactly_one_starts_whole(db: None) -> None:
    # One song for the base, and two for the arms of one of the two.
    poor = person("poor", songs=4)
    track = base(poor)
    answers = race(2, lambda number: started(poor, track, [[1.8, 2.4], [1.9, 2.5]][number]))
    assert [type(error) for error in errors_in(answers)] == [InsufficientBudget]
    assert Experiment.objects.count() == 1
    assert Arm.objects.count() == 2
    assert money_of(poor) == (2 * ONE_SONG, ONE_SONG)


def test_ten_starts_with_one_key_make_one_experiment(ada: User) -> None:
    track = base(ada)
    answers = race(
        10,
        lambda _: experiments.start(
            person=ada, track_id=track.pk, parameter="vibe_strength", values=VIBES, idempotency_key="double click"
        ),
    )
    assert errors_in(answers) == []
    experiment = Experiment.objects.get()
    assert answers.count((experiment, True)) == 1
    assert answers.count((experiment, False)) == 9
    assert money_of(ada) == (2 * ONE_SONG, ONE_SONG)


def test_of_many_retries_of_one_arm_one_is_made(ada: User) -> None:
    experiment = started(ada, base(ada))
    arm = experiment.arms.get(position=0)
    assert arm.generation_id is not None
    generations.cancel(person=ada, generation_id=arm.generation_id)
    errors = errors_in(race(6, lambda _: experiments.retry(person=ada, experiment_id=experiment.pk, arm_id=arm.pk)))
    assert [type(error) for error in errors] == [ArmNotFailed] * 5
    assert Generation.objects.filter(purpose="ARM", state="QUEUED").count() == 2
    assert money_of(ada) == (2 * ONE_SONG, ONE_SONG)


def test_blind_rounds_that_begin_or_are_answered_at_once_are_one(ada: User) -> None:
    experiment = finished(ada, base(ada))
    begun = race(6, lambda _: blind.begin(person=ada, experiment_id=experiment.pk, kind="PREFERENCE"))
    assert errors_in(begun) == []
    drawn = Round.objects.get()
    assert set(begun) == {drawn}
    answers = race(
        6,
        lambda number: blind.answer(person=ada, experiment_id=experiment.pk, round_id=drawn.pk, slot=number % 2),
    )
    assert [type(error) for error in errors_in(answers)] == [RoundOver] * 5
    assert Verdict.objects.count() == 1
