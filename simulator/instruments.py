"""Sounds: wavetables for notes, a formant voice, and drums; exact operations only, so that bytes never differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simulator.encoding import RATE

Samples = NDArray[np.float32]

TABLE_BITS = 12
TABLE = 1 << TABLE_BITS
MASK = TABLE - 1
# The one use of a transcendental function: rounded, so that no processor's last digit can show.
SINE = np.round(np.sin(np.arange(TABLE) * (2.0 * np.pi / TABLE)), 9)
TOP_HERTZ = 15_000.0
# Above this many harmonics nothing is heard but the sum takes longer.
MAX_HARMONICS = 48


@dataclass(frozen=True, slots=True)
class Timbre:
    """Harmonic k has the strength k**-slope; `odd` thins the even ones; `shape` is how a note lives."""

    slope: float
    shape: Literal["pluck", "sustain", "swell"]
    odd: float = 1.0
    decay_seconds: float = 1.2
    vibrato: float = 0.0
    detune: float = 0.0
    comb: int = 0


TIMBRES: Mapping[str, Timbre] = {
    "piano": Timbre(1.5, "pluck", decay_seconds=2.2),
    "guitar": Timbre(1.1, "pluck", decay_seconds=1.6, comb=5),
    "epiano": Timbre(2.1, "pluck", odd=0.5, decay_seconds=2.0),
    "bell": Timbre(1.9, "pluck", odd=0.2, decay_seconds=3.2),
    "distorted": Timbre(0.75, "sustain", detune=0.002, vibrato=0.002),
    "synth": Timbre(1.0, "sustain", odd=0.35, detune=0.003, vibrato=0.002),
    "saws": Timbre(1.0, "swell", detune=0.006),
    "strings": Timbre(1.3, "swell", detune=0.004),
    "organ": Timbre(1.4, "sustain", odd=0.7, detune=0.001),
    "violin": Timbre(1.15, "sustain", vibrato=0.006, detune=0.001),
    "cello": Timbre(1.4, "sustain", vibrato=0.003),
    "flute": Timbre(2.4, "sustain", odd=0.6, vibrato=0.004),
    "brass": Timbre(0.95, "sustain", vibrato=0.003),
    "bass": Timbre(1.6, "pluck", decay_seconds=1.4),
    "pick": Timbre(1.0, "pluck", decay_seconds=1.0),
    "upright": Timbre(1.9, "pluck", decay_seconds=1.1),
    "acid": Timbre(0.9, "pluck", odd=0.6, decay_seconds=0.5),
    "sub": Timbre(3.2, "pluck", decay_seconds=2.4),
}
# First three formants in hertz of a, e, i, o, u.
FORMANTS = ((800, 1200, 2500), (480, 1900, 2500), (300, 2250, 3000), (480, 850, 2400), (340, 700, 2300))


def hertz(pitch: int) -> float:
    return float(round(440.0 * 2.0 ** ((pitch - 69) / 12), 6))


def noise(frames: int, seed: int) -> Samples:
    """White noise from a generator's raw bits, whose stream is fixed for ever."""
    bits = np.random.PCG64(seed).random_raw(frames) >> np.uint64(40)
    return np.asarray(bits, dtype=np.float32) * np.float32(2.0**-23) - np.float32(1.0)


def fall(frames: int, power: int) -> Samples:
    """From 1 down to 0 along (1 - x) to a power: a decay made of multiplications only."""
    line = 1.0 - np.arange(frames, dtype=np.float32) / np.float32(frames)
    curve = line.copy()
    for _ in range(power - 1):
        curve *= line
    return curve


def _table(strengths: list[float]) -> Samples:
    """One period with these harmonics, its loudest sample at 1. The phase of each is spread to keep peaks low."""
    steps = np.arange(TABLE)
    total = np.zeros(TABLE)
    for index, strength in enumerate(strengths):
        harmonic = index + 1
        total += strength * SINE[(steps * harmonic + (harmonic * harmonic * 397)) & MASK]
    return np.asarray(np.round(total / max(1e-9, float(np.abs(total).max())), 7), dtype=np.float32)


