"""From a brief to samples: the score played part by part, placed in stereo, given space, levelled and limited."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.encoding import RATE, Pcm
from simulator.instruments import Orchestra, Samples
from simulator.score import Brief, Hit, Note, Part, Score, compose

CEILING = 0.89  # -1 dBFS
TARGET_RMS = 0.158  # -16 dBFS over the parts that sound, which is about -14 LUFS
BLOCK = 128
GATE_BLOCK = RATE // 4
FADE_SECONDS = 5.0

# Taps of the room: seconds for left and right, and how much comes back. Primes of milliseconds keep them apart.
ROOM = (
    (0.029, 0.031, 0.50), (0.041, 0.037, 0.46), (0.059, 0.053, 0.42), (0.079, 0.083, 0.37), (0.107, 0.101, 0.33),
    (0.139, 0.149, 0.28), (0.181, 0.173, 0.23), (0.229, 0.239, 0.18), (0.293, 0.283, 0.14), (0.373, 0.389, 0.10),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    level: float
    pan: float = 0.0
    send: float = 0.3
    wide: bool = False


PLACES: Mapping[Part, Place] = {
    "bass": Place(0.95, send=0.02),
    "comp": Place(0.22, pan=-0.25, send=0.35),
    "pad": Place(0.13, send=0.6, wide=True),
    "arp": Place(0.12, pan=0.45, send=0.6),
    "lead": Place(0.30, pan=0.1, send=0.55),
    "voice": Place(0.36, send=0.45),
}
DRUM_PAN: Mapping[str, float] = {"hat": 0.3, "ride": 0.35, "crash": -0.3, "shaker": -0.35, "brush": 0.1}


@dataclass(slots=True)
class Desk:
    """The three buses of a mix: left, right, and what goes to the room."""

    left: Samples
    right: Samples
    room: Samples

    def add(self, bus: Samples, place: Place, gain: float = 1.0) -> None:
        level = place.level * gain
        self.left += bus * np.float32(level * (1.0 - max(0.0, place.pan)))
        self.right += bus * np.float32(level * (1.0 + min(0.0, place.pan)))
        self.room += bus * np.float32(level * place.send)


def render(brief: Brief) -> Pcm:
    """Frames by two channels, 16 bit. Equal briefs give equal bytes in every process."""
    score = compose(brief)
    # A low balance sharpens the instruments, a high one softens them and brings the voice forward.
    brightness = score.style.brightness * (0.65 + 0.6 * brief.intensity) * (1.7 - brief.balance)
    orchestra = Orchestra(brightness=min(1.5, brightness), naturalness=brief.balance)
    zeros = [np.zeros(brief.frames, dtype=np.float32) for _ in range(3)]
    desk = Desk(*zeros)
    # Sorted, because floating-point sums depend on their order.
    for part, notes in sorted(score.notes.items()):
        _play(desk, orchestra, score, brief, part, notes)
    _drums(desk, orchestra, score.hits, brief)
    _room(desk, score.style.space)
    return _master(desk, brief)


def _put(bus: Samples, samples: Samples, at: int, level: float) -> None:
    room = min(len(samples), len(bus) - at)
    if room > 0:
        bus[at : at + room] += samples[:room] * np.float32(level)


def _play(desk: Desk, orchestra: Orchestra, score: Score, brief: Brief, part: Part, notes: list[Note]) -> None:
    place = PLACES[part]
    gain = _gain(part, brief)
    for side in (-1, 1) if place.wide else (0,):
        bus = np.zeros(brief.frames, dtype=np.float32)
        for note in notes:
            _put(bus, _sound(orchestra, score, part, note, side), note.at, note.level)
        if part == "pad" and score.style.pumping:
            _pump(bus, score)
        if part in {"comp", "lead"} and score.style.drive:
            bus = _driven(bus, score.style.drive * (0.5 + brief.intensity))
        desk.add(bus, Place(place.level, place.pan + 0.8 * side, place.send), gain)


def _gain(part: Part, brief: Brief) -> float:
    if part == "voice":
        return 0.6 + 0.65 * brief.balance
    if part in {"arp", "pad"}:
        return 0.6 + 0.7 * brief.intensity
    return 1.25 - 0.4 * brief.balance


def _sound(orchestra: Orchestra, score: Score, part: Part, note: Note, side: int) -> Samples:
    if part == "voice":
        return orchestra.voice(note.pitch, note.frames, note.vowel, breath=note.breath)
    timbre = {
        "bass": score.style.bass_timbre,
        "comp": score.style.comp_timbre,
        "pad": score.style.pad_timbre,
        "arp": "bell" if score.style.drive < 0.1 else "synth",
        "lead": score.lead_timbre,
    }[part]
    return orchestra.note(timbre, note.pitch, note.frames, side)


def _driven(bus: Samples, drive: float) -> Samples:
    """A soft clipper, x / (1 + |x|), as hard as the drive."""
    hot = bus * np.float32(1.0 + 5.0 * drive)
    clipped: Samples = hot / (np.float32(1.0) + np.abs(hot)) * np.float32(1.3)
    return clipped


def _pump(bus: Samples, score: Score) -> None:
    """Ducks the pad at every beat, as a compressor keyed by the kick does."""
    beat = round(score.beat_frames)
    dip = 1.0 - np.float32(score.style.pumping) * (1.0 - np.arange(beat, dtype=np.float32) / np.float32(beat)) ** 2
    for number in range(int(len(bus) / score.beat_frames) + 1):
        start = round(number * score.beat_frames)
        piece = bus[start : start + beat]
        piece *= dip[: len(piece)]


def _drums(desk: Desk, orchestra: Orchestra, hits: list[Hit], brief: Brief) -> None:
    for name in sorted({hit.drum for hit in hits}):
        bus = np.zeros(brief.frames, dtype=np.float32)
        for hit in hits:
            if hit.drum == name:
                _put(bus, orchestra.drum(name), hit.at, hit.level)
        send = 0.03 if name == "kick" else 0.2
        desk.add(bus, Place(0.62, DRUM_PAN.get(name, 0.0), send), 1.25 - 0.4 * brief.balance)


def _room(desk: Desk, space: float) -> None:
    """Sparse echoes, different left and right, and then once more behind themselves for the tail."""
    for target, side in ((desk.left, 0), (desk.right, 1)):
        wet = np.zeros_like(target)
        for tap in ROOM:
            late = round(tap[side] * RATE)
            wet[late:] += desk.room[: max(0, len(wet) - late)] * np.float32(tap[2])
        late = round((0.47, 0.53)[side] * RATE)
        wet[late:] += wet[: max(0, len(wet) - late)].copy() * np.float32(0.4)
        np.add(target, wet * np.float32(space), out=target)


def _master(desk: Desk, brief: Brief) -> Pcm:
    mix = _equalised(np.stack([desk.left, desk.right], axis=1), brief)
    mix *= np.float32(TARGET_RMS / _loudness(mix))
    mix *= _limit(mix)[:, np.newaxis]
    _fade(mix, brief.fade_seconds)
    return np.asarray(np.rint(mix * np.float32(32767.0)), dtype=np.int16)


def _local_mean(mix: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """The mean of the `reach` frames on either side; counted in integers, so that no rounding adds up."""
    means = np.empty_like(mix)
    width = 2 * reach + 1
    for channel in range(2):
        whole = np.rint(mix[:, channel] * np.float32(65_536.0)).astype(np.int64)
        sums = np.cumsum(np.pad(whole, (reach + 1, reach)))
        means[:, channel] = (sums[width:] - sums[:-width]) / (65_536.0 * width)
    return means


def _equalised(mix: NDArray[np.float32], brief: Brief) -> NDArray[np.float32]:
    """Takes away what lies below hearing (clipped basses lean to one side) and tilts the treble as the brief asks."""
    mix = mix - _local_mean(mix, round(0.025 * RATE))
    tilt = 0.8 * (0.7 - brief.balance) + 0.6 * (brief.intensity - 0.35)
    return np.asarray(mix + np.float32(tilt) * (mix - _local_mean(mix, 10)), dtype=np.float32)


def _loudness(mix: NDArray[np.float32]) -> float:
    """RMS of the quarter seconds that sound. Summed in integers: exact in whatever order the processor adds."""
    blocks = np.array_split(mix, range(GATE_BLOCK, len(mix), GATE_BLOCK))
    wholes = (np.rint(block * np.float32(16_384.0)).astype(np.int64) for block in blocks)
    energies = [int((whole * whole).sum()) / whole.size for whole in wholes]
    loud = [energy for energy in energies if energy > max(energies) * 0.05]
    mean = float(sum(loud)) / max(1, len(loud))
    return max(1e-6, round(math.sqrt(mean) / 16_384.0, 6))


def _limit(mix: NDArray[np.float32]) -> Samples:
    """A gain for every frame that keeps peaks under the ceiling, lowered ahead of each peak and let go slowly."""
    count = -(-len(mix) // BLOCK)
    padded = np.zeros((count * BLOCK, 2), dtype=np.float32)
    padded[: len(mix)] = mix
    peaks = np.abs(padded).reshape(count, BLOCK * 2).max(axis=1)
    needed = np.minimum(np.float32(1.0), np.float32(CEILING) / np.maximum(peaks, np.float32(1e-6)))
    # Six blocks, 17 ms, on either side: the gain is down before the peak comes, and smoothing stays within it.
    reach = 6
    around = np.pad(needed, reach, constant_values=np.float32(1.0))
    lowest = np.min([around[shift : shift + count] for shift in range(2 * reach + 1)], axis=0)
    wider = np.pad(lowest, 2, mode="edge")
    smooth = sum((wider[shift : shift + count] for shift in range(1, 5)), wider[:count]) / np.float32(5.0)
    gain = np.interp(np.arange(len(mix)), (np.arange(count) + 0.5) * BLOCK, smooth)
    return np.asarray(gain, dtype=np.float32)


def _fade(mix: NDArray[np.float32], seconds: float | None) -> None:
    if seconds is None:
        seconds = min(FADE_SECONDS, len(mix) / RATE * 0.1)
    frames = min(len(mix), round(seconds * RATE))
    if frames:
        line = np.arange(frames, 0, -1, dtype=np.float32) / np.float32(frames)
        mix[-frames:] *= (line * line)[:, np.newaxis]
