"""Projects: the list, a project with its tracks, and who else may listen to it."""

from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from studio import library, projects, takeaway
from studio.errors import NotFound, StudioError
from studio.http_statuses import status_of
from studio.models import Project, ShareLink
from studio.views.library import found
from studio.views.people import PersonRequest, for_people

# How many days a link may last, to choose from.
LASTING: Final = (1, 7, 30, 90, 365)


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def all_of_them(request: PersonRequest) -> HttpResponse:
    """The list, and on POST a new project."""
    if request.method != "POST":
        return _list(request)
    try:
        project = projects.create(request.user, request.POST.get("title", ""))
    except StudioError as error:
        words = f"{error.message} {error.hint}".strip()
        return _list(request, status_of(error), typed=request.POST.get("title", ""), refusal=words)
    return redirect("project", project.pk)


def _list(request: PersonRequest, status: int = 200, **shown: str) -> HttpResponse:
    mine = projects.counted(projects.of(request.user))
    theirs = projects.counted(projects.shared_with(request.user))
    return render(request, "studio/projects.html", {"mine": mine, "theirs": theirs, **shown}, status=status)


@require_safe
@for_people
def one(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """Its owner sees who else may listen; a member listens and downloads."""
    try:
        project = projects.visible(request.user, project_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    return _page(request, project)


def _page(request: PersonRequest, project: Project, status: int = 200, **refused: str) -> HttpResponse:
    rows = projects.tracks_of(project)
    is_own = project.person_id == request.user.pk
    page = library.page_of(rows, request.GET.get("cursor"))
    shown = {**found(request, page), "project": project, "is_own": is_own, "is_editable": is_own, **refused}
    if request.htmx.target == "found-more":
        return render(request, "studio/items.html", shown)
    parts = range(1, -(-rows.count() // takeaway.MAX_TRACKS) + 1)
    if is_own:
        links = [(link, request.build_absolute_uri(_path(link))) for link in projects.links_of(project)]
        shown |= {
            "members": projects.members_of(project),
            "links": links,
            "projects": projects.of(request.user),
            "lasting": LASTING,
        }
    return render(request, "studio/project.html", {**shown, "parts": parts}, status=status)


def _path(link: ShareLink) -> str:
    return reverse("shared", args=[projects.key_of(link)])


@require_POST
@for_people
def rename(request: PersonRequest, project_id: UUID) -> HttpResponse:
    title = request.POST.get("title", "")
    rename = partial(projects.rename, person=request.user, project_id=project_id, title=title)
    return _changed(request, project_id, rename)


@require_POST
@for_people
def delete(request: PersonRequest, project_id: UUID) -> HttpResponse:
    project = _own(request, project_id)
    projects.delete(person=request.user, project_id=project_id)
    messages.success(request, _("“%s” is deleted. Its tracks are in your library.") % project.title)
    return redirect("projects")


@require_POST
@for_people
def leave(request: PersonRequest, project_id: UUID) -> HttpResponse:
    try:
        projects.leave(person=request.user, project_id=project_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    return redirect("projects")


@require_POST
@for_people
def add_member(request: PersonRequest, project_id: UUID) -> HttpResponse:
    email = request.POST.get("email", "")[:254]
    add = partial(projects.add_member, person=request.user, project_id=project_id, email=email)
    return _changed(request, project_id, add, part="members", typed=email)


@require_POST
@for_people
def remove_member(request: PersonRequest, project_id: UUID, member_id: UUID) -> HttpResponse:
    remove = partial(projects.remove_member, person=request.user, project_id=project_id, member_id=member_id)
    return _changed(request, project_id, remove)


@require_POST
@for_people
def add_link(request: PersonRequest, project_id: UUID) -> HttpResponse:
    days = request.POST.get("days", "")
    number = int(days) if days.isdecimal() and len(days) < 6 else 0
    add = partial(projects.add_link, person=request.user, project_id=project_id, days=number)
    return _changed(request, project_id, add, part="links")


@require_POST
@for_people
def revoke_link(request: PersonRequest, project_id: UUID, link_id: UUID) -> HttpResponse:
    revoke = partial(projects.revoke_link, person=request.user, project_id=project_id, link_id=link_id)
    return _changed(request, project_id, revoke)


def _changed(
    request: PersonRequest, project_id: UUID, act: Callable[[], object], *, part: str = "title", typed: str = ""
) -> HttpResponse:
    """The project as it is now, or with what stood in the way beside the field of `part`."""
    try:
        act()
    except NotFound as error:
        raise Http404(str(error.message)) from None
    except StudioError as error:
        words = f"{error.message} {error.hint}".strip()
        refused = {f"refused_{part}": words, "typed": typed}
        return _page(request, _own(request, project_id), status_of(error), **refused)
    return redirect("project", project_id)


def _own(request: PersonRequest, project_id: UUID) -> Project:
    try:
        return projects.own(request.user, project_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
