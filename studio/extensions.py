"""More music before or after a track."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from studio import endpoints, generations, limits, recipes, sources, tracks
from studio.errors import InvalidInput, Problem
from studio.models import Generation, Track, User
from studio.states import Purpose, SourceAudio

ENDPOINT: Final = "extend"
# Something has to stay that can be gone on from.
LEAST_KEPT_SECONDS: Final = 1.0


def start(
    *,
    person: User,
    track_id: UUID,
    inputs: Mapping[str, object],
    audio: str = SourceAudio.MASTER,
    idempotency_key: str | None = None,
) -> tuple[Generation, bool]:
    """Ask for an extension, and whether it is new: `inputs` are the endpoint's, in our names.

    Where they have no words at all, it goes on with the track's own.

    :raises StudioError, LedgerError: as `generations.start` and `sources.usable`; nothing is written, nothing held.
    """
    tracks.own(person, track_id)
    limits.count_start(person)
    source = sources.usable(person, track_id, audio)
    recipe = _judged(source, inputs)
    asked = [ENDPOINT, str(track_id), audio, dict(inputs)]
    with generations.admitted(person, asked, idempotency_key) as turn:
        if turn.earlier is not None:
            return turn.earlier, False
        sources.hold_still(source)
        generation = generations.put_in_line(
            person,
            endpoints.get(ENDPOINT),
            recipe,
            purpose=Purpose.EXTENSION,
            source=source,
            source_audio=audio,
        )
        return turn.keep(generation), True


def words_of(track: Track) -> dict[str, Any]:
    """What the track was made from, as far as it is known and may be sent again: tags and lyrics, or a description."""
    generation = track.generation
    recipe = generation.recipe
    tags, lyrics = recipes.tags_of(generation), recipes.lyrics_of(generation)
    if tags and lyrics is not None:
        return {"tags": tags, "lyrics": lyrics}
    given = {name: recipe.get(name) for name in ("prompt", "tags", "lyrics")}
    return {name: value for name, value in given.items() if value is not None}


def _judged(source: Track, inputs: Mapping[str, object]) -> Any:
    wordless = all(inputs.get(name) is None for name in ("prompt", "tags", "lyrics"))
    recipe = generations.validated(endpoints.get(ENDPOINT), {**inputs, **(words_of(source) if wordless else {})})
    problems = list(_problems(recipe, (source.duration_ms or 0) / 1000))
    if problems:
        raise InvalidInput(problems)
    return recipe


def _problems(recipe: Any, seconds: float) -> Iterator[Problem]:
    yield from sources.foreign_address(recipe)
    if recipe.crop_duration > seconds - LEAST_KEPT_SECONDS:
        hint = _("Cut at most %.2f seconds, so that something stays to go on from.") % max(0, seconds - 1)
        yield Problem("crop_too_long", _("That cuts the whole track away."), hint, "crop_duration")