def _edges(samples: Samples, attack: int, release: int) -> Samples:
    """Straight ramps at both ends keep notes from clicking."""
    attack, release = min(attack, len(samples) // 2), min(release, len(samples) // 2)
    if attack:
        samples[:attack] *= np.arange(attack, dtype=np.float32) / np.float32(attack)
    if release:
        samples[-release:] *= np.arange(release, 0, -1, dtype=np.float32) / np.float32(release)
    return samples


class Orchestra:
    """Makes notes and hits for one song, each different one once. `brightness` and `naturalness` are 0 to 1."""

    def __init__(self, brightness: float, naturalness: float) -> None:
        self._corner = round(1.5 + 16.0 * brightness * brightness, 6)
        self._naturalness = naturalness
        self._tables: dict[tuple[object, ...], Samples] = {}
        self._notes: dict[tuple[object, ...], Samples] = {}
        self._drums: dict[str, Samples] = {}

    def note(self, timbre_name: str, pitch: int, frames: int, side: int = 0) -> Samples:
        """`side` -1 and 1 are the two slightly detuned halves of a wide sound."""
        key = (timbre_name, pitch, frames, side)
        if key not in self._notes:
            self._notes[key] = self._tone(timbre_name, pitch, frames, side)
        return self._notes[key]

    def _tone(self, timbre_name: str, pitch: int, frames: int, side: int) -> Samples:
        timbre = TIMBRES[timbre_name]
        frequency = hertz(pitch) * (1.0 + side * timbre.detune)
        if timbre.shape == "pluck":
            return self._plucked(timbre, frequency, frames)
        tail = round(0.25 * RATE) if timbre.shape == "swell" else round(0.06 * RATE)
        attack = min(frames // 3, round(0.35 * RATE)) if timbre.shape == "swell" else round(0.02 * RATE)
        phase = self._phase(frequency, frames + tail, timbre.vibrato)
        return _edges(self._read(self._harmonics(timbre, frequency, 1.0), phase), attack, tail)

    def _plucked(self, timbre: Timbre, frequency: float, frames: int) -> Samples:
        """Bright at the stroke, dull in the tail: two tables under a fast and a slow decay."""
        length = min(max(frames, round(0.15 * RATE)), round(timbre.decay_seconds * RATE)) + round(0.05 * RATE)
        phase = self._phase(frequency, length, 0.0)
        slow = fall(length, 2)
        bright = self._read(self._harmonics(timbre, frequency, 1.6), phase) * (slow * slow)
        dull = self._read(self._harmonics(timbre, frequency, 0.5), phase) * slow
        return _edges(np.float32(0.55) * bright + np.float32(0.45) * dull, 60, round(0.04 * RATE))

    def voice(self, pitch: int, frames: int, vowel: int, *, breath: bool) -> Samples:
        """A sung vowel; a natural voice has more vibrato and softer formants, and starts a little flat."""
        key = ("voice", pitch, frames, vowel, breath)
        if key not in self._notes:
            self._notes[key] = self._sung(pitch, frames, vowel, breath=breath)
        return self._notes[key]

    def _sung(self, pitch: int, frames: int, vowel: int, *, breath: bool) -> Samples:
        length = frames + round(0.05 * RATE)
        frequency = hertz(pitch)
        depth = 0.003 + 0.008 * self._naturalness
        table = self._formant_table(frequency, vowel)
        phase = self._phase(frequency, length, depth, glide=True)
        sung = _edges(self._read(table, phase), round(0.035 * RATE), round(0.07 * RATE))
        air = min(length, round(0.07 * RATE))
        strength = np.float32(0.22 if breath else 0.05)
        sung[:air] += strength * np.diff(noise(air + 1, 7 + vowel)) * fall(air, 2)
        return sung

    def _formant_table(self, frequency: float, vowel: int) -> Samples:
        key = ("voice", frequency, vowel)
        if key not in self._tables:
            width = 90.0 + 70.0 * self._naturalness
            strengths = []
            for harmonic in range(1, min(MAX_HARMONICS, int(7000.0 / frequency)) + 1):
                at = harmonic * frequency
                peaks = [
                    gain / (1.0 + ((at - formant) / width) * ((at - formant) / width))
                    for formant, gain in zip(FORMANTS[vowel], (1.0, 0.6, 0.3), strict=True)
                ]
                strengths.append((sum(peaks) + 0.06) / harmonic**0.5)
            self._tables[key] = _table([round(strength, 9) for strength in strengths])
        return self._tables[key]

    def _harmonics(self, timbre: Timbre, frequency: float, opening: float) -> Samples:
        """Tables differ by how many harmonics fit under the top, in a few steps, not by pitch."""
        fitting = max(1, min(MAX_HARMONICS, int(TOP_HERTZ / frequency)))
        fitting = next(count for count in (48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1) if count <= fitting)
        key = (timbre, fitting, opening)
        if key not in self._tables:
            self._tables[key] = _table([self._strength(timbre, k, opening) for k in range(1, fitting + 1)])
        return self._tables[key]

    def _strength(self, timbre: Timbre, k: int, opening: float) -> float:
        ratio = k / (self._corner * opening)
        strength = float(k**-timbre.slope) / (1.0 + ratio * ratio)
        if k % 2 == 0:
            strength *= timbre.odd
        if timbre.comb:
            strength *= 0.15 + abs(float(SINE[(k * TABLE // (2 * timbre.comb)) & MASK]))
        return round(strength, 9)

    def _phase(self, frequency: float, frames: int, vibrato: float, *, glide: bool = False) -> NDArray[np.uint32]:
        """A 32-bit phase that wraps by itself; counted in integers, so it never drifts."""
        step = round(frequency / RATE * 2.0**32)
        if not vibrato:
            return np.arange(frames, dtype=np.uint32) * np.uint32(step)
        wobble = SINE[(np.arange(frames) * round(5.4 / RATE * TABLE * 1024) >> 10) & MASK]
        late = np.minimum(np.arange(frames) / (0.3 * RATE), 1.0)
        steps = step * (1.0 + vibrato * late * wobble)
        if glide:
            rise = min(frames, round(0.06 * RATE))
            steps[:rise] -= step * 0.035 * fall(rise, 2)
        return np.cumsum(np.rint(steps).astype(np.uint32), dtype=np.uint32)

    def _read(self, table: Samples, phase: NDArray[np.uint32]) -> Samples:
        return table.take(phase >> np.uint32(32 - TABLE_BITS))

    def drum(self, name: str) -> Samples:
        if name not in self._drums:
            self._drums[name] = getattr(Kit(), name)
        return self._drums[name]


class Kit:
    """The drums, each one sample."""

    @staticmethod
    def _sweep(low: float, high: float, frames: int, power: int) -> Samples:
        steps = np.rint((low + (high - low) * fall(frames, power).astype(np.float64)) / RATE * 2.0**32)
        phase = np.cumsum(steps.astype(np.uint32), dtype=np.uint32)
        return np.asarray(SINE.take(phase >> np.uint32(32 - TABLE_BITS)), dtype=np.float32)

    @staticmethod
    def _hiss(frames: int, seed: int, order: int, power: int) -> Samples:
        """Noise, sharper with each difference taken, falling."""
        samples = noise(frames + order, seed)
        for _ in range(order):
            samples = np.diff(samples) * np.float32(0.55)
        return samples * fall(frames, power)

    @cached_property
    def kick(self) -> Samples:
        frames = round(0.32 * RATE)
        return self._sweep(44.0, 190.0, frames, 8) * fall(frames, 3) * np.float32(1.15)

    @cached_property
    def snare(self) -> Samples:
        frames = round(0.22 * RATE)
        body = self._sweep(170.0, 260.0, frames, 4) * fall(frames, 6)
        return np.float32(0.5) * body + np.float32(0.75) * self._hiss(frames, 11, 1, 4)

    @cached_property
    def clap(self) -> Samples:
        frames = round(0.2 * RATE)
        samples = self._hiss(frames, 12, 1, 5)
        for late in (round(0.011 * RATE), round(0.023 * RATE)):
            samples[late:] += np.float32(0.7) * self._hiss(frames - late, 13 + late, 1, 6)
        return samples * np.float32(0.7)

    @cached_property
    def hat(self) -> Samples:
        return self._hiss(round(0.07 * RATE), 14, 2, 5) * np.float32(0.5)

    @cached_property
    def ride(self) -> Samples:
        frames = round(0.5 * RATE)
        ring = self._sweep(5230.0, 5230.0, frames, 1) + self._sweep(3710.0, 3710.0, frames, 1)
        return (np.float32(0.08) * ring + np.float32(0.6) * noise(frames, 15)) * fall(frames, 6) * np.float32(0.5)

    @cached_property
    def crash(self) -> Samples:
        return self._hiss(round(1.4 * RATE), 16, 2, 4) * np.float32(0.6)

    @cached_property
    def brush(self) -> Samples:
        frames = round(0.25 * RATE)
        return _edges(self._hiss(frames, 17, 1, 3), round(0.03 * RATE), 0) * np.float32(0.4)

    @cached_property
    def shaker(self) -> Samples:
        return _edges(self._hiss(round(0.09 * RATE), 18, 2, 2), round(0.03 * RATE), 0) * np.float32(0.45)
