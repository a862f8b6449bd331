"""What somebody is writing in the composer: one draft each, kept over reloads, devices and logins."""

from collections.abc import Mapping
from typing import Final

from django.db.models.functions import Now

from studio.models import Draft, User

# Lyrics and a description somewhat longer than what fal takes: it is kept before it is shortened.
MAX_CHARACTERS: Final = 60_000


def save(person: User, fields: Mapping[str, str]) -> bool:
    """Keep the fields in place of those before; False, and nothing changed, where they are more than a draft holds."""
    if size(fields) > MAX_CHARACTERS:
        return False
    draft = Draft(person=person, fields=storable(fields), saved_at=Now())
    Draft.objects.bulk_create(
        [draft], update_conflicts=True, unique_fields=["person"], update_fields=["fields", "saved_at"]
    )
    return True


def read(person: User) -> dict[str, str]:
    """Empty where there is none."""
    fields: dict[str, str] | None = Draft.objects.filter(person=person).values_list("fields", flat=True).first()
    return fields or {}


def clear(person: User) -> None:
    Draft.objects.filter(person=person).delete()


def size(fields: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in fields.items())


def storable(fields: Mapping[str, str]) -> dict[str, str]:
    """Without the one character that the database can't keep, which nobody types."""
    return {name: value.replace("\0", "") for name, value in fields.items()}
