"""The taxonomy: every known style tag with its group and parent, read from `fixtures/sonauto_tags.json`."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from django.core.exceptions import ImproperlyConfigured
from pydantic import BaseModel, ConfigDict, PositiveInt, StringConstraints, ValidationError

FIXTURE: Final = Path(__file__).resolve().parents[2] / "fixtures" / "sonauto_tags.json"
SHOWN_FAULTS: Final = 5

# `unsorted` is what a saved page brings that nobody has given a place yet.
Group = Literal[
    "genre", "subgenre", "mood", "theme", "instrument", "vocals", "era", "region", "production", "form", "unsorted"
]
# A comma would end it in the picker and in the plain field.
Name = Annotated[str, StringConstraints(pattern=r"^[^\s,](?:[^\n,]*[^\s,])?$", max_length=60)]


class Tag(BaseModel):
    """One tag as the fixture has it. `rank` is its place in Sonauto's explorer, from 1; None where that is unknown.

    `sensitive` ones are found by who types them and never proposed; `brand` names are somebody's trade mark.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    group: Group
    parent: Name | None = None
    rank: PositiveInt | None = None
    sensitive: bool = False
    brand: bool = False
    sources: tuple[str, ...]

    @property
    def folded(self) -> str:
        return fold(self.name)


class Taxonomy(BaseModel):
    """The whole fixture. `read_on` is the day on which its facts were last compared with Sonauto's page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    read_on: date
    tags: tuple[Tag, ...]


class TaxonomyBroken(ImproperlyConfigured):
    """The fixture isn't what it has to be; the message says where."""


@cache
def taxonomy() -> Taxonomy:
    """:raises TaxonomyBroken: naming the first faults."""
    return load(FIXTURE.read_bytes())


@cache
def all_tags() -> tuple[Tag, ...]:
    """Every known tag, the most popular first."""
    return tuple(sorted(taxonomy().tags, key=lambda tag: (tag.rank is None, tag.rank or 0, tag.name)))


def load(text: bytes) -> Taxonomy:
    """Read and check a taxonomy. :raises TaxonomyBroken:"""
    try:
        loaded = Taxonomy.model_validate_json(text)
    except ValidationError as error:
        where = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:SHOWN_FAULTS])
        raise TaxonomyBroken(f"The style tags can't be read. {'; '.join(where)}") from error
    if faults := list(_faults(loaded.tags)):
        raise TaxonomyBroken(f"The style tags don't fit together. {'; '.join(faults[:SHOWN_FAULTS])}")
    return loaded


@cache
def by_name() -> dict[str, Tag]:
    return {tag.name: tag for tag in all_tags()}


@cache
def children() -> dict[str, list[Tag]]:
    """The tags below each, the most popular first."""
    below: dict[str, list[Tag]] = defaultdict(list)
    for tag in all_tags():
        if tag.parent is not None:
            below[tag.parent].append(tag)
    return dict(below)


def fold(text: str) -> str:
    """Without case, accents and hyphens, so that people find what they mean."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).replace("-", " ").split())


def is_known(name: str) -> bool:
    return by_folded(name) is not None


def by_folded(name: str) -> Tag | None:
    """The tag that is meant, however it is written; None for an unknown one."""
    return _folded().get(fold(name))


@cache
def _folded() -> dict[str, Tag]:
    return {tag.folded: tag for tag in all_tags()}


def _faults(tags: Iterable[Tag]) -> Iterable[str]:
    tags = tuple(tags)
    parents = {tag.name: tag.parent for tag in tags}
    for name, count in Counter(tag.folded for tag in tags).items():
        if count > 1:
            yield f"{name!r} is there {count} times"
    for rank, count in Counter(tag.rank for tag in tags if tag.rank is not None).items():
        if count > 1:
            yield f"{count} tags have rank {rank}"
    for tag in tags:
        if tag.name != unicodedata.normalize("NFC", tag.name.lower()):
            yield f"{tag.name!r} is not in small letters, composed"
        if tag.parent is not None and tag.parent not in parents:
            yield f"{tag.name!r} has the unknown parent {tag.parent!r}"
        if _goes_round(tag.name, parents):
            yield f"{tag.name!r} is its own ancestor"


def _goes_round(name: str, parents: dict[str, str | None]) -> bool:
    above, seen = parents[name], 0
    while above is not None and above != name and seen <= len(parents):
        above, seen = parents.get(above), seen + 1
    return above is not None
