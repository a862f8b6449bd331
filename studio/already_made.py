"""Songs of one's own that were made from exactly the same recipe: listening to them again costs nothing."""

from collections.abc import Mapping
from typing import Any, Final

from studio import recipes
from studio.models import Generation, Track, User
from studio.states import GenerationState

SHOWN: Final = 10


def digest(generation: Generation) -> str:
    """SHA-256 of the recipe in its canonical form: endpoint, texts, settings, seed and number of songs."""
    return recipes.digest(recipes.inputs(generation))


def digest_of(endpoint: str, recipe: Mapping[str, Any]) -> str:
    """The same of inputs that were asked for and not made yet; "" where a seed is still to be drawn: that is new."""
    seed = recipe.get("seed")
    return "" if seed is None else digest(Generation(endpoint=endpoint, recipe=dict(recipe), seed=seed))


def find(person: User, wanted: str, *, hidden_too: bool = False) -> list[Track]:
    """The person's own tracks outside the trash, newest first, whose recipe has the digest `wanted`."""
    if not wanted:
        return []
    tracks = Track.objects.kept().filter(trashed_at=None) if hidden_too else Track.objects.in_library()
    made = tracks.filter(
        generation__person=person,
        generation__state=GenerationState.READY,
        generation__recipe_digest=wanted,
    )
    newest = made.order_by("-generation__created_at", "-generation_id", "variation")
    return list(newest.select_related("generation")[:SHOWN])
