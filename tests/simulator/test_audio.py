"""The music: the same for the same brief, audibly different for another, and fit to listen to."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.encoding import RATE, Pcm
from simulator.mixing import render
from simulator.score import Brief, compose, root_of, syllables, tempo_of
from simulator.styles import STYLES, style_of
from simulator.writing import invent_lyrics, invent_tags
from tests.simulator.server import ROOT

BRIEF = Brief(seed=42, tags=("pop",), lyrics="sing me a song of the sea", frames=12 * RATE)
CHANGES: list[dict[str, Any]] = [
    {"seed": 43},
    {"tags": ("rock",)},
    {"lyrics": "another line to sing tonight"},
    {"lyrics": ""},
    {"bpm": 150},
    {"bpm": None},
    {"vibe": 2.8},
    {"balance": 0.2},
    {"num_songs": 2},
    {"num_songs": 2, "variation": 1},
]


def digest(pcm: Pcm) -> str:
    return hashlib.sha256(pcm.tobytes()).hexdigest()


def spectrum_centre(pcm: Pcm) -> float:
    """The mean frequency in hertz: how bright it sounds."""
    strengths = np.abs(np.fft.rfft(pcm.mean(axis=1)))
    return float((strengths * np.fft.rfftfreq(len(pcm), 1 / RATE)).sum() / strengths.sum())


def treble_db(pcm: Pcm) -> float:
    """The share of the energy above 1,500 hertz."""
    energies = np.abs(np.fft.rfft(pcm.mean(axis=1))) ** 2
    treble = energies[np.fft.rfftfreq(len(pcm), 1 / RATE) > 1500].sum()
    return float(10 * np.log10(treble / energies.sum()))


def onsets(pcm: Pcm) -> NDArray[np.float64]:
    """How much louder each hundredth of a second is than the one before."""
    block = RATE // 100
    mono = pcm.astype(np.float64).mean(axis=1)[: len(pcm) // block * block]
    loudness = np.sqrt((mono.reshape(-1, block) ** 2).mean(axis=1))
    return np.asarray(np.maximum(np.diff(loudness), 0))


def periodicity(pcm: Pcm, bpm: float) -> float:
    """How well onsets repeat after one beat of this tempo, compared with no shift at all."""
    steps = onsets(pcm) - onsets(pcm).mean()
    shift = round(6000 / bpm)
    return float((steps[:-shift] * steps[shift:]).sum() / (steps * steps).sum())


@pytest.mark.slow
def test_equal_briefs_give_equal_bytes_in_other_processes() -> None:
    code = (
        "import hashlib, sys; sys.path.insert(0, '.')\n"
        "from tests.simulator.test_audio import BRIEF, digest, render\n"
        "print(digest(render(BRIEF)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": threads, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()
        for seed, threads in (("1", "1"), ("2", "2"))
    }
    assert outputs == {digest(render(BRIEF))}


@pytest.mark.slow
def test_every_change_of_the_brief_changes_the_sound() -> None:
    songs = [digest(render(BRIEF)), *(digest(render(replace(BRIEF, **change))) for change in CHANGES)]
    assert len(set(songs)) == len(songs)


@pytest.mark.parametrize("tag", STYLES)
@pytest.mark.parametrize("lyrics", ["", "hello from the other side of town"])
def test_every_style_is_level_unclipped_and_stereo(tag: str, lyrics: str) -> None:
    pcm = render(replace(BRIEF, tags=(tag,), lyrics=lyrics, frames=20 * RATE))
    samples = pcm / 32768
    loudness_db = 10 * np.log10((samples[2 * RATE : -2 * RATE] ** 2).mean())
    peak_db = 20 * np.log10(np.abs(samples).max())
    assert pcm.shape == (20 * RATE, 2)
    assert -19 < loudness_db < -13
    assert -5 < peak_db < -0.9
    assert abs(samples.mean()) < 0.001
    assert np.abs(samples[:, 0] - samples[:, 1]).max() > 0.01


def test_a_song_fades_out_to_silence() -> None:
    pcm = render(BRIEF).astype(np.float64)
    middle, end = (np.sqrt((part**2).mean()) for part in (pcm[6 * RATE : 7 * RATE], pcm[-RATE // 20 :]))
    assert end < middle / 20


@pytest.mark.parametrize("bpm", [90, 140])
def test_the_beat_is_at_the_tempo_that_was_asked_for(bpm: int) -> None:
    pcm = render(replace(BRIEF, tags=("electronic",), lyrics="", bpm=bpm))
    assert periodicity(pcm, bpm) > 0.3
    assert periodicity(pcm, bpm) > periodicity(pcm, bpm * 1.13) + 0.2


def test_auto_takes_the_tempo_from_the_tags() -> None:
    slow, fast = (tempo_of(replace(BRIEF, tags=tags)) for tags in (("ambient", "slow"), ("techno", "fast")))
    assert slow < 80
    assert fast > 130


def test_a_tempo_or_a_strength_keeps_the_tune() -> None:
    tunes = [
        [(note.pitch, note.vowel) for note in compose(brief).notes["voice"]][:8]
        for brief in (BRIEF, replace(BRIEF, vibe=3.1), replace(BRIEF, balance=0.0), replace(BRIEF, bpm=tempo_of(BRIEF)))
    ]
    assert all(tune == tunes[0] for tune in tunes)


def test_seeds_spread_over_all_keys() -> None:
    assert {root_of(replace(BRIEF, seed=seed)) for seed in range(100)} == set(range(12))


@pytest.mark.parametrize("tag", STYLES)
def test_a_low_balance_and_a_strong_vibe_are_brighter(tag: str) -> None:
    still = replace(BRIEF, lyrics="", tags=(tag,))
    sharp, natural = (treble_db(render(replace(still, balance=balance))) for balance in (0.0, 1.0))
    strong, weak = (treble_db(render(replace(still, vibe=vibe))) for vibe in (3.1, 1.4))
    assert sharp > natural + 3
    assert strong > weak + 2


def test_styles_sound_as_bright_as_they_should() -> None:
    rock, ambient = (spectrum_centre(render(replace(BRIEF, tags=(tag,), lyrics=""))) for tag in ("rock", "ambient"))
    assert rock > 1.5 * ambient


def test_lyrics_are_sung_and_empty_ones_are_not() -> None:
    sung, still = compose(BRIEF), compose(replace(BRIEF, lyrics=""))
    assert sung.notes["voice"]
    assert "voice" not in still.notes
    assert still.notes["lead"]


def test_long_songs_have_an_intro_verses_and_choruses() -> None:
    notes = compose(replace(BRIEF, frames=90 * RATE)).notes
    assert min(note.at for note in notes["pad"]) == 0
    assert min(note.at for note in notes["voice"]) > 2 * RATE
    assert min(note.at for note in notes["arp"]) > 15 * RATE


@pytest.mark.parametrize(
    ("lyrics", "expected"),
    [
        ("Stay home", [(0, True), (3, True)]),
        ("[Chorus] oh", [(3, False)]),
        ("[Verse]\n[Chorus]", []),
        ("", []),
    ],
)
def test_syllables_are_vowels_with_their_onsets(lyrics: str, expected: list[tuple[int, bool]]) -> None:
    assert syllables(lyrics)[: len(expected)] == expected
    assert bool(syllables(lyrics)) is bool(expected)


@pytest.mark.parametrize("lyrics", ["さくら さくら", "שלום", "🎵🎶", "\x00\n", "a" * 10_000])
def test_any_script_renders(lyrics: str) -> None:
    assert len(render(replace(BRIEF, lyrics=lyrics, frames=RATE))) == RATE


@pytest.mark.parametrize("frames", [1, 2, 63, 1000])
@pytest.mark.parametrize("bpm", [1, 1000])
def test_the_shortest_songs_at_the_oddest_tempos_render(frames: int, bpm: int) -> None:
    assert len(render(replace(BRIEF, frames=frames, bpm=bpm))) == frames


@pytest.mark.parametrize(
    ("tags", "style"),
    [(("Indie Rock", "jazz"), "rock"), (("lo-fi hip hop",), "hip hop"), (("deep house",), "electronic"), ((), "pop")],
)
def test_the_first_tag_that_names_a_style_decides(tags: tuple[str, ...], style: str) -> None:
    assert style_of(tags) is STYLES[style]


def test_tags_and_lyrics_come_from_the_prompt_and_the_seed() -> None:
    prompt = "a melancholic jazz ballad about harbours"
    assert {"jazz", "melancholic"} <= set(invent_tags(prompt, 1))
    assert "harbours" in invent_lyrics(prompt, [], 1)
    assert invent_lyrics(prompt, [], 1) == invent_lyrics(prompt, [], 1) != invent_lyrics(prompt, [], 2)
    assert invent_lyrics("ambient, no vocals", [], 1) == ""
