"""Puts new music into a source: samples outside the section or the extension stay as they were, to the bit."""

from typing import Literal

import numpy as np

from simulator.encoding import RATE, Pcm

# Long enough that no step is heard as a click, short enough that a word is not smeared.
SEAM_SECONDS = 0.03


def _ramp(frames: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    return ((np.arange(frames, dtype=np.float64) + 0.5) / frames)[:, np.newaxis]


def _blend(first: Pcm, second: Pcm) -> Pcm:
    """From the first to the second over their common length."""
    ramp = _ramp(len(first))
    return np.asarray(np.rint(first * (1.0 - ramp) + second * ramp), dtype=np.int16)


def replaced(source: Pcm, fresh: Pcm, *, start: int, end: int) -> Pcm:
    """The source with frames start to end from `fresh`; both seams lie inside the section."""
    result = source.copy()
    result[start:end] = fresh[start:end]
    seam = min(round(SEAM_SECONDS * RATE), (end - start) // 2)
    if seam:
        result[start : start + seam] = _blend(source[start : start + seam], fresh[start : start + seam])
        result[end - seam : end] = _blend(fresh[end - seam : end], source[end - seam : end])
    return result


def extended(source: Pcm, fresh: Pcm, *, side: Literal["left", "right"], crop_frames: int) -> Pcm:
    """The source, cropped on that side, with `fresh` joined there; a short fade keeps the joint from clicking."""
    fresh = fresh.copy()
    seam = min(round(SEAM_SECONDS * RATE), len(fresh))
    ramp = _ramp(seam)
    if side == "right":
        fresh[:seam] = np.rint(fresh[:seam] * ramp)
        return np.concatenate([source[: len(source) - crop_frames], fresh])
    fresh[-seam:] = np.rint(fresh[-seam:] * ramp[::-1])
    return np.concatenate([fresh, source[crop_frames:]])
