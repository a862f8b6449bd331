"""Personal API tokens: shown once, kept as a hash."""

import hashlib
import secrets
from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from studio.errors import InvalidInput, NotFound, Problem
from studio.models import AccessToken, User

PREFIX = "nxa_"
# Last use is for a person to read; writing it at every call would make each read a write.
TOUCH_EVERY = timedelta(minutes=1)


def create(person: User, name: str) -> tuple[AccessToken, str]:
    """A new token and its text, which can't be had again. :raises InvalidInput: no name, or one over 80 characters."""
    name = name.strip()
    if not name or len(name) > 80 or "\0" in name:
        raise InvalidInput([Problem("invalid_name", "A token needs a name of 1 to 80 characters.", field="name")])
    raw = PREFIX + secrets.token_urlsafe(32)
    return AccessToken.objects.create(person=person, name=name, hint=raw[:8], digest=_digest(raw)), raw


def revoke(person: User, token_id: int) -> None:
    """:raises NotFound: not there, or another person's."""
    if not AccessToken.objects.filter(person=person, pk=token_id, revoked_at=None).update(revoked_at=Now()):
        raise NotFound


def person_of(raw: str) -> User | None:
    """Whose token this is; None for one that is unknown, revoked, or of a person who was deactivated."""
    if not raw.startswith(PREFIX) or len(raw) > 100:
        return None
    token = (
        AccessToken.objects.select_related("person")
        .filter(digest=_digest(raw), revoked_at=None, person__is_active=True)
        .first()
    )
    if token is None:
        return None
    if token.last_used_at is None or token.last_used_at < timezone.now() - TOUCH_EVERY:
        AccessToken.objects.filter(pk=token.pk).update(last_used_at=Now())
    return token.person


def _digest(raw: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(raw.encode("utf-8", "replace")).hexdigest()
