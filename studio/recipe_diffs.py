"""In what the recipes of two tracks differ: seed and settings side by side, texts word by word."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from studio import recipes
from studio.models import Generation

Kind = Literal["same", "gone", "new"]

SETTINGS: Final = (
    ("vibe_strength", _("Vibe Strength")),
    ("balance_strength", _("Vocal balance")),
    ("bpm", _("BPM")),
    ("num_songs", _("Songs")),
    ("output_format", _("Format")),
    ("output_bit_rate", _("Bit rate")),
)


@dataclass(frozen=True, slots=True)
class Part:
    """Some words of both, of the first alone (gone) or of the second alone (new)."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One input of both. A text keeps its lines."""

    label: str | Promise
    parts: list[Part]
    is_text: bool = False

    @property
    def differs(self) -> bool:
        return any(part.kind != "same" for part in self.parts)


def compare(first: Generation, second: Generation) -> list[Row]:
    """Every input that one of the two has, in the order of the composer."""
    both = (first, second)
    rows = [
        Row(_("Made by"), _values(*(row.endpoint for row in both))),
        Row(_("Description"), _texts(*(row.recipe.get("prompt") or "" for row in both)), is_text=True),
        Row(_("Tags"), _lists(*(recipes.tags_of(row) for row in both))),
        Row(_("Lyrics"), _texts(*(_lyrics(row) for row in both)), is_text=True),
    ]
    rows += [Row(label, _values(*(_setting(row, name) for row in both))) for name, label in SETTINGS]
    rows.append(Row(_("Seed"), _values(*(str(row.seed) for row in both))))
    return [row for row in rows if row.parts]


def _lyrics(generation: Generation) -> str:
    given = generation.recipe.get("lyrics")
    return str((generation.written_lyrics if given is None else given) or "")


def _setting(generation: Generation, name: str) -> str:
    value = generation.recipe.get(name)
    return "" if value is None else str(value)


def _values(first: str, second: str) -> list[Part]:
    return _joined([first] if first else [], [second] if second else [])


def _lists(first: Sequence[str], second: Sequence[str]) -> list[Part]:
    return [
        Part(part.kind, part.text.strip().rstrip(",")) for part in _joined(*(_separated(x) for x in (first, second)))
    ]


def _separated(items: Sequence[str]) -> list[str]:
    return [f"{item}, " for item in items]


def _texts(first: str, second: str) -> list[Part]:
    return _joined(_words(first), _words(second))


def _words(text: str) -> list[str]:
    """Each with the gap behind it: gaps of their own would all look alike, and take long to tell apart."""
    return re.findall(r"\S+\s*|\s+", text.replace("\r\n", "\n"))


def _joined(first: list[str], second: list[str]) -> list[Part]:
    return [part for part in _parts(first, second) if part.text]


def _parts(first: list[str], second: list[str]) -> Iterator[Part]:
    # What is said very often says little of where it belongs, and leaving it out keeps long lyrics fast.
    for tag, from_a, to_a, from_b, to_b in SequenceMatcher(None, first, second).get_opcodes():
        if tag == "equal":
            yield Part("same", "".join(first[from_a:to_a]))
            continue
        yield Part("gone", "".join(first[from_a:to_a]))
        yield Part("new", "".join(second[from_b:to_b]))
