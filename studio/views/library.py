"""The library: one's own tracks, found again by words and filters, and what is done with one or several of them."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from ledger import months
from ledger.errors import InvalidMonth
from studio import library, projects
from studio.errors import InvalidInput, NotFound, Problem, StudioError
from studio.http_statuses import status_of
from studio.library import Change, Filters, LibraryPage
from studio.models import Track, User
from studio.views.people import PersonRequest, for_people

VIEWS: Final = ("list", "grid")
# No select is longer than this: further back, the address is typed.
MONTHS_SHOWN: Final = 120


@require_safe
@for_people
def show(request: PersonRequest) -> HttpResponse:
    """Everything is in the address, so that a reload, a bookmark and the way back find the same."""
    filters = filters_of(request.GET)
    try:
        page = library.find(request.user, filters, request.GET.get("cursor"))
    except InvalidMonth as error:
        raise Http404(str(error.message)) from None
    shown = {**found(request, page), "filters": filters, "is_editable": True}
    if request.htmx.target == "found-more":
        return render(request, "studio/items.html", shown)
    if request.htmx.target == "found":
        return render(request, "studio/found.html", shown)
    return render(request, "studio/library.html", {**shown, **_choices(request.user)})


def filters_of(asked: Mapping[str, str]) -> Filters:
    """As far as they make sense: a filter that is none is left out."""
    rating = asked.get("rating", "")
    return Filters(
        q=asked.get("q", "").strip()[:200],
        favourite="favourite" in asked,
        keeper="keeper" in asked,
        tag=asked.get("tag", "").strip()[:100],
        month=asked.get("month", ""),
        project=_uuid(asked.get("project", "")),
        rating=int(rating) if rating in {"1", "2", "3", "4", "5"} else 0,
    )


def found(request: PersonRequest, page: LibraryPage) -> dict[str, object]:
    """What `studio/found.html` shows: a page of tracks, and the addresses of this one and the next."""
    asked = {name: value for name, value in request.GET.items() if value and name != "cursor"}
    view = asked.get("view", "")
    return {
        "page": page,
        "view": view if view in VIEWS else VIEWS[0],
        "address": f"{request.path}?{urlencode(asked)}",
        "more": f"{request.path}?{urlencode({**asked, 'cursor': page.next_cursor})}" if page.next_cursor else "",
        "is_narrowed": bool(asked.keys() - {"view"}),
        "is_first": "cursor" not in request.GET,
    }


def _choices(person: User) -> dict[str, object]:
    begun = library.begun_at(person)
    return {
        "projects": projects.of(person),
        "months": [] if begun is None else _months_since(months.month_of(begun)),
        "ratings": library.RATINGS,
    }


def _months_since(first: date) -> list[str]:
    """By name, the latest first."""
    names: list[str] = []
    month = months.month_of()
    while month >= first and len(names) < MONTHS_SHOWN:
        names.append(months.month_name(month))
        before = month.year * 12 + month.month - 2
        month = date(before // 12, before % 12 + 1, 1)
    return names


# --- One track -------------------------------------------------------------------------------------------------------


@require_POST
@for_people
def change(request: PersonRequest, track_id: UUID) -> HttpResponse:
    """Title, rating, favourite. What comes back is the part of the page that shows it."""
    try:
        track = library.change(person=request.user, track_id=track_id, wanted=_wanted(request.POST))
    except NotFound as error:
        raise Http404(str(error.message)) from None
    except StudioError as error:
        return _refused(request, track_id, error)
    if not request.htmx:
        return redirect(_next(request, reverse("song", args=[track.generation_id])))
    return render(request, _part(request), {"track": track})


def _wanted(sent: Mapping[str, str]) -> Change:
    wanted: Change = {}
    if "title" in sent:
        wanted["title"] = sent["title"]
    if "rating" in sent:
        # What is no number is no rating, either; the domain says so.
        wanted["rating"] = (int(sent["rating"]) if sent["rating"].isdecimal() else 0) if sent["rating"] else None
    if "favourite" in sent:
        wanted["favourite"] = sent["favourite"] == "1"
    return wanted


def _part(request: PersonRequest) -> str:
    if "title" in request.POST:
        return "studio/name.html"
    return "studio/heart.html" if request.POST.get("part") == "heart" else "studio/marks.html"


def _refused(request: PersonRequest, track_id: UUID, error: StudioError) -> HttpResponse:
    words = f"{error.message} {error.hint}".strip()
    if not request.htmx or "title" not in request.POST or not isinstance(error, InvalidInput):
        messages.error(request, words)
        back = _next(request, reverse("library"))
        return HttpResponseClientRedirect(back) if request.htmx else redirect(back)
    track = library.change(person=request.user, track_id=track_id, wanted={})
    shown = {"track": track, "refusal": words, "typed": request.POST["title"]}
    return render(request, "studio/name.html", shown, status=status_of(error))


# --- Several at once -------------------------------------------------------------------------------------------------


@require_POST
@for_people
def act(request: PersonRequest) -> HttpResponse:
    """What the buttons under the list do with everything that is ticked."""
    ids = [found for found in map(_uuid, request.POST.getlist("track")) if found]
    try:
        return _ACTS.get(request.POST.get("act", ""), _nothing)(request, ids)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    except StudioError as error:
        return _said(request, [], f"{error.message} {error.hint}".strip(), status=status_of(error), is_bad=True)


def _favourite(request: PersonRequest, ids: list[UUID]) -> HttpResponse:
    tracks = library.favourite(person=request.user, track_ids=ids)
    number = len(tracks)
    return _said(request, tracks, ngettext("%d is a favourite.", "%d are favourites.", number) % number, shows="marks")


def _move(request: PersonRequest, ids: list[UUID]) -> HttpResponse:
    project_id = _uuid(request.POST.get("to", ""))
    tracks = library.move(person=request.user, track_ids=ids, project_id=project_id)
    number = len(tracks)
    if project_id is None:
        words = ngettext("%d is in no project now.", "%d are in no project now.", number) % number
    else:
        title = projects.own(request.user, project_id).title
        words = ngettext("%(n)d is in “%(title)s”.", "%(n)d are in “%(title)s”.", number) % {
            "n": number,
            "title": title,
        }
    response = _said(request, tracks, words, shows="project")
    # On the page of a project it may be another list now.
    return trigger_client_event(response, "library") if request.htmx and "in" in request.POST else response


def _trash(request: PersonRequest, ids: list[UUID]) -> HttpResponse:
    tracks = library.put_in_trash(person=request.user, track_ids=ids)
    number = len(tracks)
    words = ngettext("%d is in the trash.", "%d are in the trash.", number) % number
    return _said(request, tracks, words, shows="gone", undo=tracks)


def _put_back(request: PersonRequest, ids: list[UUID]) -> HttpResponse:
    number = len(library.put_back(person=request.user, track_ids=ids))
    response = _said(request, [], ngettext("%d is back.", "%d are back.", number) % number)
    return trigger_client_event(response, "library") if request.htmx else response


def _zip(request: PersonRequest, ids: list[UUID]) -> HttpResponse:
    """Sent to the address of the ZIP, which is a download, so the page stays."""
    tracks = library.chosen(request.user, ids)
    query = [*(("track", track.pk) for track in tracks), ("format", "master"), ("format", "mp3")]
    address = f"{reverse('api:read_zip')}?{urlencode(query)}"
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _compare(request: PersonRequest, ids: list[UUID]) -> HttpResponse:
    tracks = library.chosen(request.user, ids)
    if len(tracks) != 2:
        raise InvalidInput([Problem("invalid_choice", _("Choose two tracks to compare their recipes."), "", "track")])
    address = reverse("diff", args=[track.pk for track in tracks])
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _nothing(_request: PersonRequest, _ids: list[UUID]) -> HttpResponse:
    raise InvalidInput([Problem("invalid_act", _("Say what is to be done."), "", "act")])


_ACTS: Final[Mapping[str, Callable[[PersonRequest, list[UUID]], HttpResponse]]] = {
    "favourite": _favourite,
    "move": _move,
    "trash": _trash,
    "put_back": _put_back,
    "zip": _zip,
    "compare": _compare,
}


def _said(
    request: PersonRequest, tracks: list[Track], words: str, *, status: int = 200, is_bad: bool = False, **more: Any
) -> HttpResponse:
    """In words, with the parts of the page that are others now; without a script by the page as it is now."""
    if request.htmx:
        shown = {"tracks": tracks, "words": words, "is_bad": is_bad, **more}
        return render(request, "studio/acted.html", shown, status=status)
    (messages.error if is_bad else messages.success)(request, words)
    return redirect(_next(request, reverse("library")))


def _next(request: PersonRequest, otherwise: str) -> str:
    """Where the form stood, if it was a page of ours."""
    sent = request.POST.get("next", "")
    return sent if url_has_allowed_host_and_scheme(sent, {request.get_host()}, request.is_secure()) else otherwise


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
