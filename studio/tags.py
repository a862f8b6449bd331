"""The taxonomy of style tags: load, search."""

import json
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FIXTURE = Path(__file__).resolve().parent.parent / "fixtures" / "sonauto_tags.json"


@dataclass(frozen=True, slots=True)
class Tag:
    name: str
    group: str
    rank: int | None
    folded: str


@cache
def all_tags() -> tuple[Tag, ...]:
    """Every known tag, the most popular first."""
    entries = json.loads(FIXTURE.read_text())["tags"]
    tags = [Tag(entry["name"], entry["group"], entry["rank"], fold(entry["name"])) for entry in entries]
    return tuple(sorted(tags, key=lambda tag: (tag.rank is None, tag.rank or 0, tag.name)))


@cache
def _names() -> frozenset[str]:
    return frozenset(tag.folded for tag in all_tags())


def fold(text: str) -> str:
    """Without case, accents and hyphens, so that people find what they mean."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).replace("-", " ").split())


def is_known(name: str) -> bool:
    return fold(name) in _names()


def search(q: str, limit: int = 12, group: str | None = None) -> list[Tag]:
    """Tags that start with `q`, then those with a word that does, then those that hold it; popular first in each.

    A word typed without the gap finds a tag that has one: "lofi" is "lo-fi".
    """
    wanted = fold(q)
    found: tuple[list[Tag], list[Tag], list[Tag]] = ([], [], [])
    for tag in all_tags():
        if group is not None and tag.group != group:
            continue
        if tag.folded.startswith(wanted) or (wanted.isalnum() and tag.folded.replace(" ", "").startswith(wanted)):
            found[0].append(tag)
        elif f" {wanted}" in tag.folded:
            found[1].append(tag)
        elif wanted in tag.folded:
            found[2].append(tag)
    return [tag for part in found for tag in part][:limit]
