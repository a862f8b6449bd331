"""How alike two files sound: the correlation of their samples, decoded."""

import io
from collections.abc import Iterator

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from studio.media.errors import AudioUnreadable

RATE = 44_100


def correlation(first: bytes, second: bytes) -> float:
    """1 where the samples are the same, 0 where they have nothing in common; what one lacks at its end counts.

    Raises AudioUnreadable.
    """
    a, b = _mono(first), _mono(second)
    length = max(len(a), len(b))
    a, b = np.pad(a, (0, length - len(a))), np.pad(b, (0, length - len(b)))
    loudness = float(np.linalg.norm(a) * np.linalg.norm(b))
    if loudness == 0:
        return float(not a.any() and not b.any())
    return float(np.dot(a, b) / loudness)


def _mono(audio: bytes) -> NDArray[np.float64]:
    try:
        return np.concatenate([np.zeros(0), *_blocks(audio)])
    except av.error.FFmpegError as error:
        raise AudioUnreadable(f"{type(error).__name__}: {error}") from error


def _blocks(audio: bytes) -> Iterator[NDArray[np.float64]]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(io.BytesIO(audio), "r") as container:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                yield part.to_ndarray().astype(np.float64).reshape(-1)
        for part in resampler.resample(None):
            yield part.to_ndarray().astype(np.float64).reshape(-1)
