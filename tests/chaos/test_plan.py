"""The plan of a run of chaos: the same for the same seed, and with something of everything."""

from collections import Counter

import pytest

from simulator.moods import Mood
from tests.chaos.plan import CANCELLED, FATES, LONG, NOISE, SHORT, SPOILED_FILES, Size, draw


@pytest.mark.parametrize("size", [LONG, SHORT])
def test_the_same_seed_gives_the_same_plan_and_another_another(size: Size) -> None:
    assert draw(7, size) == draw(7, size)
    assert draw(7, size) != draw(8, size)


@pytest.mark.parametrize("size", [LONG, SHORT])
def test_every_song_has_a_seed_and_a_key_of_its_own_and_comes_in_time(size: Size) -> None:
    songs = draw(7, size).songs
    assert len({song.seed for song in songs}) == len({song.key for song in songs}) == size.songs
    assert all(0 <= song.at_seconds <= size.posting_seconds for song in songs)


@pytest.mark.parametrize("seed", range(20))
def test_every_part_is_killed_and_people_cancel_repeat_and_run_short(seed: int) -> None:
    plan = draw(seed, LONG)
    assert {kill.target for kill in plan.kills} >= {"worker", "media", "web", "beat", "redis", "postgres"}
    assert sum(song.cancel_after_seconds is not None for song in plan.songs) > 8
    assert sum(song.copies > 1 for song in plan.songs) > 40
    assert sum(plan.is_poor(song.person) for song in plan.songs) > 10
    assert len({str(song.moods) for song in plan.songs}) > 30


def test_a_song_that_never_ends_by_itself_is_always_cancelled() -> None:
    songs = [song for seed in range(20) for song in draw(seed, LONG).songs]
    hanging = [song for song in songs if any("hang" in mood for mood in song.moods)]
    assert len(hanging) > 10
    assert all(song.cancel_after_seconds is not None for song in hanging)


def test_nothing_but_a_wav_is_spoiled() -> None:
    spoiled = [song for seed in range(20) for song in draw(seed, LONG).songs if song.spoiled]
    assert Counter(song.output_format for song in spoiled).keys() == {"wav"}


def test_the_simulator_knows_every_mood() -> None:
    fates = [mood for _, moods in FATES + SPOILED_FILES for mood in moods]
    for mood in [*fates, *CANCELLED, *NOISE]:
        Mood.model_validate(dict(mood))
