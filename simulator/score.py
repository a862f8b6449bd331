"""What a song is asked to be, and the composition that follows: tempo, key, sections, and every note and drum hit."""

import hashlib
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from simulator.encoding import RATE
from simulator.styles import BRIGHT, DARK, FAST, LEADS, SLOW, Style, style_of, words_in

Part = Literal["bass", "comp", "pad", "arp", "lead", "voice"]
Section = Literal["intro", "verse", "chorus", "outro"]

MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)
PROGRESSIONS = {
    MAJOR: ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 5, 4), (0, 2, 3, 4), (3, 4, 2, 5)),
    MINOR: ((0, 5, 2, 6), (0, 3, 5, 4), (0, 6, 5, 6), (0, 2, 6, 3), (5, 6, 0, 0), (0, 3, 6, 2)),
}
TURNAROUNDS = ((1, 4, 0, 5), (1, 4, 0, 0), (2, 5, 1, 4))
# Where in a bar of four beats the melody begins a note.
CELLS = (
    (0.0, 1.0, 2.0, 3.0),
    (0.0, 1.5, 2.0, 3.0),
    (0.0, 0.5, 1.0, 2.0, 3.5),
    (0.5, 1.0, 1.5, 2.5),
    (0.0, 2.0, 2.5, 3.0),
    (0.0, 0.5, 1.5, 2.5, 3.0),
    (0.0, 1.0, 2.5),
)
LEVELS = {"X": 1.0, "x": 0.72, "-": 0.4}
LAYERS: dict[Section, frozenset[Part | Literal["drums"]]] = {
    "intro": frozenset({"pad", "comp", "lead"}),
    "verse": frozenset({"drums", "bass", "comp", "pad", "voice"}),
    "chorus": frozenset({"drums", "bass", "comp", "pad", "arp", "voice"}),
    "outro": frozenset({"pad", "comp", "bass", "lead"}),
}
SECTION_GAIN: dict[Section, float] = {"intro": 0.75, "verse": 0.82, "chorus": 1.0, "outro": 0.8}
VOWELS = "aeiou"
HISSING = frozenset("sfhctkpxz")
_HEADING = re.compile(r"\[[^\]]*\]")
_SYLLABLE = re.compile(r"([^\W\d_aeiouy]*)([aeiouy]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Brief:
    """All that a rendering depends on: equal briefs, equal bytes. `fade_seconds` None is the usual ending."""

    seed: int
    tags: tuple[str, ...]
    lyrics: str
    frames: int
    bpm: float | Literal["auto"] | None = "auto"
    root: int | None = None
    vibe: float = 2.0
    balance: float = 0.7
    num_songs: int = 1
    variation: int = 0
    fade_seconds: float | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """What the composition is drawn from. Strengths and tempo are not in it: turning them keeps the tune."""
        return (self.seed, self.tags, self.lyrics, self.num_songs, self.variation)

    @property
    def intensity(self) -> float:
        """Vibe Strength's legal range as 0 to 1."""
        return min(1.0, max(0.0, (self.vibe - 1.4) / 1.7))


@dataclass(frozen=True, slots=True)
class Note:
    at: int
    frames: int
    pitch: int
    level: float
    vowel: int = 0
    breath: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    drum: str
    at: int
    level: float


@dataclass(slots=True)
class Score:
    beat_frames: float
    style: Style
    lead_timbre: str
    notes: dict[Part, list[Note]] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)


