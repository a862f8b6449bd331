"""Personal API tokens: shown once, kept as a hash."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from studio.errors import InvalidInput, NotFound, Problem, ScopeMissing
from studio.models import AccessToken, User
from studio.states import Scope

PREFIX = "nxa_"
# Last use is for a person to read; writing it at every call would make each read a write.
TOUCH_EVERY = timedelta(minutes=1)


def create(person: User, name: str, scopes: Collection[str] = tuple(Scope)) -> tuple[AccessToken, str]:
    """A new token and its text, which can't be had again.

    :raises InvalidInput: no name, one over 80 characters, or nothing that it may be used for.
    """
    name = name.strip()
    if not name or len(name) > 80 or "\0" in name:
        raise InvalidInput([Problem("invalid_name", "A token needs a name of 1 to 80 characters.", field="name")])
    if not scopes or not set(scopes) <= set(Scope.values):
        known = ", ".join(Scope.values)
        raise InvalidInput([Problem("invalid_scope", f"Choose at least one of {known}.", field="scopes")])
    raw = PREFIX + secrets.token_urlsafe(32)
    granted = [scope for scope in Scope.values if scope in scopes]
    return AccessToken.objects.create(person=person, name=name, hint=raw[:8], digest=_digest(raw), scopes=granted), raw


def revoke(person: User, token_id: int) -> None:
    """:raises NotFound: not there, or another person's."""
    if not AccessToken.objects.filter(person=person, pk=token_id, revoked_at=None).update(revoked_at=Now()):
        raise NotFound


def person_of(raw: str, needed: Collection[Scope] = ()) -> User | None:
    """Whose token this is; None for one that is unknown, revoked, or of a person who was deactivated.

    :raises ScopeMissing: it is good, but not for all that is `needed`.
    """
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
    if missing := [scope for scope in needed if scope not in token.scopes]:
        raise ScopeMissing(missing)
    return token.person


def _digest(raw: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(raw.encode("utf-8", "replace")).hexdigest()
