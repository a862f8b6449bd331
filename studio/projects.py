"""Projects: folders of tracks. Private, open to members of the studio, or to whoever has a link, for a while."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from studio import titles
from studio.errors import InvalidInput, NotFound, Problem, TooManyLinks, TooManyMembers, TooManyProjects
from studio.models import Member, Project, ProjectQuerySet, ShareLink, Track, TrackQuerySet, User

MAX_PROJECTS: Final = 200
MAX_MEMBERS: Final = 50
MAX_LINKS: Final = 20
USUAL_DAYS: Final = 30
MAX_DAYS: Final = 365

# --- Folders ---------------------------------------------------------------------------------------------------------


def of(person: User) -> ProjectQuerySet:
    """One's own, the newest first."""
    return Project.objects.of(person).order_by("-created_at", "pk")


def shared_with(person: User) -> ProjectQuerySet:
    """Those of others that one is a member of."""
    return Project.objects.shared_with(person).select_related("person").order_by("-created_at", "pk")


def counted(projects: ProjectQuerySet) -> ProjectQuerySet:
    """Each with `songs`, the number of its tracks that are in sight."""
    in_sight = Q(tracks__state="READY", tracks__trashed_at=None, tracks__purged_at=None, tracks__hidden=False)
    return projects.annotate(songs=Count("tracks", filter=in_sight))


def own(person: User, project_id: UUID) -> Project:
    """:raises NotFound: not there, or another person's."""
    project = Project.objects.of(person).filter(pk=project_id).first()
    if project is None:
        raise NotFound
    return project


def visible(person: User, project_id: UUID) -> Project:
    """One's own or one that one is a member of. :raises NotFound: neither."""
    mine = Project.objects.of(person).filter(pk=project_id)
    project = mine.first() or shared_with(person).filter(pk=project_id).first()
    if project is None:
        raise NotFound
    return project


def tracks_of(project: Project) -> TrackQuerySet:
    """What is heard of it: whatever was put in the trash or is hidden is not, until it is back."""
    return Track.objects.in_library().filter(project=project)


def create(person: User, title: str) -> Project:
    """:raises InvalidInput: the title is none. :raises TooManyProjects: they have as many as one may."""
    title = titles.checked(title)
    with transaction.atomic():
        # One at a time for each person, so that the count holds.
        User.objects.select_for_update(no_key=True).only("pk").get(pk=person.pk)
        if of(person).count() >= MAX_PROJECTS:
            raise TooManyProjects
        return Project.objects.create(person=person, title=title)


def rename(*, person: User, project_id: UUID, title: str) -> Project:
    """:raises NotFound: as `own`. :raises InvalidInput: the title is none."""
    project = own(person, project_id)
    project.title = titles.checked(title)
    Project.objects.filter(pk=project.pk).update(title=project.title)
    return project


def delete(*, person: User, project_id: UUID) -> None:
    """The folder alone, with its members and links: what lay in it stays. :raises NotFound: as `own`."""
    with transaction.atomic():
        locked(person, project_id).delete()


def put_in(*, person: User, track_ids: Iterable[UUID], project_id: UUID | None) -> None:
    """One's own tracks into one's own project, out of the one before; None takes them out of theirs.

    :raises NotFound: the project is not there, or another person's. Other people's tracks stay where they are.
    """
    with transaction.atomic():
        project = None if project_id is None else locked(person, project_id)
        Track.objects.filter(person=person, pk__in=list(track_ids)).update(project=project)


def locked(person: User, project_id: UUID) -> Project:
    """As `own`, and it is not deleted meanwhile."""
    project = Project.objects.of(person).select_for_update().filter(pk=project_id).first()
    if project is None:
        raise NotFound
    return project


# --- Members ---------------------------------------------------------------------------------------------------------


def members_of(project: Project) -> QuerySet[Member]:
    return project.members.select_related("person").order_by("added_at", "pk")


