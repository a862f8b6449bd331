"""A song made again from its recipe is compared by bytes, then by ear's stand-in; a price is said, and asked for."""

import io
import wave

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from studio import determinism
from studio.errors import NotReproducible
from studio.media.errors import AudioUnreadable
from studio.media.likeness import correlation
from studio.models import Generation, Track, User
from tests.studio.experimenting import base
from tests.studio.people import finished_song


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was stored here."""
    monkeypatch.setattr("studio.restores.look", lambda track: track)


def wav(samples: np.ndarray) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes((samples * 20_000).astype("<i2").tobytes())
    return made.getvalue()


NOISE = np.random.default_rng(7).uniform(-1, 1, 44_100)


def test_the_same_samples_are_the_same_and_others_are_not() -> None:
    assert correlation(wav(NOISE), wav(NOISE)) == pytest.approx(1)
    assert correlation(wav(NOISE), wav(0.5 * NOISE)) == pytest.approx(1, abs=1e-3)
    assert abs(correlation(wav(NOISE), wav(NOISE[::-1]))) < 0.05
    assert correlation(wav(NOISE), wav(NOISE[:22_050])) < 0.8
    assert correlation(wav(NOISE), wav(np.zeros(100))) == 0
    with pytest.raises(AudioUnreadable):
        correlation(b"nothing", wav(NOISE))


def test_the_same_bytes_need_no_decoding(ada: User) -> None:
    first, second = base(ada), base(ada)
    for track in (first, second):
        track.master_sha256 = "a" * 64
    assert determinism.compare(first, second).answer == "identical"


@pytest.mark.parametrize(("other", "answer"), [(NOISE, "same sound"), (NOISE[::-1], "different")])
def test_other_bytes_are_compared_by_their_sound(
    ada: User, monkeypatch: pytest.MonkeyPatch, other: np.ndarray, answer: str
) -> None:
    first, second = base(ada), base(ada)
    files = {first.pk: wav(NOISE), second.pk: wav(other)}
    monkeypatch.setattr(determinism, "_master", lambda track: files[track.pk])
    assert determinism.compare(first, second).answer == answer


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
