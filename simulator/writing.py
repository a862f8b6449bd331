"""Invents the tags and lyrics that a prompt asks for: plausible, and the same for the same prompt and seed."""

import re
from collections.abc import Sequence

from simulator.score import draw

GENRES = (
    "rock", "electronic", "ambient", "jazz", "hip hop", "classical", "acoustic", "pop", "folk", "metal", "blues",
    "house", "techno", "soul", "country", "reggae", "funk", "punk", "lo-fi", "cinematic", "synthwave",
    "r&b", "indie", "disco",
)  # fmt: skip
MOODS = (
    "melancholic", "uplifting", "dreamy", "energetic", "warm", "dark", "nostalgic", "hopeful", "intimate", "epic",
    "calm", "playful", "romantic", "mysterious", "groovy", "sad", "happy", "slow", "fast",
)  # fmt: skip
INSTRUMENTS = ("piano", "guitar", "strings", "synth", "bass", "drums", "organ", "brass", "female vocal", "male vocal")
INSTRUMENTAL = re.compile(r"\binstrumental\b|\bno (vocals?|lyrics|singing)\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{4,}")
_STOP = frozenset(
    ("with", "about", "that", "this", "from", "song", "music", "make", "want", "like", "some", "into", "over", "your")
)
_OPENINGS = ("I can hear the", "We were only", "Underneath the", "All I ever knew was", "Tell me of the", "Carry me to")
_CLOSINGS = ("in the morning light", "when the night is gone", "on the open road", "till the city sleeps", "by the sea")
_HOOKS = ("Oh, hold on", "Stay a little longer", "Sing it back to me", "Nothing here is lost", "We will find a way")


def invent_tags(prompt: str, seed: int) -> list[str]:
    """The styles, moods and instruments that the prompt names, filled up to at least four."""
    lowered = prompt.lower()
    named = [word for word in (*GENRES, *MOODS, *INSTRUMENTS) if re.search(rf"\b{re.escape(word)}\b", lowered)]
    rng = draw("tags", prompt, seed)
    if not set(named) & set(GENRES):
        named.insert(0, rng.choice(GENRES))
    spare = [word for word in (*MOODS[:14], *INSTRUMENTS) if word not in named]
    return named + rng.sample(spare, max(0, 4 - len(named)))


def invent_lyrics(prompt: str, tags: Sequence[str], seed: int) -> str:
    """Two verses around a chorus with words of the prompt; empty where the prompt asks for an instrumental."""
    if INSTRUMENTAL.search(prompt) or "instrumental" in tags:
        return ""
    rng = draw("lyrics", prompt, seed)
    words = [word.lower() for word in _WORD.findall(prompt) if word.lower() not in _STOP] or ["river", "summer"]

    def line() -> str:
        return f"{rng.choice(_OPENINGS)} {rng.choice(words)} {rng.choice(_CLOSINGS)}"

    hook = rng.choice(_HOOKS)
    chorus = [hook, f"{rng.choice(words).capitalize()}, {rng.choice(words)}", hook, line()]
    parts = {"[Verse 1]": [line() for _ in range(4)], "[Chorus]": chorus, "[Verse 2]": [line() for _ in range(4)]}
    blocks = ["\n".join([heading, *lines]) for heading, lines in parts.items()]
    return "\n\n".join([*blocks, "\n".join(["[Chorus]", *chorus])])
