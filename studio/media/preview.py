"""The MP3 that the player plays: 128 kbit/s, made by LAME while the song still arrives."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import av
import lameenc
import numpy as np

from studio.media.errors import EncoderFailed
from studio.media.pcm import LAYOUTS, Pcm


class Target(Protocol):
    """A sink of the storage, or anything else that takes bytes."""

    def write(self, data: bytes, /) -> int: ...


BIT_RATE_KBPS = 128
QUALITY = 3

# At these LAME keeps the sample rate and 128 kbit/s both; everything else is resampled first.
_KEPT_RATES = frozenset({32_000, 44_100, 48_000})


def preview_rate(sample_rate: int) -> int:
    """The preview's sample rate: the song's own where MP3 has it, else the nearest relative."""
    if sample_rate in _KEPT_RATES:
        return sample_rate
    return 44_100 if sample_rate % 11_025 == 0 else 48_000


def encode(
    blocks: Iterator[Pcm],
    sink: Target,
    *,
    sample_rate: int,
    channels: int,
    bit_rate_kbps: int = BIT_RATE_KBPS,
    quality: int = QUALITY,
) -> None:
    """Writes the MP3 of `blocks` to `sink` without committing it; raises EncoderFailed and the sink's HouseFault."""
    if sample_rate != preview_rate(sample_rate) or channels > 2:
        blocks = _resampled(blocks, sample_rate, channels)
    with _encoder_faults():
        encoder = _encoder(preview_rate(sample_rate), min(channels, 2), bit_rate_kbps, quality)
    for block in blocks:
        sink.write(_encoded(encoder, block))
    with _encoder_faults():
        rest = bytes(encoder.flush())
    sink.write(rest)


def _encoder(sample_rate: int, channels: int, bit_rate_kbps: int, quality: int) -> lameenc.Encoder:
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_bit_rate(bit_rate_kbps)
    encoder.set_quality(quality)
    encoder.set_in_sample_rate(sample_rate)
    encoder.set_channels(channels)
    return encoder


def _encoded(encoder: lameenc.Encoder, block: Pcm) -> bytes:
    with _encoder_faults():
        return bytes(encoder.encode(block.tobytes()))


@contextmanager
def _encoder_faults() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, MemoryError) as error:
        raise EncoderFailed(f"{type(error).__name__}: {error}") from error


def _resampled(blocks: Iterator[Pcm], sample_rate: int, channels: int) -> Iterator[Pcm]:
    layout = LAYOUTS[min(channels, 2)]
    resampler = av.AudioResampler(format="s16", layout=layout, rate=preview_rate(sample_rate))
    for block in blocks:
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout=LAYOUTS[channels])
        frame.sample_rate = sample_rate
        yield from _interleaved(resampler.resample(frame), min(channels, 2))
    yield from _interleaved(resampler.resample(None), min(channels, 2))


def _interleaved(frames: list[av.AudioFrame], channels: int) -> Iterator[Pcm]:
    for frame in frames:
        yield frame.to_ndarray().astype(np.int16, copy=False).reshape(-1, channels)
