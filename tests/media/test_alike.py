"""Songs of a blind round: nothing but the sound tells them apart."""

import io

import av
import numpy as np
import pytest

from studio.media import preview
from studio.media.alike import alike
from studio.media.errors import AudioUnreadable


def mp3(seconds: float, hertz: float, *, rate: int = 44_100, channels: int = 2, level: float = 0.3) -> bytes:
    moments = np.arange(int(seconds * rate)) / rate
    wave = (level * 32767 * np.sin(2 * np.pi * hertz * moments)).astype(np.int16)
    made = io.BytesIO()
    preview.encode(iter([np.column_stack([wave] * channels)]), made, sample_rate=rate, channels=channels)
    return made.getvalue()


def decoded(made: bytes) -> np.ndarray:
    with av.open(io.BytesIO(made), "r") as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=-1)


def test_all_have_the_same_bytes_in_number_whatever_they_were_made_from() -> None:
    made = [
        alike(mp3(4.0, 440), length_ms=3500),
        alike(mp3(3.5, 1200, level=0.05), length_ms=3500),
        alike(mp3(9.0, 90, rate=48_000), length_ms=3500, cut_db=-6.0),
        alike(mp3(3.6, 300, channels=1), length_ms=3500),
        alike(mp3(3.4, 300), length_ms=3500),
    ]
    assert len({len(one) for one in made}) == 1
    assert len({decoded(one).shape for one in made}) == 1
    assert len(set(made)) == len(made)


def test_what_is_turned_down_is_turned_down_by_so_much() -> None:
    source = mp3(3.0, 440)
    loud, soft = (np.sqrt(np.mean(decoded(alike(source, length_ms=2500, cut_db=db)) ** 2)) for db in (0.0, -6.0))
    assert 20 * np.log10(soft / loud) == pytest.approx(-6.0, abs=0.05)


def test_what_is_no_mp3_is_said_so() -> None:
    with pytest.raises(AudioUnreadable):
        alike(b"no sound" * 100, length_ms=1000)