def add_member(*, person: User, project_id: UUID, email: str) -> Member:
    """Let somebody of the studio listen and download. The same again changes nothing.

    :raises NotFound: as `own`. :raises InvalidInput: nobody has that address, or it is one's own.
    :raises TooManyMembers: no room.
    """
    with transaction.atomic():
        project = locked(person, project_id)
        member = User.objects.filter(email=email.strip().lower().replace("\0", ""), is_active=True).first()
        if member is None:
            hint = _("They need an account here first; check the address.")
            raise InvalidInput([Problem("no_such_person", _("Nobody here has that address."), hint, "email")])
        if member == person:
            raise InvalidInput([Problem("own_project", _("The project is yours already."), "", "email")])
        found = project.members.filter(person=member).first()
        if found is None and project.members.count() >= MAX_MEMBERS:
            raise TooManyMembers
        return found or Member.objects.create(project=project, person=member)


def remove_member(*, person: User, project_id: UUID, member_id: UUID) -> None:
    """From now on they see nothing of it. :raises NotFound: no such member of a project of one's own."""
    if not own(person, project_id).members.filter(pk=member_id).delete()[0]:
        raise NotFound


def leave(*, person: User, project_id: UUID) -> None:
    """:raises NotFound: one isn't a member."""
    if not Member.objects.filter(person=person, project=project_id).delete()[0]:
        raise NotFound


# --- Links -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shared:
    """What a link shows to whoever comes by it."""

    link: ShareLink
    project: Project

    @property
    def by(self) -> str:
        return self.project.person.shown_name


def links_of(project: Project) -> QuerySet[ShareLink]:
    """Those that still open something, the newest first."""
    return project.links.filter(revoked_at=None, expires_at__gt=Now()).order_by("-created_at", "pk")


def add_link(*, person: User, project_id: UUID, days: int = USUAL_DAYS) -> ShareLink:
    """:raises NotFound: as `own`. :raises InvalidInput: not so many days. :raises TooManyLinks: enough are open."""
    with transaction.atomic():
        project = locked(person, project_id)
        if not 1 <= days <= MAX_DAYS:
            message = _("A link lasts 1 to %d days.") % MAX_DAYS
            raise InvalidInput([Problem("invalid_days", message, "", "days")])
        if links_of(project).count() >= MAX_LINKS:
            raise TooManyLinks
        expires_at = timezone.now() + timedelta(days=days)
        return ShareLink.objects.create(project=project, token=secrets.token_urlsafe(32), expires_at=expires_at)


def revoke_link(*, person: User, project_id: UUID, link_id: UUID) -> None:
    """Harmless to repeat. :raises NotFound: no such link to a project of one's own."""
    mine = own(person, project_id).links.filter(pk=link_id)
    if not mine.filter(revoked_at=None).update(revoked_at=Now()) and not mine.exists():
        raise NotFound


def key_of(link: ShareLink) -> str:
    """What stands in the address. It is signed, so that neither the table nor a guess alone opens anything."""
    return _signer().sign(link.token)


def opened(key: str) -> Shared:
    """:raises NotFound: forged, expired, revoked, or of somebody who is no longer here: all look the same."""
    try:
        token = _signer().unsign(key)
    except BadSignature:
        raise NotFound from None
    found = ShareLink.objects.filter(
        token=token, revoked_at=None, expires_at__gt=Now(), project__person__is_active=True
    )
    link = found.select_related("project__person").first()
    if link is None:
        raise NotFound
    return Shared(link, link.project)


def shared_track(key: str, track_id: UUID) -> Track:
    """:raises NotFound: as `opened`, and for what does not lie in the project in sight."""
    track = tracks_of(opened(key).project).filter(pk=track_id).select_related("generation").first()
    if track is None:
        raise NotFound
    return track


def _signer() -> Signer:
    return Signer(sep=".", salt="studio.share-link")
