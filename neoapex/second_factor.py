"""Who may see the admin: whoever has shown a second factor in this very session."""

from allauth.account.authentication import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from studio.models import User


def way_to(request: HttpRequest) -> str | None:
    """Where an admin sets one up, or shows the one that they have; None where nothing is missing."""
    person = request.user
    if not settings.NEOAPEX_ADMIN_MFA or not isinstance(person, User) or not person.is_staff:
        return None
    if not is_mfa_enabled(person):
        return reverse("mfa_index", query={"next": request.get_full_path()})
    # A session from before it was set up, on another machine perhaps, has shown none.
    if any(record.get("method") == "mfa" for record in get_authentication_records(request, person)):
        return None
    return reverse("mfa_reauthenticate", query={"next": request.get_full_path()})
