"""Settings that suit a style. A pure reading of `basis`: what experiments teach later goes in there."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from studio.tags.taxonomy import Tag, by_folded, by_name

# By style, for it and all below it. What has no basis here gets no advice.
VIBE_STRENGTHS: Final[Mapping[str, float]] = {
    "phonk": 3.0,
    "industrial": 3.0,
    "glitch": 3.0,
    "pop": 1.8,
    "acoustic": 1.8,
    "jazz": 1.8,
}
MOST_ANCESTORS: Final = 10


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`value` suits `style`, a tag of the basis. `why` says what was heard; "" where it is common knowledge."""

    style: str
    value: float
    why: str = ""


def vibe_strength(
    tags: Iterable[str],
    basis: Mapping[str, float] = VIBE_STRENGTHS,
    heard: Callable[[], Mapping[str, Suggestion]] = dict,
) -> Suggestion | None:
    """What suits the tags; None where there is no basis for any, or where they pull in different directions.

    What somebody has `heard` in experiments of their own counts for more, and is looked up only where there are tags.
    """
    tags = list(tags)
    own = heard() if tags else {}
    learnt = {own[style].value: own[style] for name in tags if (style := _style(name, own))}
    if learnt:
        return next(iter(learnt.values())) if len(learnt) == 1 else None
    found = [Suggestion(style, basis[style]) for name in tags if (style := _style(name, basis))]
    return found[0] if len({suggestion.value for suggestion in found}) == 1 else None


def _style(name: str, basis: Mapping[str, object]) -> str | None:
    """The tag itself or the nearest above it that the basis names."""
    tag: Tag | None = by_folded(name)
    for _ in range(MOST_ANCESTORS):
        if tag is None:
            return None
        if tag.name in basis:
            return tag.name
        tag = by_name()[tag.parent] if tag.parent else None
    return None
