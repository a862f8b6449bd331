"""What won is said with its counts and intervals, and never more than the data say."""

import pytest

from studio import experiments, readings
from studio.models import User, Verdict
from studio.states import Parameter
from studio.tags import suggestions
from tests.studio.experimenting import base, finished


@pytest.mark.parametrize(
    ("tags", "genres"),
    [(["indie folk", "warm"], 1), (["warm"], 0), (["pop", "jazz"], 2), (["no such tag"], 0), ([], 0)],
)
def test_genres_are_found_among_tags_and_above_them(tags: list[str], genres: int) -> None:
    assert len(readings.genres_of(tags)) == genres


def test_an_experiment_counts_once_with_its_latest_blind_verdict(ada: User) -> None:
    from studio import blind  # noqa: PLC0415

    experiment = finished(ada, base(ada))
    drawn = blind.begin(person=ada, experiment_id=experiment.pk, kind="PREFERENCE")
    slot = drawn.order.index(1)
    blind.answer(person=ada, experiment_id=experiment.pk, round_id=drawn.pk, slot=slot)
    experiments.judge(person=ada, experiment_id=experiment.pk, choice="A")
    [reading, *_] = readings.of(ada, Parameter.VIBE_STRENGTH)
    assert (reading.experiments, reading.blind) == (1, 1)
    assert [(share.value, share.wins, share.offered) for share in reading.shares] == [(1.8, 0, 1), (2.4, 1, 1)]
    assert reading.winner is None


def test_another_person_s_verdicts_and_other_parameters_say_nothing(ada: User, bo: User) -> None:
    experiment = finished(ada, base(ada))
    experiments.judge(person=ada, experiment_id=experiment.pk, choice="A")
    assert readings.of(bo, Parameter.VIBE_STRENGTH) == []
    assert readings.of(ada, Parameter.BPM) == []


def share(wins: int, offered: int, by_chance: float = 0.5) -> readings.Share:
    from studio import chance  # noqa: PLC0415

    return readings.Share(2.4, wins, offered, *chance.wilson(wins, offered), by_chance)


@pytest.mark.parametrize(
    ("wins", "offered", "by_chance", "claims"),
    [(4, 4, 0.5, False), (5, 5, 0.5, True), (7, 10, 0.5, False), (9, 10, 0.5, True), (5, 8, 0.25, True)],
)
def test_a_winner_is_named_where_its_interval_lies_above_chance(
    wins: int, offered: int, by_chance: float, claims: bool
) -> None:
    reading = readings.Reading("pop", offered, 0, 0, [share(wins, offered, by_chance), share(0, offered, by_chance)])
    assert (reading.winner is not None) is claims


def test_a_note_is_forgotten_with_its_person(ada: User) -> None:
    from studio import people  # noqa: PLC0415

    experiment = finished(ada, base(ada))
    experiments.judge(person=ada, experiment_id=experiment.pk, choice="A", note="my words")
    people._forget(ada)
    assert Verdict.objects.get().note == ""


def test_what_was_heard_counts_for_more_than_what_is_said_of_a_style() -> None:
    heard = {"jazz": suggestions.Suggestion("jazz", 2.6, "which won 9 of your 10 experiments")}
    found = suggestions.vibe_strength(["jazz"], heard=lambda: heard)
    assert found == heard["jazz"]
    assert suggestions.vibe_strength(["jazz"], heard=dict) == suggestions.Suggestion("jazz", 1.8)
    disagreeing = heard | {"pop": suggestions.Suggestion("pop", 1.9, "…")}
    assert suggestions.vibe_strength(["jazz", "pop"], heard=lambda: disagreeing) is None


def test_nothing_is_looked_up_without_tags() -> None:
    def looked_up() -> dict[str, suggestions.Suggestion]:
        raise AssertionError

    assert suggestions.vibe_strength([], heard=looked_up) is None
