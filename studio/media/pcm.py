"""Samples as the studio handles them: 16-bit integers, a row for each frame, a column for each channel."""

import numpy as np
from numpy.typing import NDArray

from studio.media.errors import AudioUnreadable
from studio.media.riff import SampleKind, WavFormat

Pcm = NDArray[np.int16]

# What ffmpeg takes a bare number of channels to mean.
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def from_wav(data: memoryview | bytes, wav: WavFormat) -> tuple[Pcm, bool]:
    """Whole frames as 16 bit, and whether any of their samples was other than exact zero before that.

    Wider integers lose their lower bits, floats are scaled by 32767 and rounded, as libsndfile has it. Raises
    AudioUnreadable for a float that is no number.
    """
    if wav.kind is SampleKind.FLOAT:
        samples, heard = _from_float(np.frombuffer(data, f"<f{wav.bits // 8}"))
    else:
        samples, heard = _from_integer(np.frombuffer(data, np.uint8), wav.bits)
    return samples.reshape(-1, wav.channels), heard


def _from_float(values: NDArray[np.floating]) -> tuple[Pcm, bool]:
    if not np.isfinite(values).all():
        raise AudioUnreadable("samples that are no numbers")
    scaled = np.rint(np.clip(values, -1.0, 1.0) * 32767.0)
    return scaled.astype(np.int16), bool(values.any())


def _from_integer(raw: NDArray[np.uint8], bits: int) -> tuple[Pcm, bool]:
    if bits == 16:
        samples = raw.view("<i2")
        return samples, bool(samples.any())
    if bits == 8:
        # Eight bits are unsigned in WAV: 128 is zero.
        samples = (raw.astype(np.int16) - 128) << 8
        return samples, bool(samples.any())
    width = bits // 8
    upper = np.ascontiguousarray(raw.reshape(-1, width)[:, width - 2 :])
    return upper.view("<i2").reshape(-1), bool(raw.any())
