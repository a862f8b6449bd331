"""What a downloaded file is called: a name that sorts, says what it is, and is safe on every system."""

import unicodedata
from typing import Final

from studio.models import Track

TITLE_CHARACTERS: Final = 60
# File systems count bytes, and the rest of the name and the browser's " (1)" need room, too.
TITLE_BYTES: Final = 120
_KEPT: Final = " -'"


def stem(track: Track) -> str:
    """Title, the track's short id, its seed: `slow-waltz__1f0c2a9b__42`."""
    return f"{_title(track.title)}__{track.pk.hex[:8]}__{track.generation.seed}"


def file_name(track: Track, extension: str) -> str:
    return f"{stem(track)}.{extension}"


def _title(title: str) -> str:
    # Composed first, or an accent that is a character of its own would be taken for no letter. Marks stay: without
    # them some scripts say something else.
    composed = unicodedata.normalize("NFC", title)
    kept = "".join(c if c in _KEPT or unicodedata.category(c)[0] in "LNM" else " " for c in composed)
    words = "-".join(kept.split())[:TITLE_CHARACTERS]
    return words.encode()[:TITLE_BYTES].decode(errors="ignore").rstrip("-") or "song"
