"""No sequence of calls yields an experiment whose arms differ in a second input, and no money goes astray by one."""

from contextlib import suppress
from typing import Any

import hypothesis
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from pytest_django import Settings

from ledger.errors import LedgerError
from studio import experiment_queries, experiments, generations, trash
from studio.errors import StudioError
from studio.models import Experiment, Generation, Track, User
from studio.states import Parameter
from tests.ledger.books import assert_balanced
from tests.studio.experimenting import EXACT, finish
from tests.studio.people import DESCRIBED, person

VALUES = st.one_of(
    st.sampled_from([1.4, 1.8, 2, 2.0, 2.4, 3.1, 0, 0.5, 1, 90, 120, 120.0, "auto", None, "1.8", True]),
    st.floats(),
    st.integers(),
    st.text(max_size=3),
    st.dictionaries(st.sampled_from(["seed", "tags"]), st.integers(), max_size=1),
)
GOOD = st.one_of(
    st.tuples(st.just("vibe_strength"), st.lists(st.sampled_from([1.4, 1.8, 2, 2.4, 3.1]), min_size=2, max_size=4)),
    st.tuples(st.just("balance_strength"), st.lists(st.sampled_from([0, 0.5, 0.7, 1]), min_size=2, max_size=4)),
    st.tuples(st.just("bpm"), st.lists(st.sampled_from([90, 120, "auto", None]), min_size=2, max_size=4)),
)
ODD = st.tuples(
    st.sampled_from([*Parameter.values, "seed", "lyrics", "num_songs", "tags", ""]), st.lists(VALUES, max_size=5)
)
STARTS = st.tuples(
    st.integers(0, 9), st.one_of(GOOD, GOOD, ODD), st.booleans(), st.sampled_from([None, None, "a", "b"])
)
SONGS = st.sampled_from([{}, {"num_songs": 2}, {"vibe_strength": 1.8}, {"seed": "7"}, DESCRIBED])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("song"), SONGS),
        st.tuples(st.just("start"), STARTS),
        st.tuples(st.just("start"), STARTS),
        st.tuples(st.sampled_from(["finish", "cancel", "retry", "trash"]), st.integers(0, 9)),
    ),
    min_size=2,
    max_size=14,
)


def act(user: User, name: str, what: Any) -> None:
    if name == "song":
        inputs = what if what.get("prompt") else EXACT | what
        finish(generations.start(person=user, inputs=inputs))
    elif name == "start":
        place, (parameter, values), freeze, key = what
        track = nth(Track.objects.order_by("pk"), place)
        experiments.start(
            person=user, track_id=track.pk, parameter=parameter, values=values, freeze=freeze, idempotency_key=key
        )
    elif name == "finish":
        finish(nth(Generation.objects.filter(state="QUEUED").order_by("pk"), what))
    elif name == "cancel":
        generations.cancel(person=user, generation_id=nth(Generation.objects.order_by("pk"), what).pk)
    elif name == "retry":
        shown = nth([s for e in Experiment.objects.order_by("pk") for s in experiment_queries.arms_of(e)], what)
        experiments.retry(person=user, experiment_id=shown.arm.experiment_id, arm_id=shown.arm.pk)
    else:
        trash.put(person=user, track_id=nth(Track.objects.order_by("pk"), what).pk)


def nth(found: Any, place: int) -> Any:
    rows = list(found)
    if not rows:
        raise LookupError
    return rows[place % len(rows)]


def assert_valid(experiment: Experiment) -> None:
    songs = []
    for shown in experiment_queries.arms_of(experiment):
        song = shown.arm.generation or (shown.arm.reused and shown.arm.reused.generation)
        assert song
        songs.append((song, shown.arm.setting))
    assert 2 <= len(songs) <= 4
    rest = [{k: v for k, v in song.recipe.items() if k != experiment.parameter} for song, _ in songs]
    assert all(one == experiment.locked for one in rest)
    assert {(song.seed, song.num_songs, song.endpoint) for song, _ in songs} == {
        (experiment.locked["seed"], 1, "text-to-music")
    }
    values = [song.recipe[experiment.parameter] for song, _ in songs]
    assert values == [setting for _, setting in songs]
    assert len({repr(value) for value in values}) == len(values)
    assert experiment.locked["prompt"] is None
    assert experiment.locked["tags"]
    assert experiment.locked["lyrics"] is not None


class Over(Exception):
    """Rolls an example back, so that the next one begins with nothing."""


@pytest.fixture
def unhurried(settings: Settings) -> None:
    settings.NEOAPEX_USER_RATE = settings.NEOAPEX_ORG_RATE = None


@pytest.mark.slow
@hypothesis.settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(first=SONGS, steps=STEPS)
def test_no_sequence_of_calls_makes_arms_that_differ_in_a_second_input(
    db: None, unhurried: None, first: dict[str, Any], steps: list[tuple[str, Any]]
) -> None:
    with suppress(Over), transaction.atomic():
        user = person("property", songs=40)
        act(user, "song", first)
        for name, what in steps:
            with suppress(StudioError, LedgerError, LookupError):
                act(user, name, what)
        for experiment in Experiment.objects.all():
            assert_valid(experiment)
        assert_balanced()
        raise Over
