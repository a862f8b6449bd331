"""Loudness is EBU R 128: the test signals of EBU Tech 3341 measure what that paper says."""

import numpy as np
import pytest

from studio.media.loudness import Loudness
from tests.media.waves import Samples, tone


def measured(samples: Samples, *, rate: int = 44_100, block: int = 9_999) -> float | None:
    loudness = Loudness(rate, samples.shape[1])
    for at in range(0, len(samples), block):
        loudness.add(samples[at : at + block])
    return loudness.finish()


def reference_tone(decibels: float, seconds: float, *, hertz: float = 1000, rate: int = 44_100) -> Samples:
    both = tone(seconds, hertz=hertz, level=10 ** (decibels / 20), channels=1, rate=rate)
    return np.repeat(both, 2, axis=1)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("decibels", [-23.0, -33.0])
def test_a_reference_tone_measures_its_own_level(decibels: float, rate: int) -> None:
    assert measured(reference_tone(decibels, 5, rate=rate), rate=rate) == pytest.approx(decibels, abs=0.1)


def test_997_hz_at_minus_23_in_both_channels_is_minus_23_lufs() -> None:
    assert measured(reference_tone(-23, 5, hertz=997)) == pytest.approx(-23, abs=0.1)


def test_one_channel_is_three_decibels_softer_than_two() -> None:
    assert measured(np.ascontiguousarray(reference_tone(-23, 5)[:, :1])) == pytest.approx(-26.0, abs=0.1)


def test_quiet_passages_are_gated_out() -> None:
    song = np.concatenate([reference_tone(-36, 4), reference_tone(-23, 24), reference_tone(-36, 4)])
    assert measured(song) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("block", [100, 4_410, 1_000_000])
def test_the_size_of_blocks_changes_nothing(block: int) -> None:
    song = reference_tone(-20, 2)
    assert measured(song, block=block) == measured(song)


@pytest.mark.parametrize("samples", [np.zeros((44_100, 2), np.int16), tone(0.2), tone(2, level=0.0002)])
def test_what_is_silent_too_short_or_too_quiet_has_no_loudness(samples: Samples) -> None:
    assert measured(samples) is None


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("rate", [4_000, 384_000])
def test_every_number_of_channels_and_rate_that_we_read_can_be_measured(channels: int, rate: int) -> None:
    assert measured(tone(1, rate=rate, channels=channels), rate=rate) is not None
