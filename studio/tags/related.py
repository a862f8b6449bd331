"""Tags that go with those that are chosen: near them in the taxonomy, or beside them in songs that people kept."""

import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Final

from django.db.models import Exists, OuterRef

from studio.models import Generation, Track
from studio.states import GenerationState
from studio.tags.search import find, proposed
from studio.tags.taxonomy import Tag, all_tags, by_folded, by_name, children

# How much nearness counts. What people put together counts up to as much as a parent.
PARENT: Final = 3.0
CHILD: Final = 2.0
SIBLING: Final = 1.0
TOGETHER: Final = 3.0
NEAREST: Final = 8

SONGS_READ: Final = 2_000
TAGS_READ: Final = 12
READ_EVERY_SECONDS: Final = 600
# Once is chance.
SONGS_TO_TELL: Final = 2

# What a throw of the dice chooses, out of the most popular.
THROWN: Final = ("genre", "mood", "instrument", "vocals")
THROWN_AMONG: Final = 40
# A subgenre says the genre, too.
COVERS: Final[Mapping[str, str]] = {"subgenre": "genre"}

Together = Mapping[str, Counter[str]]


def related(chosen: Iterable[str], limit: int = 12, together: Together | None = None) -> list[Tag]:
    """What goes with the known ones among `chosen`, best first; `together` is read from songs unless given."""
    known = _known(chosen)
    if not known:
        return []
    pairs = kept_together() if together is None else together
    scores: Counter[str] = Counter()
    for tag in known:
        scores.update(_near(tag))
        beside = pairs.get(tag.name, Counter())
        most = max(beside.values(), default=1)
        scores.update({name: TOGETHER * count / most for name, count in beside.items()})
    for tag in known:
        scores.pop(tag.name, None)
    # Of equals the more popular comes first.
    found = sorted(scores, key=lambda name: (-scores[name], _places()[name]))
    return proposed(by_name()[name] for name in found)[:limit]


def throw(kept: Iterable[str]) -> list[Tag]:
    """By chance one tag of each group that `kept` leaves open."""
    covered = {COVERS.get(tag.group, tag.group) for tag in _known(kept)}
    chance = secrets.SystemRandom()
    return [chance.choice(find("", THROWN_AMONG, group)) for group in THROWN if group not in covered]


def _known(names: Iterable[str]) -> list[Tag]:
    return [tag for name in names if (tag := by_folded(name))]


def _near(tag: Tag) -> dict[str, float]:
    near: dict[str, float] = {}
    if tag.parent is not None:
        near |= {sibling.name: SIBLING for sibling in children()[tag.parent][:NEAREST]}
        near[tag.parent] = PARENT
    return near | {child.name: CHILD for child in children().get(tag.name, [])[:NEAREST]}


@cache
def _places() -> dict[str, int]:
    return {tag.name: place for place, tag in enumerate(all_tags())}


# --- What people put together ----------------------------------------------------------------------------------------


def kept_together() -> Together:
    """For each known tag those that stand beside it in the latest songs, with in how many; read again now and then."""
    return _kept_together(int(time.monotonic() // READ_EVERY_SECONDS))


@lru_cache(maxsize=1)
def _kept_together(_period: int) -> Together:
    outside_the_trash = Track.objects.filter(generation=OuterRef("pk"), trashed_at=None)
    ready = Generation.objects.filter(Exists(outside_the_trash), state=GenerationState.READY)
    latest = ready.order_by("-finished_at")
    rows = latest.values_list("recipe__tags", "written_tags")[:SONGS_READ]
    return count_together(asked or written or [] for asked, written in rows)


def count_together(songs: Iterable[Iterable[str]]) -> Together:
    """Only tags that everybody may know are counted: what somebody made up stays theirs."""
    pairs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for song in songs:
        names = dict.fromkeys(tag.name for tag in _known(song))
        shown = list(names)[:TAGS_READ]
        for name in shown:
            pairs[name].update(other for other in shown if other != name)
    return {
        name: Counter({other: count for other, count in beside.items() if count >= SONGS_TO_TELL})
        for name, beside in pairs.items()
    }
