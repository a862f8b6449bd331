"""What somebody is writing in the composer: one draft each, kept over reloads, devices and logins."""

from collections.abc import Mapping
from typing import Final

from django.db.models import Q
from django.db.models.functions import Now

from studio.models import Draft, User

# Lyrics and a description somewhat longer than what fal takes: it is kept before it is shortened.
MAX_CHARACTERS: Final = 60_000
# Further back than this it is not the order that is wrong but the clock.
OVERTAKES_MS: Final = 60_000


def save(person: User, fields: Mapping[str, str], *, writer: str = "", written_ms: int = 0) -> bool:
    """Keep the fields in place of those before; False, and nothing changed, where they are more than a draft holds.

    What the same browser wrote earlier and sent on a slower way changes nothing, either.
    """
    if size(fields) > MAX_CHARACTERS:
        return False
    values = {"fields": storable(fields), "writer": writer, "written_ms": written_ms, "saved_at": Now()}
    overtaken = Q(writer=writer, written_ms__gt=written_ms, written_ms__lte=written_ms + OVERTAKES_MS)
    theirs = Draft.objects.filter(person=person).exclude(overtaken)
    if not theirs.update(**values):
        Draft.objects.bulk_create([Draft(person=person, **values)], ignore_conflicts=True)
        # Where another request was first, the newer of the two stays.
        theirs.update(**values)
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
