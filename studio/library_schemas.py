"""What goes in and out of the library's part of the API: tracks, projects, members and links."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final, Self, cast
from uuid import UUID

from django.urls import reverse
from ninja import Schema
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from ledger.months import MONTH_PATTERN
from studio import projects, titles
from studio.library import Change, Filters
from studio.models import Member, Project, ShareLink, User
from studio.schemas import TrackOut

# At least one character that is neither a gap nor a control character.
VISIBLE: Final = r"[^\s\x00-\x1f\x7f-\x9f]"
# To JSON 4.0 is the same whole number as 4.
WHOLE: Final = BeforeValidator(lambda given: int(given) if _is_whole_float(given) else given)
# What null takes away.
CLEARED: Final = ("rating", "project")


def _is_whole_float(given: object) -> bool:
    return isinstance(given, float) and given.is_integer()


class TrackIn(BaseModel):
    """What is left out stays as it is. A plain model: the other kind takes any object that lacks every field."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Annotated[str, Field(min_length=1, max_length=titles.MAX_CHARACTERS, pattern=VISIBLE)] | None = None
    # Null takes these two away; of the others it says nothing.
    rating: Annotated[int, Field(ge=1, le=5), WHOLE] | None = None
    project: Annotated[UUID, Field(strict=False)] | None = None
    favourite: bool | None = None
    keeper: bool | None = None

    def change(self) -> Change:
        """Only what was sent."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return cast("Change", {name: value for name, value in given.items() if value is not None or name in CLEARED})


class FiltersIn(Schema):
    """What the library is narrowed down to; `rating` is the least, `keeper` asks for picked variations alone."""

    q: Annotated[str, Field(max_length=200)] = ""
    favourite: bool = False
    keeper: bool = False
    tag: Annotated[str, Field(max_length=100)] = ""
    # Told to programs; the library itself judges it.
    month: Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^({MONTH_PATTERN})?$"})] = ""
    project: UUID | None = None
    rating: Annotated[int, Field(ge=0, le=5)] = 0

    def filters(self) -> Filters:
        return Filters(**self.model_dump())


class TracksOut(Schema):
    items: list[TrackOut]
    next_cursor: str | None


class ProjectIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: Annotated[str, Field(min_length=1, max_length=titles.MAX_CHARACTERS, pattern=VISIBLE)]


class MemberIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    email: Annotated[str, Field(max_length=254)] = ""


class LinkIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    days: Annotated[int, Field(ge=1, le=projects.MAX_DAYS), WHOLE] = projects.USUAL_DAYS


class MemberOut(Schema):
    id: UUID
    email: str
    added_at: datetime

    @classmethod
    def of(cls, member: Member) -> Self:
        return cls(id=member.pk, email=member.person.email, added_at=member.added_at)


class LinkOut(Schema):
    """`path` is where it leads, within the studio's own address."""

    id: UUID
    path: str
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, link: ShareLink) -> Self:
        path = reverse("shared", args=[projects.key_of(link)])
        return cls(id=link.pk, path=path, created_at=link.created_at, expires_at=link.expires_at)


class ProjectOut(Schema):
    """Members and links are told to its owner, where one project is asked for."""

    id: UUID
    title: str
    is_own: bool
    owner: str
    created_at: datetime
    members: list[MemberOut] | None = None
    links: list[LinkOut] | None = None

    @classmethod
    def of(
        cls,
        project: Project,
        person: User,
        members: Iterable[Member] | None = None,
        links: Iterable[ShareLink] | None = None,
    ) -> Self:
        return cls(
            id=project.pk,
            title=project.title,
            is_own=project.person_id == person.pk,
            owner=project.person.shown_name,
            created_at=project.created_at,
            members=None if members is None else [MemberOut.of(member) for member in members],
            links=None if links is None else [LinkOut.of(link) for link in links],
        )


class ProjectsOut(Schema):
    items: list[ProjectOut]
