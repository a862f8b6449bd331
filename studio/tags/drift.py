"""How far Sonauto's tags have moved from the taxonomy, and what a new one would be."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from studio.tags.taxonomy import Group, Tag, Taxonomy, fold

SOURCE: Final = "sonauto.ai/tag-explorer"
# A tag has moved when it stands so much of the list away from where it stood.
MOVED_SHARE: Final = 0.1
MOVED_PLACES: Final = 10
_DECADE: Final = re.compile(r"(?:(?:early|mid|late) )?((?:19|20)?\d0s)")


@dataclass(frozen=True, slots=True)
class Move:
    """From which place to which, among the tags whose place was known."""

    name: str
    was: int
    now: int


@dataclass(frozen=True, slots=True)
class Drift:
    """What a page has that the taxonomy lacks, what it lacks, and what has moved; `known` is how many tags we have."""

    added: Sequence[str]
    gone: Sequence[str]
    moved: Sequence[Move]
    known: int

    @property
    def percent(self) -> float:
        """Over all known tags."""
        return 100 * (len(self.added) + len(self.gone) + len(self.moved)) / max(1, self.known)


def between(taxonomy: Taxonomy, page: Sequence[str]) -> Drift:
    """`page` are a page's tags in its order. A tag that is only written otherwise, with a hyphen say, is the same."""
    ours, theirs = {tag.folded for tag in taxonomy.tags}, {fold(name) for name in page}
    return Drift(
        added=[name for name in page if fold(name) not in ours],
        gone=[tag.name for tag in taxonomy.tags if tag.folded not in theirs],
        moved=_moved(taxonomy.tags, page),
        known=len(taxonomy.tags),
    )


def _moved(tags: Iterable[Tag], page: Sequence[str]) -> list[Move]:
    """By the order among those that both sides have: what came between them moves nobody."""
    place = {fold(name): at for at, name in enumerate(page)}
    ranked = sorted((tag for tag in tags if tag.rank and tag.folded in place), key=lambda tag: tag.rank or 0)
    now = {name: at for at, name in enumerate(sorted((tag.folded for tag in ranked), key=lambda name: place[name]), 1)}
    far = max(MOVED_PLACES, MOVED_SHARE * len(ranked))
    moves = (Move(tag.name, was, now[tag.folded]) for was, tag in enumerate(ranked, 1))
    return [move for move in moves if abs(move.now - move.was) > far]


def taxonomy_of(page: Sequence[str], known: Taxonomy, read_on: date) -> Taxonomy:
    """A page's tags as a taxonomy: what we know of a tag is kept, its rank is its place, new ones are given a group."""
    facts = {tag.folded: tag for tag in known.tags}
    mine = {fold(name): name for name in page}
    tags = []
    for rank, name in enumerate(page, 1):
        tag = facts.get(fold(name)) or _guessed(name, known)
        parent = mine.get(fold(tag.parent)) if tag.parent else None
        sources = tag.sources if SOURCE in tag.sources else (SOURCE, *tag.sources)
        tags.append(tag.model_copy(update={"name": name, "rank": rank, "parent": parent, "sources": sources}))
    return Taxonomy(about=known.about, read_on=read_on, tags=tuple(tags))


def _guessed(name: str, known: Taxonomy) -> Tag:
    """Its group where the name tells: a decade, or a known genre or instrument with something before it."""
    facts = {tag.name: tag for tag in known.tags}
    if decade := _DECADE.fullmatch(name):
        return _new(name, "era", decade[1] if decade[1] != name else None)
    words = name.split()
    for at in range(1, len(words)):
        end = facts.get(" ".join(words[at:]))
        if end is not None and end.group in ("genre", "subgenre"):
            return _new(name, "subgenre", end.name)
        if end is not None and end.group in ("instrument", "vocals", "mood"):
            return _new(name, end.group, end.name if end.group == "instrument" else None)
    return _new(name, "unsorted", None)


def _new(name: str, group: Group, parent: str | None) -> Tag:
    return Tag(name=name, group=group, parent=parent, sources=(SOURCE,))
