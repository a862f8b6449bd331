"""What a track or a project may be called."""

import unicodedata
from typing import Final

from django.utils.translation import gettext as _

from studio.errors import InvalidInput, Problem

MAX_CHARACTERS: Final = 120
# Control characters, and halves of surrogate pairs.
_DROPPED: Final = ("Cc", "Cs")


def checked(text: str) -> str:
    """The title on one line. :raises InvalidInput: nothing is left of it, or more than a title holds."""
    spaced = "".join(" " if c.isspace() else c for c in text)
    title = " ".join("".join(c for c in spaced if unicodedata.category(c) not in _DROPPED).split())
    if not 1 <= len(title) <= MAX_CHARACTERS:
        hint = _("Use 1 to %d characters.") % MAX_CHARACTERS
        raise InvalidInput([Problem("invalid_title", _("This can't be a title."), hint, "title")])
    return title
