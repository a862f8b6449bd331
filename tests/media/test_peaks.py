"""Peaks are what audiowaveform would draw, however the samples were cut into blocks."""

import struct

import numpy as np
import pytest

from studio.media.peaks import Peaks, coarser
from tests.media.waves import Samples, tone


def reference(samples: Samples, rate: int, per_pixel: int) -> bytes:
    """The same by the book: one sample at a time, divisions that truncate."""
    rows = samples.tolist()
    mono = [int(sum(row) / len(row)) for row in rows]
    pairs = []
    for at in range(0, len(mono), per_pixel):
        pixel = mono[at : at + per_pixel]
        pairs += [int(min(pixel) / 256), int(max(pixel) / 256)]
    header = struct.pack("<iIiiI", 1, 1, rate, per_pixel, len(pairs) // 2)
    return header + struct.pack(f"{len(pairs)}b", *pairs)


def noise(frames: int, channels: int, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).integers(-32768, 32768, (frames, channels), dtype=np.int16)


def drawn(samples: Samples, *, block: int, per_pixel: int = 256, rate: int = 44_100) -> bytes:
    peaks = Peaks(rate, per_pixel)
    for at in range(0, len(samples), block):
        peaks.add(samples[at : at + block])
    return peaks.finish()


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize("frames", [1, 255, 256, 257, 10_000])
@pytest.mark.parametrize("block", [1000, 4096])
def test_peaks_equal_the_slow_reference_to_the_byte(channels: int, frames: int, block: int) -> None:
    samples = noise(frames, channels)
    assert drawn(samples, block=block) == reference(samples, 44_100, 256)


@pytest.mark.parametrize("block", [1, 3, 100, 256, 5000])
def test_the_size_of_blocks_changes_nothing(block: int) -> None:
    samples = noise(3000, 2)
    assert drawn(samples, block=block) == drawn(samples, block=3000)


def test_divisions_truncate_towards_zero_on_both_sides() -> None:
    quiet = np.array([[-511, 0], [511, 0]], dtype=np.int16)
    assert drawn(quiet, block=2)[20:] == struct.pack("2b", 0, 0)
    loud = np.array([[-513, 0], [-32768, -32768], [32767, 32767]], dtype=np.int16)
    assert drawn(loud, block=2, per_pixel=1)[20:] == struct.pack("6b", -1, -1, -128, -128, 127, 127)


def test_another_zoom_says_so_in_its_header() -> None:
    samples = tone(0.5)
    assert drawn(samples, block=999, per_pixel=1024, rate=48_000) == reference(samples, 48_000, 1024)


@pytest.mark.parametrize("frames", [1, 256, 4095, 4096, 4097, 50_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_coarser_zoom_is_the_same_as_if_it_had_been_drawn_from_the_samples(frames: int, channels: int) -> None:
    samples = noise(frames, channels)
    assert coarser(drawn(samples, block=1000), 4096) == reference(samples, 44_100, 4096)


def test_no_samples_make_a_valid_empty_file() -> None:
    assert Peaks(44_100).finish() == struct.pack("<iIiiI", 1, 1, 44_100, 256, 0)
