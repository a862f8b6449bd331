"""Songs that nothing tells apart but how they sound: one length, one level, one encoding, so many bytes each."""

import io
from collections.abc import Iterator
from typing import Final

import av
import av.error
import numpy as np

from studio.media import preview
from studio.media.errors import AudioUnreadable
from studio.media.pcm import Pcm

RATE: Final = 44_100
CHANNELS: Final = 2
# Well above what it is made from, so that a second encoding is not what is heard.
BIT_RATE_KBPS: Final = 256
# Somebody waits for it; with so many bits a longer search for the best of them is not heard.
QUALITY: Final = 7


def alike(mp3: bytes, *, length_ms: int, cut_db: float = 0.0) -> bytes:
    """An MP3 as an MP3 of exactly `length_ms`, turned down by `cut_db`.

    All that are made with the same length have the same number of bytes. Raises AudioUnreadable.
    """
    made = io.BytesIO()
    samples = _of_length(_levelled(_decoded(mp3), cut_db), length_ms * RATE // 1000)
    how = {"sample_rate": RATE, "channels": CHANNELS, "bit_rate_kbps": BIT_RATE_KBPS, "quality": QUALITY}
    preview.encode(samples, made, **how)
    return made.getvalue()


def _decoded(mp3: bytes) -> Iterator[Pcm]:
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE)
    try:
        with av.open(io.BytesIO(mp3), "r", format="mp3") as container:
            for frame in container.decode(audio=0):
                yield from _rows(resampler.resample(frame))
            yield from _rows(resampler.resample(None))
    except av.error.FFmpegError as error:
        raise AudioUnreadable(f"{type(error).__name__}: {error}") from error


def _rows(frames: list[av.AudioFrame]) -> Iterator[Pcm]:
    for frame in frames:
        yield frame.to_ndarray().astype(np.int16, copy=False).reshape(-1, CHANNELS)


def _levelled(blocks: Iterator[Pcm], cut_db: float) -> Iterator[Pcm]:
    gain = 10 ** (-abs(cut_db) / 20)
    for block in blocks:
        yield block if gain == 1 else np.rint(block * gain).astype(np.int16)


def _of_length(blocks: Iterator[Pcm], frames: int) -> Iterator[Pcm]:
    """Cut there, or filled up with silence."""
    left = frames
    for block in blocks:
        if left <= 0:
            return
        yield np.ascontiguousarray(block[:left])
        left -= min(left, len(block))
    if left:
        yield np.zeros((left, CHANNELS), np.int16)
