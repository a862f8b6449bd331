"""The tree of everything that came from a song: what was made from which track, what was changed, what it cost."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from django.db import connection
from django.db.models import Prefetch

from ledger.money import format_dollars
from studio import tracks
from studio.models import Generation, Track, User
from studio.states import Purpose, TrackState

EdgeKind = Literal["variation", "retouch", "extension", "arm"]
KINDS: Final[Mapping[str, EdgeKind]] = {
    Purpose.SONG: "variation",
    Purpose.TAKE: "retouch",
    Purpose.EXTENSION: "extension",
    Purpose.ARM: "arm",
}
# What is told of a change: the value where it is short, else only that it is another one.
VALUES: Final = ("vibe_strength", "balance_strength", "bpm", "side", "extend_duration", "crop_duration", "section")
TEXTS: Final = ("prompt", "tags", "lyrics")
# A family of more is cut: nobody looks through it, and no request is to take for ever.
MOST: Final = 2000

# Up from the track to the song that all began with, and down again to everything that was made from any of it.
FAMILY: Final = """
WITH RECURSIVE above AS (
    SELECT g.id, g.source_id FROM studio_generation g
    JOIN studio_track t ON t.generation_id = g.id WHERE t.id = %(track)s
    UNION
    SELECT g.id, g.source_id FROM above
    JOIN studio_track t ON t.id = above.source_id JOIN studio_generation g ON g.id = t.generation_id
), family AS (
    SELECT id FROM above WHERE source_id IS NULL
    UNION
    SELECT g.id FROM family
    JOIN studio_track t ON t.generation_id = family.id JOIN studio_generation g ON g.source_id = t.id
)
SELECT id FROM family LIMIT %(most)s
"""


@dataclass(slots=True)
class Node:
    """A track, or what is left of one, with the edge that leads to it."""

    track: Track
    kind: EdgeKind
    cost_micros: int
    changed: dict[str, Any]
    children: "list[Node]" = field(default_factory=list)

    @property
    def generation(self) -> Generation:
        return self.track.generation

    @property
    def state(self) -> str:
        if self.track.purged_at is not None:
            return "DELETED"
        return "TRASHED" if self.track.trashed_at is not None else self.track.state

    @property
    def is_stub(self) -> bool:
        return self.state != TrackState.READY


@dataclass(frozen=True, slots=True)
class Tree:
    """`roots` are the variations of the song that all began with."""

    song: Generation
    roots: list[Node]
    total_micros: int

    def nodes(self) -> Iterator[Node]:
        waiting = list(reversed(self.roots))
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)


def tree(person: User, track_id: UUID) -> Tree:
    """All of the family that the person's track belongs to. :raises NotFound: as `tracks.own`."""
    tracks.own(person, track_id)
    family = _family(track_id)
    by_source: defaultdict[UUID | None, list[Generation]] = defaultdict(list)
    for generation in family:
        by_source[generation.source_id].append(generation)
    song = by_source[None][0]
    roots = _nodes(song, {})
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        for generation in by_source[node.track.pk]:
            node.children += _nodes(generation, node.generation.recipe | {"seed": node.generation.seed})
        waiting += node.children
    return Tree(song, roots, sum(generation.charged_micros or 0 for generation in family))


def _family(track_id: UUID) -> Sequence[Generation]:
    with connection.cursor() as cursor:
        cursor.execute(FAMILY, {"track": track_id, "most": MOST})
        ids = [row[0] for row in cursor.fetchall()]
    kept = Prefetch("tracks", Track.objects.order_by("variation"))
    rows = Generation.objects.filter(pk__in=ids).select_related("take__retouch").prefetch_related(kept)
    return list(rows.order_by("created_at", "pk"))


def _nodes(generation: Generation, parent: Mapping[str, Any]) -> list[Node]:
    """Those of one generation share its price; the first bears what does not come out even."""
    found = list(generation.tracks.all())
    if not found:
        return []
    share, rest = divmod(generation.charged_micros or 0, len(found))
    changed = _changed(generation, parent) if parent else {}
    for track in found:
        track.generation = generation
    return [
        Node(track, KINDS[generation.purpose], share + (rest if place == 0 else 0), changed)
        for place, track in enumerate(found)
    ]


def _changed(generation: Generation, parent: Mapping[str, Any]) -> dict[str, Any]:
    recipe = generation.recipe
    changed = {name: recipe[name] for name in VALUES if name in recipe and recipe[name] != parent.get(name)}
    changed |= {name: "changed" for name in TEXTS if recipe.get(name) is not None and recipe[name] != parent.get(name)}
    if generation.seed != parent.get("seed"):
        changed["seed"] = str(generation.seed)
    return changed


# --- As JSON ---------------------------------------------------------------------------------------------------------


def document(found: Tree) -> dict[str, Any]:
    """The same for programs: the `lineage.json` of a ZIP, too. Money is in dollars."""
    return {
        "song": str(found.song.pk),
        "made_at": found.song.created_at.isoformat(),
        "total": format_dollars(found.total_micros),
        "tracks": [_told(node) for node in found.roots],
    }


def _told(node: Node) -> dict[str, Any]:
    take = getattr(node.generation, "take", None)
    accepted = {"accepted": not node.track.hidden, "number": take.number} if take is not None else {}
    return {
        "id": str(node.track.pk),
        "title": node.track.title,
        "variation": node.track.variation,
        "state": node.state,
        "edge": {
            "kind": node.kind,
            "generation": str(node.generation.pk),
            "changed": node.changed,
            "cost": format_dollars(node.cost_micros),
            **accepted,
        },
        "tracks": [_told(child) for child in node.children],
    }


def as_file(person: User, track_id: UUID) -> bytes:
    return json.dumps(document(tree(person, track_id)), ensure_ascii=False, indent=2).encode() + b"\n"
