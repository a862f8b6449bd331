"""The library and the projects over HTTP for programs: parse, one call into the domain, present."""

from typing import Annotated, Literal
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Query, Router
from ninja.responses import Status

from studio import library, projects, takeaway
from studio.api import person_of, sent
from studio.errors import TrackNotReady
from studio.library_schemas import (
    FiltersIn,
    LinkIn,
    LinkOut,
    MemberIn,
    MemberOut,
    ProjectIn,
    ProjectOut,
    ProjectsOut,
    TracksOut,
)
from studio.models import Project, User
from studio.schemas import ErrorOut, TrackOut

router = Router(tags=["library"])

Cursor = str | None
Limit = Annotated[int, Query(ge=1, le=100)]


@router.get("/tracks", response={200: TracksOut, 401: ErrorOut, 422: ErrorOut})
def list_tracks(
    request: HttpRequest, wanted: Query[FiltersIn], cursor: Cursor = None, limit: Limit = library.PAGE
) -> TracksOut:
    """One's own tracks outside the trash, newest first. `q` is looked for in titles, descriptions and tags."""
    page = library.find(person_of(request), wanted.filters(), cursor, limit)
    return TracksOut(items=[TrackOut.of(track) for track in page.tracks], next_cursor=page.next_cursor)


@router.get("/projects", response={200: ProjectsOut, 401: ErrorOut})
def list_projects(request: HttpRequest) -> ProjectsOut:
    """One's own, and those of others that one is a member of."""
    person = person_of(request)
    mine = [ProjectOut.of(project, person) for project in projects.of(person)]
    return ProjectsOut(items=mine + [ProjectOut.of(project, person) for project in projects.shared_with(person)])


@router.post("/projects", response={201: ProjectOut, 401: ErrorOut, 409: ErrorOut, 422: ErrorOut})
def create_project(request: HttpRequest, body: ProjectIn) -> Status[ProjectOut]:
    person = person_of(request)
    return Status(201, ProjectOut.of(projects.create(person, body.title), person))


@router.get("/projects/{project_id}", response={200: ProjectOut, 401: ErrorOut, 404: ErrorOut})
def read_project(request: HttpRequest, project_id: UUID) -> ProjectOut:
    person = person_of(request)
    return _whole(projects.visible(person, project_id), person)


@router.patch("/projects/{project_id}", response={200: ProjectOut, 401: ErrorOut, 404: ErrorOut, 422: ErrorOut})
def rename_project(request: HttpRequest, project_id: UUID, body: ProjectIn) -> ProjectOut:
    person = person_of(request)
    return _whole(projects.rename(person=person, project_id=project_id, title=body.title), person)


@router.delete("/projects/{project_id}", response={204: None, 401: ErrorOut, 404: ErrorOut})
def delete_project(request: HttpRequest, project_id: UUID) -> Status[None]:
    """The folder alone: its tracks stay in the library."""
    projects.delete(person=person_of(request), project_id=project_id)
    return Status(204, None)


@router.get("/projects/{project_id}/tracks", response={200: TracksOut, 401: ErrorOut, 404: ErrorOut})
def list_project_tracks(
    request: HttpRequest, project_id: UUID, cursor: Cursor = None, limit: Limit = library.PAGE
) -> TracksOut:
    person = person_of(request)
    project = projects.visible(person, project_id)
    page = library.page_of(projects.tracks_of(project), cursor, limit)
    is_own = project.person_id == person.pk
    return TracksOut(items=[TrackOut.of(track, is_own=is_own) for track in page.tracks], next_cursor=page.next_cursor)


@router.get("/projects/{project_id}/zip", response={200: None, 401: ErrorOut, 404: ErrorOut, 409: ErrorOut})
def read_project_zip(
    request: HttpRequest,
    project_id: UUID,
    part: Annotated[int, Query(ge=1, le=10_000)] = 1,
    format: Annotated[list[Literal["master", "flac", "mp3"]], Query(min_length=1, max_length=3)] = ["master", "mp3"],  # noqa: A002, B006
) -> HttpResponseBase:
    """A project as ZIPs of a hundred tracks each, the newest in part 1."""
    person = person_of(request)
    project = projects.visible(person, project_id)
    before = (part - 1) * takeaway.MAX_TRACKS
    rows = projects.tracks_of(project).order_by("-created_at", "-pk")
    ids = list(rows.values_list("pk", flat=True)[before : before + takeaway.MAX_TRACKS])
    if not ids:
        raise TrackNotReady
    return sent(request, takeaway.archive(person=person, track_ids=ids, wanted=format))


@router.post("/projects/{project_id}/members", response={201: MemberOut, 401: ErrorOut, 404: ErrorOut, 409: ErrorOut})
def add_member(request: HttpRequest, project_id: UUID, body: MemberIn) -> Status[MemberOut]:
    """Let somebody of the studio listen and download, by their email address."""
    member = projects.add_member(person=person_of(request), project_id=project_id, email=body.email)
    return Status(201, MemberOut.of(member))


@router.delete("/projects/{project_id}/members/{member_id}", response={204: None, 401: ErrorOut, 404: ErrorOut})
def remove_member(request: HttpRequest, project_id: UUID, member_id: UUID) -> Status[None]:
    projects.remove_member(person=person_of(request), project_id=project_id, member_id=member_id)
    return Status(204, None)


@router.post("/projects/{project_id}/links", response={201: LinkOut, 401: ErrorOut, 404: ErrorOut, 409: ErrorOut})
def add_link(request: HttpRequest, project_id: UUID, body: LinkIn) -> Status[LinkOut]:
    """A link by which anybody may listen to the previews, and to nothing else, for so many days."""
    link = projects.add_link(person=person_of(request), project_id=project_id, days=body.days)
    return Status(201, LinkOut.of(link))


@router.delete("/projects/{project_id}/links/{link_id}", response={204: None, 401: ErrorOut, 404: ErrorOut})
def revoke_link(request: HttpRequest, project_id: UUID, link_id: UUID) -> Status[None]:
    projects.revoke_link(person=person_of(request), project_id=project_id, link_id=link_id)
    return Status(204, None)


def _whole(project: Project, person: User) -> ProjectOut:
    """Whom it is open to is for its owner to know."""
    if project.person_id != person.pk:
        return ProjectOut.of(project, person)
    return ProjectOut.of(project, person, projects.members_of(project), projects.links_of(project))
