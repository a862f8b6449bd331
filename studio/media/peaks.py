"""The waveform to draw: the lowest and highest sample of every pixel, in audiowaveform's binary format, version 1."""

import struct

import numpy as np
from numpy.typing import NDArray

from studio.media.pcm import Pcm

SAMPLES_PER_PIXEL = 256
# The same waveform for where it is drawn small: sixteen times as coarse.
OVERVIEW_SAMPLES_PER_PIXEL = 4096

_VERSION = 1
_EIGHT_BIT = 1
HEADER = struct.Struct("<iIiiI")


class Peaks:
    """Adds up 8-bit peaks of the mono mix, block by block; keeps two bytes for every pixel.

    Channels are averaged and 16 bits brought down to 8 by divisions that truncate towards zero: so does audiowaveform,
    and with its `-z 256 -b 8` the result is the same to the byte.
    """

    def __init__(self, sample_rate: int, samples_per_pixel: int = SAMPLES_PER_PIXEL) -> None:
        self._sample_rate = sample_rate
        self._samples_per_pixel = samples_per_pixel
        self._channels = 1
        self._rest: NDArray[np.int32] = np.empty(0, np.int32)
        self._pairs = bytearray()

    def add(self, pcm: Pcm) -> None:
        self._channels = pcm.shape[1]
        sums = _channel_sums(pcm)
        if self._rest.size:
            sums = np.concatenate((self._rest, sums))
        whole = sums.size - sums.size % self._samples_per_pixel
        self._rest = sums[whole:].copy()
        if whole:
            self._keep(sums[:whole].reshape(-1, self._samples_per_pixel))

    def finish(self) -> bytes:
        """The whole file: 20 bytes of header, then a signed pair of minimum and maximum for every pixel."""
        if self._rest.size:
            self._keep(self._rest.reshape(1, -1))
            self._rest = self._rest[:0]
        length = len(self._pairs) // 2
        return HEADER.pack(_VERSION, _EIGHT_BIT, self._sample_rate, self._samples_per_pixel, length) + self._pairs

    def _keep(self, pixels: NDArray[np.int32]) -> None:
        # Both divisions keep the order of samples, so they may come after the minimum and the maximum.
        pairs = np.stack((pixels.min(axis=1), pixels.max(axis=1)), axis=1)
        eight_bit = _truncating(_truncating(pairs, self._channels), 256)
        self._pairs += eight_bit.astype(np.int8).tobytes()


def coarser(waveform: bytes, samples_per_pixel: int) -> bytes:
    """The file that Peaks would have made with more samples to the pixel, a multiple of what this one has.

    It is the same to the byte, since truncating keeps the order of samples.
    """
    version, flags, sample_rate, fine, length = HEADER.unpack_from(waveform)
    pairs = np.frombuffer(waveform, np.int8, offset=HEADER.size).reshape(length, 2)
    begins = np.arange(0, length, samples_per_pixel // fine)
    lowest = np.minimum.reduceat(pairs[:, 0], begins)
    highest = np.maximum.reduceat(pairs[:, 1], begins)
    header = HEADER.pack(version, flags, sample_rate, samples_per_pixel, len(begins))
    return header + np.stack((lowest, highest), axis=1).tobytes()


def _channel_sums(pcm: Pcm) -> NDArray[np.int32]:
    sums = pcm[:, 0].astype(np.int32)
    for channel in range(1, pcm.shape[1]):
        sums += pcm[:, channel]
    return sums


def _truncating(values: NDArray[np.int32], divisor: int) -> NDArray[np.int32]:
    magnitudes: NDArray[np.int32] = np.abs(values) // divisor
    return np.where(values < 0, -magnitudes, magnitudes)
