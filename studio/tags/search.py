"""Finding a tag by what somebody has typed of it, however they write it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from studio.tags.taxonomy import Tag, all_tags, fold

# In fewer letters a slip could mean anything.
SLIPS_FROM_LETTERS: Final = 4


@dataclass(frozen=True, slots=True)
class _Spelt:
    """A tag as people type it: whole, and without gaps. `place` is where it stands among all by popularity."""

    place: int
    tag: Tag
    folded: str
    glued: str


@dataclass(frozen=True, slots=True)
class _Start:
    """A tag from one of its words on."""

    text: str
    place: int
    is_first: bool


@cache
def _spelt() -> tuple[_Spelt, ...]:
    return tuple(_Spelt(place, tag, tag.folded, tag.folded.replace(" ", "")) for place, tag in enumerate(all_tags()))


@cache
def _starts() -> dict[str, list[_Start]]:
    """From each word of each tag on, by each of the first two letters there."""
    starts: defaultdict[str, list[_Start]] = defaultdict(list)
    for spelt in _spelt():
        words = spelt.folded.split()
        for at in range(len(words)):
            start = _Start(" ".join(words[at:]), spelt.place, at == 0)
            for letter in set(start.text[:2]):
                starts[letter].append(start)
    return starts


def find(q: str, limit: int = 12, group: str | None = None) -> list[Tag]:
    """Tags that start with `q`, then those with a word that does, then those that hold it; popular first in each.

    A word typed without the gap finds a tag that has one: "lofi" is "lo-fi". Only where that leaves room come those
    that would start so but for one slip: a letter too few, too many, another one, or two swapped.
    """
    wanted = fold(q)
    among = [spelt for spelt in _spelt() if group is None or spelt.tag.group == group]
    if not wanted:
        return proposed([spelt.tag for spelt in among])[:limit]
    found = _holding(wanted, among)
    if len(found) < limit and len(wanted) >= SLIPS_FROM_LETTERS:
        there = set(found)
        found += [tag for tag in proposed(_but_for_a_slip(wanted, among)) if tag not in there]
    return found[:limit]


def proposed(tags: Iterable[Tag]) -> list[Tag]:
    """What may be shown to somebody who hasn't asked for just that."""
    return [tag for tag in tags if not tag.sensitive]


def _holding(wanted: str, among: list[_Spelt]) -> list[Tag]:
    found: tuple[list[Tag], list[Tag], list[Tag]] = ([], [], [])
    one_word = wanted.isalnum()
    for spelt in among:
        if spelt.folded.startswith(wanted) or (one_word and spelt.glued.startswith(wanted)):
            found[0].append(spelt.tag)
        elif f" {wanted}" in spelt.folded:
            found[1].append(spelt.tag)
        elif wanted in spelt.folded:
            found[2].append(spelt.tag)
    return [tag for part in found for tag in part]


def _but_for_a_slip(wanted: str, among: list[_Spelt]) -> list[Tag]:
    """First those whose first word would start so, then those with a later word that would."""
    # One slip leaves one of the first two letters typed among the first two meant.
    near = [*_starts().get(wanted[0], ()), *_starts().get(wanted[1], ())]
    found: dict[int, bool] = {}
    for start in near:
        if _starts_but_for_a_slip(start.text, wanted):
            found[start.place] = found.get(start.place, False) or start.is_first
    in_order = [spelt for spelt in among if spelt.place in found]
    return [spelt.tag for spelt in sorted(in_order, key=lambda spelt: not found[spelt.place])]


def _starts_but_for_a_slip(text: str, wanted: str) -> bool:
    """Whether `text` would start with `wanted`, had one letter of it been typed otherwise."""
    at = 0
    for mine, theirs in zip(text, wanted, strict=False):
        if mine != theirs:
            break
        at += 1
    rest, typed = text[at:], wanted[at:]
    return (
        rest[1:].startswith(typed[1:])  # another letter
        or rest.startswith(typed[1:])  # one too many
        or rest[1:].startswith(typed)  # one too few
        or (rest[:2] == typed[1::-1] and rest[2:].startswith(typed[2:]))  # two swapped
    )
