"""The highest level that a song reaches between its samples, where a converter or an encoder will meet it."""

import math

import numpy as np
from numpy.typing import NDArray

from studio.media.pcm import Pcm

# ITU-R BS.1770-4, annex 2: a filter that makes four samples of each; its other two phases mirror these.
_PHASE_0 = (
    0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000, -0.0594482421875, 0.1373291015625,
    0.9721679687500, -0.1022949218750, 0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500,
)  # fmt: skip
_PHASE_1 = (
    -0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250, -0.1665039062500, 0.4650878906250,
    0.7797851562500, -0.2003173828125, 0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375,
)  # fmt: skip
_PHASES = np.array([_PHASE_0, _PHASE_1, _PHASE_1[::-1], _PHASE_0[::-1]], np.float32)
_TAPS = len(_PHASE_0)
# Nothing that the filter makes is louder than its loudest input by more than this.
_LARGEST_GAIN = float(np.abs(_PHASES).sum(axis=1).max())
_FULL_SCALE = 32768.0


class TruePeak:
    """Fed with blocks in order; finish() gives dBTP over all channels, or None for silence."""

    def __init__(self, channels: int) -> None:
        self._highest = 0.0
        # A song comes out of silence and ends in it.
        self._tail: NDArray[np.float32] = np.zeros((channels, _TAPS - 1), np.float32)

    def add(self, pcm: Pcm) -> None:
        samples = np.concatenate((self._tail, pcm.T), axis=1, dtype=np.float32)
        self._tail = samples[:, 1 - _TAPS :].copy()
        # Most of a song can't reach what its loudest place did.
        if float(np.abs(samples).max()) * _LARGEST_GAIN > self._highest:
            self._measure(samples)

    def finish(self) -> float | None:
        self.add(np.zeros((_TAPS - 1, len(self._tail)), np.int16))
        return 20 * math.log10(self._highest / _FULL_SCALE) if self._highest else None

    def _measure(self, samples: NDArray[np.float32]) -> None:
        count = samples.shape[1] - (_TAPS - 1)
        filtered = np.empty((len(samples), count), np.float32)
        one_tap = np.empty_like(filtered)
        for phase in _PHASES:
            np.multiply(samples[:, :count], phase[0], out=filtered)
            for at in range(1, _TAPS):
                np.multiply(samples[:, at : at + count], phase[at], out=one_tap)
                filtered += one_tap
            self._highest = max(self._highest, float(filtered.max()), -float(filtered.min()))
