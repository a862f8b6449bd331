"""Recipes that a person saves under a name, to begin with them again."""

from collections.abc import Mapping
from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from studio import drafts
from studio.errors import InvalidInput, NotFound, PresetNameTaken, Problem, TooManyPresets
from studio.models import Preset, User

MAX_PRESETS: Final = 50
NAME_MAX_CHARACTERS: Final = 60


def of(person: User) -> QuerySet[Preset]:
    """By name, as they are listed."""
    return Preset.objects.filter(person=person).order_by("name")


def save(person: User, name: str, fields: Mapping[str, str]) -> Preset:
    """Keep what the composer holds.

    :raises InvalidInput: no name, one that is too long, or more fields than a preset holds.
    :raises TooManyPresets: the person has as many as one may.
    :raises PresetNameTaken: nothing is written over. In every case nothing changed.
    """
    name = " ".join(drafts.storable({"name": name})["name"].split())
    if not 1 <= len(name) <= NAME_MAX_CHARACTERS:
        hint = _("Use 1 to %d characters.") % NAME_MAX_CHARACTERS
        raise InvalidInput([Problem("invalid_name", _("A saved recipe needs a name."), hint, "preset_name")])
    if drafts.size(fields) > drafts.MAX_CHARACTERS:
        raise InvalidInput([Problem("too_long", _("This is more than can be saved."), _("Shorten the lyrics."))])
    with transaction.atomic():
        # One at a time for each person, so that counting and naming can't race.
        User.objects.select_for_update(no_key=True).only("pk").get(pk=person.pk)
        mine = of(person)
        if mine.filter(name__iexact=name).exists():
            raise PresetNameTaken
        if mine.count() >= MAX_PRESETS:
            raise TooManyPresets
        return Preset.objects.create(person=person, name=name, fields=drafts.storable(fields))


def own(person: User, preset_id: int) -> Preset:
    """:raises NotFound: not there, or another person's."""
    preset = of(person).filter(pk=preset_id).first()
    if preset is None:
        raise NotFound
    return preset


def delete(person: User, preset_id: int) -> None:
    """:raises NotFound: as `own`."""
    own(person, preset_id).delete()
