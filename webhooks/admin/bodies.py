"""A delivery's body for an admin's eyes: readable, bounded, without a person's words and without secrets."""

import json
import re
from typing import Any

from django.utils.translation import gettext as _

# What a person wrote is theirs, and fal's errors repeat it.
WORDS = {"prompt", "lyrics", "lyrics_prompt", "tags", "input", "ctx"}
# A signed address opens what it points to for whoever has it.
QUERY = re.compile(r"\?[^\s\"']+")
MAX_DEPTH = 8
MAX_ENTRIES = 50
TEXT_CHARACTERS = 300
SHOWN_CHARACTERS = 10_000
RAW_BYTES = 200


def readable(body: bytes) -> str:
    """The body as indented JSON, or how it begins where it is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return _("Not JSON. It begins with: %s") % ascii(body[:RAW_BYTES])
    shown = json.dumps(_without_words(document, MAX_DEPTH), indent=2, ensure_ascii=False)
    shown = shown.encode("utf-8", "replace").decode()
    return shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + "\n…"


def _without_words(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _shortened(QUERY.sub("?…", value))
    if isinstance(value, (dict, list)) and depth == 0:
        return "…"
    if isinstance(value, dict):
        entries = list(value.items())[:MAX_ENTRIES]
        return {
            _shortened(name): _size(inner) if name in WORDS else _without_words(inner, depth - 1)
            for name, inner in entries
        } | ({"…": len(value) - MAX_ENTRIES} if len(value) > MAX_ENTRIES else {})
    if isinstance(value, list):
        more = [f"… {len(value) - MAX_ENTRIES}"] if len(value) > MAX_ENTRIES else []
        return [_without_words(inner, depth - 1) for inner in value[:MAX_ENTRIES]] + more
    return value


def _size(value: Any) -> Any:
    """How much there is of what isn't shown."""
    if isinstance(value, str):
        return _("(%d characters)") % len(value)
    return _("(%d entries)") % len(value) if isinstance(value, (list, dict)) else value


def _shortened(text: str) -> str:
    return text if len(text) <= TEXT_CHARACTERS else text[:TEXT_CHARACTERS] + "…"