def draw(*parts: object) -> random.Random:
    """A generator that depends on the parts alone, in every process and on every machine."""
    text = "\x1f".join(map(repr, parts))
    return random.Random(int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big"))  # noqa: S311


def tempo_of(brief: Brief) -> float:
    """Beats a minute: as asked, or what the tags suggest; null asks for nothing and gets anything."""
    if isinstance(brief.bpm, int | float):
        return min(300.0, max(20.0, float(brief.bpm)))
    rng = draw("tempo", *brief.identity)
    if brief.bpm is None:
        return float(rng.randint(60, 170))
    words = set(words_in(brief.tags))
    factor = 0.78 if words & SLOW else 1.18 if words & FAST else 1.0
    return float(round(rng.randint(*style_of(brief.tags).bpm) * factor))


def root_of(brief: Brief) -> int:
    """The key's root as a pitch class, 0 for C."""
    return draw("root", *brief.identity).randrange(12) if brief.root is None else brief.root


def syllables(lyrics: str) -> list[tuple[int, bool]]:
    """(vowel, begins with a hiss or a stop) of each syllable; headings in brackets are not sung."""
    text = _HEADING.sub(" ", lyrics).lower()
    sung = [
        (VOWELS.find(vowels[0].replace("y", "i")), bool(set(onset) & HISSING))
        for onset, vowels in _SYLLABLE.findall(text)
    ]
    # Other scripts have their syllables too; without knowing them, each letter gets a vowel of its own.
    return sung or [(ord(letter) % 5, False) for letter in text if letter.isalpha()]


class _Composer:
    """Writes one score bar by bar."""

    def __init__(self, brief: Brief) -> None:
        self.brief = brief
        self.style = style_of(brief.tags)
        self.rng = draw("song", *brief.identity)
        self.beat_frames = 60.0 * RATE / tempo_of(brief)
        self.root = root_of(brief)
        words = set(words_in(brief.tags))
        minor_share = 0.95 if words & DARK else 0.05 if words & BRIGHT else self.style.minor_share
        self.scale = MINOR if self.rng.random() < minor_share else MAJOR
        self.bars = max(1, math.ceil(brief.frames / (4 * self.beat_frames)))
        self.syllables = syllables(brief.lyrics)
        self.sung = 0
        self.gain = 1.0
        lead = next((LEADS[word] for word in words_in(brief.tags) if word in LEADS), self.style.lead_timbre)
        self.score = Score(self.beat_frames, self.style, lead)
        self.patterns = {name: self._pick_pair(options) for name, options in self.style.drums.items()}
        self.bass, self.comp = self._pick_pair(self.style.bass), self._pick_pair(self.style.comp)
        self.chords = (self._progression(), self._progression())
        self.motifs = (self._motif(), self._motif())

    def _pick_pair(self, options: Sequence[str]) -> tuple[str, str]:
        """One for verses, one for choruses."""
        return (self.rng.choice(options), self.rng.choice(options))

    def _progression(self) -> tuple[int, ...]:
        if self.style.sevenths and self.rng.random() < 0.5:
            return self.rng.choice(TURNAROUNDS)
        return self.rng.choice(PROGRESSIONS[self.scale])

    def _motif(self) -> list[list[tuple[float, int]]]:
        """Two bars of (beat, step from the chord's root); strong beats take chord tones, the rest moves by step."""
        step = self.rng.choice((0, 2, 4))
        bars = []
        for cell in self.rng.sample(CELLS, 2):
            bar = []
            for beat in cell:
                step += self.rng.choice((-2, -1, -1, 1, 1, 2))
                if beat in {0.0, 2.0}:
                    step = min((-3, 0, 2, 4, 7), key=lambda tone: (abs(tone - step), tone))
                step = max(-3, min(8, step))
                bar.append((beat, step))
            bars.append(bar)
        return bars

    def write(self) -> Score:
        for bar in range(self.bars):
            self._bar(bar)
        return self.score

    def section(self, bar: int) -> Section:
        """Sections change on even bars; a very short song is all chorus."""
        if self.bars < 8:
            return "chorus"
        place = (bar - bar % 2) / self.bars
        if place < 0.07:
            return "intro"
        if place >= 0.92:
            return "outro"
        return "chorus" if 0.30 <= place < 0.48 or place >= 0.70 else "verse"

    def _bar(self, bar: int) -> None:
        section = self.section(bar)
        self.gain = SECTION_GAIN[section]
        second = int(section == "chorus")
        layers = LAYERS[section]
        degree = self.chords[second][bar % 4]
        if "drums" in layers:
            self._drums(bar, second, fill=bar + 1 < self.bars and self.section(bar + 1) != section)
        if "bass" in layers:
            self._bass(bar, degree, self.bass[second])
        if "comp" in layers:
            self._comp(bar, degree, self.comp[second], 1.0 if second else 0.8)
        if "pad" in layers and self.style.pad_timbre != "none":
            self._pad(bar, degree, 1.0 if second else 0.65)
        if "arp" in layers:
            self._arp(bar, degree)
        if layers & {"voice", "lead"}:
            self._melody(bar, degree, second, singing="voice" in layers and bool(self.syllables))

    def _at(self, bar: int, sixteenth: float) -> int:
        """The frame of a step; every second eighth comes late where the style swings."""
        late = self.style.swing if int(sixteenth) % 4 == 2 else self.style.swing / 2 if int(sixteenth) % 2 else 0.0
        return round((bar * 4 + (sixteenth + late * 2) / 4) * self.beat_frames)

    def _pitch(self, degree: int, octave: int) -> int:
        """MIDI number of a scale degree, which may lie outside one octave."""
        return 12 * (octave + degree // 7) + self.root + self.scale[degree % 7]

    def _note(
        self, part: Part, at: int, beats: float, pitch: int, level: float, syllable: tuple[int, bool] = (0, False)
    ) -> None:
        note = Note(at, max(64, round(beats * self.beat_frames)), pitch, level * self.gain, *syllable)
        self.score.notes.setdefault(part, []).append(note)

    def _drums(self, bar: int, second: int, *, fill: bool) -> None:
        for drum, pair in self.patterns.items():
            if drum == "crash" and bar % 4:
                continue
            for step, mark in enumerate(pair[second]):
                if mark != "." and not (fill and step >= 12 and drum in {"snare", "clap"}):
                    self._hit(drum, self._at(bar, step), LEVELS[mark])
        if fill and "snare" in self.patterns:
            for step in (12, 13, 14, 15):
                self._hit("snare", self._at(bar, step), 0.5 + 0.12 * (step - 12))

    def _hit(self, drum: str, at: int, level: float) -> None:
        """Soft strokes come out as the vibe grows: a weak vibe leaves them out."""
        if level > 0.5 or self.brief.intensity > 0.25:
            self.score.hits.append(Hit(drum, at, self.gain * level * (0.75 + 0.35 * self.brief.intensity)))

    def _bass(self, bar: int, degree: int, pattern: str) -> None:
        steps = [(step, mark) for step, mark in enumerate(pattern) if mark != "."]
        for (step, mark), following in zip(steps, [*(step for step, _ in steps[1:]), 16], strict=True):
            offset = {"r": 0, "t": 2, "f": 4, "o": 7}[mark]
            beats = min(2.0, (following - step) / 4) * 0.92 if self.style.drums else (following - step) / 4
            self._note("bass", self._at(bar, step), beats, self._pitch(degree + offset, 3), 0.9)

    def _chord(self, degree: int, octave: int) -> list[int]:
        tones = (0, 2, 4, 6) if self.style.sevenths else (0, 2, 4)
        pitches = [self._pitch(degree + tone, octave) for tone in tones]
        # Inversions keep chords together: nothing far above the middle of the keyboard.
        return sorted(pitch - 12 if pitch > 12 * octave + 16 else pitch for pitch in pitches)

    def _comp(self, bar: int, degree: int, pattern: str, level: float) -> None:
        steps = [step for step, mark in enumerate(pattern) if mark != "."]
        chord = self._chord(degree, 5)
        broken = len(steps) >= 8 and self.style.comp_timbre in {"piano", "guitar"}
        for index, (step, following) in enumerate(zip(steps, [*steps[1:], 16], strict=True)):
            pitches = [chord[index % len(chord)]] if broken else chord[-3:]
            for pitch in pitches:
                self._note("comp", self._at(bar, step), (following - step) / 4, pitch, level)

    def _pad(self, bar: int, degree: int, level: float) -> None:
        for pitch in self._chord(degree, 4):
            self._note("pad", self._at(bar, 0), 4.15, pitch, level)

    def _arp(self, bar: int, degree: int) -> None:
        chord = [*self._chord(degree, 6), *self._chord(degree, 6)[-2:0:-1]]
        for step in range(0, 16, 2):
            self._note("arp", self._at(bar, step), 0.5, chord[step // 2 % len(chord)], 0.5 + 0.5 * self.brief.intensity)

    def _melody(self, bar: int, degree: int, second: int, *, singing: bool) -> None:
        cell = self.motifs[second][bar % 2]
        if bar % 4 == 3:
            cell = cell[: max(2, len(cell) - 2)]
        beats = [beat for beat, _ in cell]
        for (beat, step), following in zip(cell, [*beats[1:], 4.0], strict=True):
            syllable = self._next_syllable() if singing else (0, False)
            part: Part = "voice" if singing else "lead"
            octave = 5 if singing or self.style.lead_timbre == "distorted" else 6
            pitch = self._pitch(degree + step, octave)
            self._note(part, self._at(bar, beat * 4), (following - beat) * 0.94, pitch, 0.9, syllable)

    def _next_syllable(self) -> tuple[int, bool]:
        syllable = self.syllables[self.sung % len(self.syllables)]
        self.sung += 1
        return syllable


def compose(brief: Brief) -> Score:
    """The whole score of a brief."""
    return _Composer(brief).write()
