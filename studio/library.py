"""The library: a person's own tracks, how they are found again, and what is done with several at once."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypedDict
from uuid import UUID

from django.contrib.postgres.search import SearchQuery
from django.db import transaction
from django.db.models import F, Min, Q
from django.utils.translation import gettext as _

from ledger import months
from studio import listening, projects, queries, titles, tracks, trash
from studio.errors import InvalidInput, NotFound, Problem, TrackInTrash
from studio.models import Track, TrackQuerySet, User

PAGE: Final = 24
MAX_CHOSEN: Final = 100
MAX_WORDS: Final = 10
RATINGS: Final = range(1, 6)


# --- Finding ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filters:
    """What the library is narrowed down to. `month` is a name like 2026-11, `rating` the least."""

    q: str = ""
    favourite: bool = False
    keeper: bool = False
    tag: str = ""
    month: str = ""
    project: UUID | None = None
    rating: int = 0

    @property
    def any(self) -> bool:
        return self != Filters()


@dataclass(frozen=True, slots=True)
class LibraryPage:
    tracks: list[Track] = field(default_factory=list)
    next_cursor: str | None = None


def find(person: User, filters: Filters, cursor: str | None = None, limit: int = PAGE) -> LibraryPage:
    """A page of a person's own tracks, newest first, after the cursor; a bad cursor is the start.

    :raises InvalidMonth: the month is none.
    """
    rows = _narrowed(Track.objects.in_library().filter(person=person), filters)
    return page_of(rows, cursor, limit)


def page_of(rows: TrackQuerySet, cursor: str | None = None, limit: int = PAGE) -> LibraryPage:
    at, last_id = queries.read_cursor(cursor)
    if at is not None and last_id is not None:
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=last_id))
    found = list(rows.select_related("generation", "project").order_by("-created_at", "-pk")[: limit + 1])
    return LibraryPage(found[:limit], queries.cursor_after(found[limit - 1]) if len(found) > limit else None)


def _narrowed(rows: TrackQuerySet, filters: Filters) -> TrackQuerySet:
    if words := searched(filters.q):
        rows = rows.filter(found_by=SearchQuery(words, config="simple", search_type="raw"))
    if filters.favourite:
        rows = rows.filter(favourite=True)
    if filters.keeper:
        rows = rows.filter(generation__keeper=F("variation"))
    if filters.tag:
        rows = rows.filter(tags__contains=[filters.tag.strip().lower().replace("\0", "")])
    if filters.month:
        # None was made in a month to come, and the last of all has no next one to end at.
        month = min(months.parse_month(filters.month), months.resets_at(months.month_of()).date())
        rows = rows.filter(created_at__gte=months.start_of(month), created_at__lt=months.resets_at(month))
    if filters.project is not None:
        rows = rows.filter(project=filters.project)
    if filters.rating:
        rows = rows.filter(rating__gte=filters.rating)
    return rows


def searched(text: str) -> str:
    """All the words that were typed, each as the beginning of one, in the words of `to_tsquery`."""
    words = re.findall(r"[^\W_]+", text[:200])[:MAX_WORDS]
    return " & ".join(f"{word}:*" for word in words)


def begun_at(person: User) -> datetime | None:
    """When the oldest track was made: the months to choose from begin there."""
    oldest: datetime | None = Track.objects.filter(person=person).aggregate(at=Min("created_at"))["at"]
    return oldest


# --- One track -------------------------------------------------------------------------------------------------------


class Change(TypedDict, total=False):
    """What is left out stays as it is. No rating and no project are None."""

    title: str
    rating: int | None
    favourite: bool
    keeper: bool
    project: UUID | None


def change(*, person: User, track_id: UUID, wanted: Change) -> Track:
    """All of it or nothing.

    :raises NotFound: the track or the project is not there, or another person's.
    :raises TrackNotReady, TrackInTrash, TrackDeleted: as `tracks.own_kept`.
    :raises InvalidInput: the title or the rating is none.
    """
    if not wanted:
        return tracks.own(person, track_id)
    track = tracks.own_kept(person, track_id)
    fields = _columns(wanted)
    with transaction.atomic():
        if project_id := wanted.get("project"):
            projects.locked(person, project_id)
        if fields and not Track.objects.kept().filter(pk=track.pk, trashed_at=None).update(**fields):
            # Put there since we looked.
            raise TrackInTrash
        if "keeper" in wanted:
            listening.keep(person=person, track_id=track_id, kept=wanted["keeper"])
    return tracks.own(person, track_id)


def _columns(wanted: Change) -> dict[str, object]:
    columns: dict[str, object] = {}
    if "title" in wanted:
        columns["title"] = titles.checked(wanted["title"])
    if "rating" in wanted:
        columns["rating"] = _rating(wanted["rating"])
    if "favourite" in wanted:
        columns["favourite"] = wanted["favourite"]
    if "project" in wanted:
        columns["project"] = wanted["project"]
    return columns


def _rating(stars: int | None) -> int | None:
    if stars is not None and stars not in RATINGS:
        raise InvalidInput([Problem("invalid_rating", _("A rating is 1 to 5, or none."), "", "rating")])
    return stars


# --- Several at once -------------------------------------------------------------------------------------------------


def chosen(person: User, track_ids: Sequence[UUID]) -> list[Track]:
    """One's own tracks in the library, in the order of the ids.

    :raises InvalidInput: none, or more than a hundred. :raises NotFound: one is not there, or another person's.
    """
    ids = list(dict.fromkeys(track_ids))
    if not 1 <= len(ids) <= MAX_CHOSEN:
        message = _("Choose 1 to %d tracks at a time.") % MAX_CHOSEN
        raise InvalidInput([Problem("invalid_choice", message, "", "track")])
    rows = Track.objects.kept().filter(person=person, hidden=False, pk__in=ids).select_related("generation", "project")
    found = {track.pk: track for track in rows}
    if len(found) < len(ids):
        raise NotFound
    return [found[track_id] for track_id in ids]


def favourite(*, person: User, track_ids: Sequence[UUID], is_favourite: bool = True) -> list[Track]:
    """:raises InvalidInput, NotFound: as `chosen`; nothing was changed."""
    found = chosen(person, track_ids)
    Track.objects.filter(pk__in=_ids(found)).update(favourite=is_favourite)
    return chosen(person, track_ids)


def move(*, person: User, track_ids: Sequence[UUID], project_id: UUID | None) -> list[Track]:
    """Into one of one's own projects, or out of any.

    :raises InvalidInput, NotFound: as `chosen`, and for a project that is not one's own; nothing was changed.
    """
    found = chosen(person, track_ids)
    projects.put_in(person=person, track_ids=_ids(found), project_id=project_id)
    return chosen(person, track_ids)


def put_in_trash(*, person: User, track_ids: Sequence[UUID]) -> list[Track]:
    """:raises InvalidInput, NotFound: as `chosen`; nothing was changed."""
    return _each(person, track_ids, trash.put)


def put_back(*, person: User, track_ids: Sequence[UUID]) -> list[Track]:
    """:raises InvalidInput, NotFound: as `chosen`. :raises TrackDeleted: too late for one; nothing was changed."""
    return _each(person, track_ids, trash.put_back)


def _each(person: User, track_ids: Sequence[UUID], act: Callable[..., Track]) -> list[Track]:
    found = chosen(person, track_ids)
    with transaction.atomic():
        # In one order for all, so that two at once can't wait for each other.
        return [act(person=person, track_id=pk) for pk in sorted(_ids(found))]


def _ids(found: Iterable[Track]) -> list[UUID]:
    return [track.pk for track in found]
