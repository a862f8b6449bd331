"""Projects: a person's folders of tracks, and who may see them. No rules but constraints."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from studio.models.people import User


class ProjectQuerySet(models.QuerySet["Project"]):
    def of(self, person: User) -> "ProjectQuerySet":
        return self.filter(person=person)

    def shared_with(self, person: User) -> "ProjectQuerySet":
        """Other people's that this person is a member of."""
        return self.filter(Exists(Member.objects.filter(project=OuterRef("pk"), person=person)))


class Project(models.Model):
    """A person's folder of tracks. A track lies in one at most, and only in one of its own person's."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="projects")
    title = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[ProjectQuerySet] = ProjectQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [models.Index(fields=["person", "-created_at"], name="project_of_person")]
        constraints = [
            models.CheckConstraint(condition=~Q(title=""), name="project_has_title"),
            # What the tracks' own foreign key refers to: both columns, so that a project holds nobody else's track.
            models.UniqueConstraint(fields=["id", "person"], name="project_and_person"),
        ]

    def __str__(self) -> str:
        return self.title


class Member(models.Model):
    """Somebody else of the studio who may listen to a project and download from it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="members")
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    added_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "person"], name="member_once")]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.project_id}"


class ShareLink(models.Model):
    """A link by which anybody may listen to a project for a while. The token alone is no key: it is signed, too."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="links")
    token = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="share_link_expires_later"),
        ]

    def __str__(self) -> str:
        return f"link to {self.project_id}"
