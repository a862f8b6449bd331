"""The true peak is what a good meter shows, and says so of what lies between the samples."""

import math

import numpy as np
import pytest

from studio.media.pcm import Pcm
from studio.media.true_peak import TruePeak

RATE = 48_000


def sine(divisor: int, degrees: float, level: float, seconds: float = 0.5) -> Pcm:
    """A tone at a whole fraction of the sample rate, faded in and out as EBU Tech 3341 has it."""
    at = np.arange(int(RATE * seconds))
    fade = np.minimum(1, np.minimum(at, at[::-1]) / (RATE * 0.01))
    wave = np.sin(2 * np.pi * at / divisor + math.radians(degrees)) * level * fade
    return np.round(wave * 32768).clip(-32768, 32767).astype(np.int16).reshape(-1, 1)


def peak_of(*blocks: Pcm) -> float | None:
    meter = TruePeak(blocks[0].shape[1])
    for block in blocks:
        meter.add(block)
    return meter.finish()


# EBU Tech 3341, table 1, cases 15 to 18 (19 is beyond full scale); its meters may show 0.2 dB more or 0.4 dB less.
@pytest.mark.parametrize(("divisor", "degrees"), [(4, 0), (4, 45), (6, 60), (8, 67.5)])
def test_the_test_signals_of_the_ebu_are_measured_as_it_asks(divisor: int, degrees: float) -> None:
    measured = peak_of(sine(divisor, degrees, 0.5))
    assert measured is not None
    assert -6.0 - 0.4 <= measured <= -6.0 + 0.2


def test_what_lies_between_the_samples_is_found() -> None:
    signal = sine(4, 45, 0.7)
    between = 20 * math.log10(np.abs(signal).max() / 32768)
    assert between == pytest.approx(-6.1, abs=0.1)
    assert peak_of(signal) == pytest.approx(20 * math.log10(0.7), abs=0.2)


def test_it_goes_beyond_full_scale() -> None:
    square = np.tile(np.array([32767, 32767, -32768, -32768], np.int16), 1000).reshape(-1, 1)
    measured = peak_of(square)
    assert measured is not None
    assert measured > 2


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 5, 11, 12, 1000, 4096])
def test_blocks_of_any_size_give_the_same(size: int) -> None:
    song = np.random.default_rng(2).integers(-9000, 9000, (9000, 2), np.int16)
    song[4000:4010] = 15_000
    pieces = [song[at : at + size] for at in range(0, len(song), size)]
    assert peak_of(*pieces) == pytest.approx(peak_of(song), abs=1e-6)


def test_the_loudest_channel_counts() -> None:
    loud, soft = sine(4, 45, 0.5), sine(4, 45, 0.05)
    both = np.hstack([soft, loud])
    assert peak_of(both) == peak_of(loud)


def test_a_click_at_either_end_is_heard() -> None:
    for place in (0, -1):
        click = np.zeros((100, 1), np.int16)
        click[place] = 16_384
        assert peak_of(click) == pytest.approx(20 * math.log10(0.5 * 0.9721679687500), abs=1e-3)


def test_silence_has_none() -> None:
    assert peak_of(np.zeros((1000, 2), np.int16)) is None
