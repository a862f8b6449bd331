"""A song made again from its recipe is compared by bytes, then by ear's stand-in; a price is said, and asked for."""

from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from studio import determinism
from studio.errors import MasterGone, NotReproducible
from studio.media import clips
from studio.media.errors import AudioUnreadable
from studio.models import Generation, Track, User
from tests.studio.experimenting import base
from tests.studio.people import finished_song


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was stored here."""
    monkeypatch.setattr("studio.restores.look", lambda track: track)


NOISE = np.random.default_rng(7).uniform(-1, 1, 44_100)


def test_the_same_bytes_need_no_decoding(ada: User) -> None:
    first, second = base(ada), base(ada)
    for track in (first, second):
        track.master_sha256 = "a" * 64
    assert determinism.compare(first, second).answer == "identical"


@pytest.mark.parametrize(
    ("other", "answer"),
    [
        (NOISE, "same sound"),
        (0.5 * NOISE, "same sound"),
        (NOISE[::-1], "different"),
        (np.zeros(44_100), "different"),
        (NOISE[:22_050], "different"),
    ],
    ids=["the same", "softer", "backwards", "silence", "half of it"],
)
def test_other_bytes_are_compared_by_their_sound(
    ada: User, monkeypatch: pytest.MonkeyPatch, other: np.ndarray, answer: str
) -> None:
    first, second = base(ada), base(ada)
    songs = {"first": NOISE, "second": other}
    for track, key in ((first, "first"), (second, "second")):
        track.master_key, track.duration_ms = key, len(songs[key]) * 1000 // 44_100

    def parts_of(key: str, size_bytes: int, kind: str) -> Any:
        pcm = (songs[key] * 20_000).astype(np.int16)[:, None]
        return lambda first_ms, last_ms: (pcm[first_ms * 441 // 10 : last_ms * 441 // 10], 44_100)

    monkeypatch.setattr(clips, "parts_of", parts_of)
    assert determinism.compare(first, second).answer == answer


def test_a_master_that_is_gone_is_no_answer(ada: User) -> None:
    first, second = base(ada), base(ada)
    for track in (first, second):
        track.master_key, track.master_format, track.master_bytes = "masters/gone.wav", "wav", 1000
    with pytest.raises(MasterGone):
        determinism.compare(first, second)


def test_a_described_song_is_refused_before_anything_is_paid(ada: User) -> None:
    track = finished_song(ada).tracks.get()
    with pytest.raises(NotReproducible):
        determinism.price_micros(track)
    count = Generation.objects.count()
    with pytest.raises(CommandError, match="read anew"):
        call_command("verify_determinism", str(track.pk), "--yes")
    assert Generation.objects.count() == count


def test_nothing_is_made_unless_somebody_says_yes(
    ada: User, at_hand: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    track = base(ada)
    count = Generation.objects.count()
    monkeypatch.setattr("builtins.input", lambda: "no")
    with pytest.raises(CommandError, match="Nothing was made"):
        call_command("verify_determinism", str(track.pk))
    assert Generation.objects.count() == count
    told = capsys.readouterr()
    assert "$0.075" in told.err
    assert told.out == ""


def test_a_song_that_does_not_come_in_time_is_no_answer(ada: User, at_hand: None) -> None:
    track = base(ada)
    with pytest.raises(CommandError, match="still under way"):
        call_command("verify_determinism", str(track.pk), "--yes", "--wait", "0")


@pytest.mark.parametrize("track_id", ["11111111-1111-4111-8111-111111111111"])
def test_an_unknown_track_is_said_so(db: None, track_id: str) -> None:
    with pytest.raises(CommandError, match="no such track"):
        call_command("verify_determinism", track_id, "--yes")


def test_a_second_making_that_came_to_nothing_is_no_answer(ada: User) -> None:
    track = base(ada)
    Track.objects.filter(pk=track.pk).update(state="UNREADABLE")
    with pytest.raises(AudioUnreadable):
        determinism.counterpart(track, track.generation)
