"""What is kept of one person: all of it to take along, or all of it but the books to be forgotten."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from django.apps import apps
from django.db import models, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ledger.models import Entry
from studio import admin_log, people, trash
from studio.errors import SongsUnderWay
from studio.models import Event, Generation, Track, User
from studio.states import GenerationState as State

# What opens something, or is a key to what does: of no use to its person and of much to whoever finds the file.
SECRETS: Final = frozenset({"password", "digest", "body_digest"})
# What a second factor is made of.
SECRET_MODELS: Final = frozenset({"mfa.authenticator"})
WORDS: Final = ("prompt", "tags", "lyrics")
UNDER_WAY: Final = (State.SUBMITTED, State.RUNNING, State.LOST, State.INGESTING)
AT_ONCE: Final = 500


def export(person: User) -> dict[str, Any]:
    """Everything that hangs on the person, table by table; a table that is added hangs on by itself."""
    found: dict[str, Any] = {"studio.user": _rows(User, {"pk": person.pk})}
    for model, column in _hanging_on():
        if model._meta.label_lower not in SECRET_MODELS:  # noqa: SLF001
            found[f"{model._meta.label_lower}.{column}"] = _rows(model, {column: person.pk})  # noqa: SLF001
    found["ledger.entry.budget"] = _rows(Entry, {"budget__person": person.pk})
    return {table: rows for table, rows in sorted(found.items()) if rows}


def _hanging_on() -> Iterator[tuple[type[models.Model], str]]:
    for model in apps.get_models():
        for column in model._meta.concrete_fields:  # noqa: SLF001
            if column.is_relation and column.related_model is User:
                yield model, column.name


def _rows(model: type[models.Model], about: Mapping[str, object]) -> list[dict[str, Any]]:
    shown = [column.attname for column in model._meta.concrete_fields if column.name not in SECRETS]  # noqa: SLF001
    return list(model._default_manager.filter(**about).order_by("pk").values(*shown).iterator())  # noqa: SLF001


def erase(person: User, *, author: User, reason: str) -> User:
    """Anonymise, and forget the songs as well: their words at once, their files in the coming night.

    That there was a song, when, and what it cost stays: the books are the organisation's, and add up.

    :raises SongsUnderWay: fal has some, or they are being saved; nothing was changed.
    :raises StudioError: as `people.anonymise`.
    """
    with transaction.atomic():
        if Generation.objects.of(person).filter(state__in=UNDER_WAY).exists():
            raise SongsUnderWay
        gone = people.anonymise(person, author=author, reason=reason)
        _forget_words(gone)
        _forget_files(gone)
        admin_log.record(author, gone, _("Erased. Reason: %(why)s") % {"why": reason.strip()})
    return gone


def _forget_words(person: User) -> None:
    rows = Generation.objects.of(person).only("recipe").order_by("pk").iterator(chunk_size=AT_ONCE)
    for generation in rows:
        recipe = generation.recipe | dict.fromkeys(WORDS)
        Generation.objects.filter(pk=generation.pk).update(
            recipe=recipe, recipe_digest="", written_tags=None, written_lyrics=None, raw_error=""
        )
    # fal's logs, which may quote the words, are among what happened.
    Event.objects.filter(person=person).delete()


def _forget_files(person: User) -> None:
    mine = Track.objects.filter(person=person)
    mine.update(title=_("Erased"))
    # As if it had lain in the trash for its time: the next look empties it.
    mine.kept().update(trashed_at=Now() - trash.kept_for() - timedelta(seconds=1))
