"""A recipe in its canonical form: the same inputs are the same bytes, whoever writes them down."""

import hashlib
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from django.utils.translation import gettext as _

from studio import endpoints
from studio.models import Generation, Track
from studio.states import SourceAudio

ATTRIBUTION: Final = "Made with Sonauto v2 (sonauto.ai) on fal.ai"
# Well below what an index takes, whatever fal writes.
WORDS_CHARACTERS: Final = 20_000


def inputs(generation: Generation) -> dict[str, Any]:
    """The exact inputs that made the song, the endpoint among them. The seed is text: 64 bits are too many for some.

    Where it was made from the audio of another track, that track is the `source`.
    """
    given = {"endpoint": generation.endpoint, **generation.recipe, "seed": str(generation.seed)}
    if "audio_url" in given:
        # The address is another one each time, and lives for an hour; the track stays.
        del given["audio_url"]
        given["source"] = str(generation.source_id)
        if generation.source_audio != SourceAudio.MASTER:
            given["source_audio"] = generation.source_audio
    return given


def canonical(value: Any) -> str:
    """JSON as RFC 8785 has it: names in order, no spaces, numbers as JavaScript writes them.

    :raises ValueError: a number that JSON does not know.
    """
    match value:
        case dict():
            # By UTF-16, which is what the standard sorts by.
            names = sorted(value, key=lambda name: name.encode("utf-16-be"))
            return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
        case list() | tuple():
            return "[" + ",".join(canonical(item) for item in value) + "]"
        case float():
            return _number(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number to JSON")
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    digits, _, exponent = repr(value).partition("e")
    return f"{digits.removesuffix('.0')}e{int(exponent):+d}"


def digest(value: Any) -> str:
    """SHA-256 of the canonical form. :raises ValueError: as `canonical`."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def canonical_inputs(generation: Generation) -> str:
    return canonical(inputs(generation))


def tags_of(generation: Generation) -> list[str]:
    """Those that were asked for, else those that Sonauto wrote itself."""
    return list(generation.recipe.get("tags") or generation.written_tags or [])


def lyrics_of(generation: Generation) -> str | None:
    """As `tags_of`; "" is an instrumental, None where nobody has told."""
    given: str | None = generation.recipe.get("lyrics")
    return generation.written_lyrics if given is None else given


def words_of(generation: Generation) -> dict[str, Any]:
    """By what its tracks are found, beside their titles."""
    tags = tags_of(generation)
    text = [generation.recipe.get("prompt") or "", *tags]
    return {"words": " ".join(text).strip()[:WORDS_CHARACTERS], "tags": [tag.lower() for tag in tags]}


def is_fixed(recipe: Mapping[str, Any]) -> bool:
    """Tags and lyrics alone say what to make: a description is read anew each time."""
    return recipe.get("prompt") is None and bool(recipe.get("tags")) and recipe.get("lyrics") is not None


def why_not_reproducible(generation: Generation) -> str:
    """Why nobody promises the same song from the same recipe; "" where it is promised."""
    if generation.endpoint != "text-to-music":
        return _("It was made from the sound of another track.")
    if not is_fixed(generation.recipe):
        return _("It was made from a description, which is read anew each time.")
    return ""


def document(track: Track) -> dict[str, Any]:
    """All that makes the song again, and what came of it: the `recipe.json` of a download."""
    generation = track.generation
    return {
        "recipe": inputs(generation),
        "written_by_sonauto": {"tags": generation.written_tags, "lyrics": generation.written_lyrics},
        "fal": {"endpoint": endpoints.get(generation.endpoint).fal_id, "request_id": generation.request_id},
        "track": {
            "id": str(track.pk),
            "title": track.title,
            "variation": track.variation,
            "made_at": generation.created_at.isoformat(),
            "duration_seconds": None if track.duration_ms is None else track.duration_ms / 1000,
            "loudness_lufs": track.loudness_lufs,
        },
        "master": {"format": track.master_format, "bytes": track.master_bytes, "sha256": track.master_sha256},
        "credits": ATTRIBUTION,
    }


def as_file(track: Track) -> bytes:
    """The document for people to read; its `recipe` has the same names and values as the canonical form."""
    return json.dumps(document(track), ensure_ascii=False, indent=2).encode() + b"\n"
