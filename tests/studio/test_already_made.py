"""The identical recipe is found again, whoever wrote it down how; a different one never is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from studio import already_made, generations, trash
from studio.models import Generation, Track, User
from studio.states import GenerationState as State
from studio.states import TrackState
from tests import factories

EXACT = {"tags": ["fado", "warm"], "lyrics": "[Verse]\nA boat", "seed": "9007199254740993", "num_songs": 2}


def make(person: User, inputs: dict[str, Any], songs: int = 2) -> Generation:
    """As a person asks for it, and ready."""
    generation = generations.start(person=person, inputs=inputs)
    for variation in range(songs):
        factories.make_track(generation, variation=variation)
    Generation.objects.filter(pk=generation.pk).update(state=State.READY, finished_at=generation.created_at)
    return generation


def existing(person: User, inputs: dict[str, Any]) -> list[Track]:
    return list(generations.quote(person=person, endpoint="text-to-music", inputs=inputs).existing)


def test_the_same_inputs_find_both_songs_in_order(ada: User) -> None:
    made = make(ada, EXACT)
    found = existing(ada, EXACT)
    assert [(track.generation_id, track.variation) for track in found] == [(made.pk, 0), (made.pk, 1)]


@pytest.mark.parametrize(
    "written",
    [
        EXACT | {"seed": 9_007_199_254_740_993},
        EXACT | {"vibe_strength": 2.0, "balance_strength": 0.7, "bpm": "auto", "output_format": "wav"},
        EXACT | {"prompt": None, "output_bit_rate": None},
        EXACT | {"tags": [" fado", "warm ", "fado"], "lyrics": "[Verse]\r\nA boat"},
        dict(reversed(EXACT.items())),
    ],
)
def test_it_does_not_matter_how_the_same_is_written(ada: User, written: dict[str, Any]) -> None:
    make(ada, EXACT)
    assert len(existing(ada, written)) == 2


@pytest.mark.parametrize(
    "other",
    [
        EXACT | {"seed": "9007199254740992"},
        EXACT | {"tags": ["warm", "fado"]},
        EXACT | {"lyrics": "[Verse]\nA boat."},
        EXACT | {"lyrics": ""},
        EXACT | {"num_songs": 1},
        EXACT | {"vibe_strength": 2.1},
        EXACT | {"bpm": None},
        EXACT | {"output_format": "flac"},
        {name: value for name, value in EXACT.items() if name != "seed"},
        EXACT | {"seed": None},
    ],
)
def test_another_recipe_or_a_seed_that_is_drawn_finds_nothing(ada: User, other: dict[str, Any]) -> None:
    make(ada, EXACT)
    assert existing(ada, other) == []


def test_what_lies_in_the_trash_is_not_offered(ada: User) -> None:
    made = make(ada, EXACT)
    trash.put(person=ada, track_id=made.tracks.get(variation=0).pk)
    assert [track.variation for track in existing(ada, EXACT)] == [1]


def test_only_one_s_own_that_can_be_heard_are_found(ada: User) -> None:
    ben = factories.ben()
    made = make(ben, EXACT)
    assert existing(ada, EXACT) == []
    made.tracks.filter(variation=1).update(state=TrackState.UNREADABLE)
    assert [track.variation for track in existing(ben, EXACT)] == [0]
    Generation.objects.update(state=State.FAILED)
    assert existing(ben, EXACT) == []


def test_a_song_under_way_is_not_there_yet(ada: User) -> None:
    generations.start(person=ada, inputs=EXACT)
    assert existing(ada, EXACT) == []


def test_a_post_makes_a_new_song_all_the_same(ada: User) -> None:
    first = make(ada, EXACT)
    second = generations.start(person=ada, inputs=EXACT)
    assert second.pk != first.pk
    assert second.recipe_digest == first.recipe_digest != ""


def test_finding_costs_one_question(ada: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    wanted = make(ada, EXACT).recipe_digest
    with django_assert_num_queries(1):
        assert [track.generation.pk for track in already_made.find(ada, wanted)]
    with django_assert_num_queries(0):
        assert already_made.find(ada, "") == []


def test_a_drawn_seed_is_part_of_what_is_kept(ada: User) -> None:
    drawn = generations.start(person=ada, inputs={name: value for name, value in EXACT.items() if name != "seed"})
    assert drawn.recipe_digest == already_made.digest_of("text-to-music", drawn.recipe)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_two_seeds_never_share_a_digest(one: int, other: int) -> None:
    digests = [already_made.digest_of("text-to-music", {"tags": ["fado"], "seed": seed}) for seed in (one, other)]
    assert (digests[0] == digests[1]) is (one == other)
