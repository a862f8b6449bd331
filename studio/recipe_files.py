"""A `recipe.json` that somebody brings along: read, and judged like anything else that is asked for."""

import json
from typing import Any, Final

from django.utils.translation import gettext as _

from studio import endpoints, generations
from studio.errors import NoRecipe

MAX_BYTES: Final = 256 * 1024


def read(content: bytes) -> dict[str, Any]:
    """The inputs of a song, sound and complete, as they are kept with one.

    :raises NoRecipe: it isn't such a file, or of something that can't be asked for by itself.
    :raises InvalidInput: it is one, with values that can't be used.
    """
    if len(content) > MAX_BYTES:
        raise NoRecipe(_("The file is larger than a recipe is."))
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise NoRecipe(_("The file is no JSON.")) from None
    recipe = document.get("recipe") if isinstance(document, dict) else None
    if not isinstance(recipe, dict):
        raise NoRecipe
    inputs = dict(recipe)
    endpoint = inputs.pop("endpoint", None)
    if endpoint != "text-to-music":
        raise NoRecipe(_("It is the recipe of something that was made from another track's sound."))
    sound: dict[str, Any] = generations.validated(endpoints.get(endpoint), inputs).model_dump(mode="json")
    return sound
