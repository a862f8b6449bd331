"""Where two pieces of audio differ, and how much they are the same outside a section; read block by block."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log10, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.media.errors import AudioUnreadable
from studio.media.pcm import Pcm

BLOCK_MS: Final = 5_000
# The parts of the picture.
SLICES: Final = 240
# A model may begin to fade a little before the section: that is no difference yet.
SEAM_MS: Final = 60
SILENT_DB: Final = 60.0

# The samples from one millisecond to another, and their rate.
Part = Callable[[int, int], tuple[Pcm, int]]
Mono = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """Outside the section: correlation 1 and level 0 where they are the same. `slices` are 0 to 100, all along."""

    correlation: float
    level_db: float
    slices: list[int]


def measure(one: Part, other: Part, *, duration_ms: int, start_ms: int = 0, end_ms: int = 0) -> Difference:
    """How `other` differs from `one`, of which the section from `start_ms` to `end_ms` was made anew, if any was.

    Raises AudioUnreadable, and what reading raises.
    """
    outside = _Sums()
    apart, counted = np.zeros(SLICES), np.zeros(SLICES)
    loud = 0.0
    seam_ms = SEAM_MS if end_ms > start_ms else 0
    for at_ms, first, second in _blocks(one, other, duration_ms):
        times_ms = np.linspace(at_ms, min(at_ms + BLOCK_MS, duration_ms), len(first), endpoint=False)
        kept = (times_ms < start_ms - seam_ms) | (times_ms >= end_ms + seam_ms)
        outside.add(first[kept], second[kept])
        place = np.minimum((times_ms * SLICES / duration_ms).astype(np.int64), SLICES - 1)
        apart += np.bincount(place, (first - second) ** 2, SLICES)
        counted += np.bincount(place, minlength=SLICES)
        loud += float(first @ first)
    usual = sqrt(loud / max(1.0, float(counted.sum()))) or 1.0
    shares = np.sqrt(apart / np.maximum(counted, 1)) / (2 * usual)
    slices = [int(share) for share in np.rint(100 * np.minimum(shares, 1.0))]
    return Difference(outside.correlation, outside.level_db, slices)


def _blocks(one: Part, other: Part, duration_ms: int) -> Iterator[tuple[int, Mono, Mono]]:
    for at_ms in range(0, duration_ms, BLOCK_MS):
        end_ms = min(at_ms + BLOCK_MS, duration_ms)
        (first, rate), (second, other_rate) = one(at_ms, end_ms), other(at_ms, end_ms)
        if rate != other_rate:
            raise AudioUnreadable(f"{rate} Hz beside {other_rate} Hz")
        frames = min(len(first), len(second))
        if frames:
            yield at_ms, _mono(first[:frames]), _mono(second[:frames])


def _mono(samples: Pcm) -> Mono:
    return np.asarray(samples.mean(axis=1), np.float64) / 32768.0


class _Sums:
    """What correlation and level need, added up."""

    def __init__(self) -> None:
        self._own = self._others = self._both = 0.0

    def add(self, first: Mono, second: Mono) -> None:
        self._own += float(first @ first)
        self._others += float(second @ second)
        self._both += float(first @ second)

    @property
    def correlation(self) -> float:
        if self._own == self._others == 0:
            return 1.0
        return self._both / sqrt(self._own * self._others) if self._own and self._others else 0.0

    @property
    def level_db(self) -> float:
        if self._own == self._others:
            return 0.0
        if not self._own or not self._others:
            return SILENT_DB if self._others else -SILENT_DB
        return 10 * log10(self._others / self._own)
