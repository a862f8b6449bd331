"""Letting people go: the page that says who and what, and with a reason the act itself."""

from collections.abc import Callable
from typing import Final

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ledger.admin.pages import page, person_of
from ledger.forms import ReasonForm
from studio import people
from studio.errors import StudioError
from studio.models import User

# Each undoes sessions, tokens and waiting songs one by one, so not too many in a request.
MAX_AT_ONCE: Final = 100


def deactivate(request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
    text = _(
        "They can’t log in any more: sessions and tokens end, and songs that wait are cancelled with their money "
        "given back. Songs that fal has finish and are paid for. Their books and songs stay."
    )
    return _let_go(request, queryset, "deactivate", _("Deactivate people"), text, people.deactivate)


def anonymise(request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
    text = _(
        "They are deactivated, and their name and address are gone for good. Their songs and every line of the "
        "books stay, under a name that says nothing. This can’t be undone."
    )
    return _let_go(request, queryset, "anonymise", _("Anonymise people"), text, people.anonymise)


def _let_go(
    request: HttpRequest,
    queryset: QuerySet[User],
    action: str,
    title: str,
    text: str,
    act: Callable[..., object],
) -> HttpResponse | None:
    """Those who can't be let go are named, and stop nobody else."""
    if not request.user.has_perm("studio.change_user"):
        raise PermissionDenied
    chosen = list(queryset.order_by("email")[: MAX_AT_ONCE + 1])
    if len(chosen) > MAX_AT_ONCE:
        messages.error(request, _("Choose at most %d people at a time.") % MAX_AT_ONCE)
        return None
    form = ReasonForm(request.POST if "confirmed" in request.POST else None)
    if form.is_valid():
        _act_on_all(request, chosen, form.cleaned_data["reason"], act)
        return None
    crumbs = [(_("People"), reverse("admin:studio_user_changelist")), (title, "")]
    return page(
        request,
        "admin/studio/let_go.html",
        title,
        crumbs,
        form=form,
        text=text,
        action=action,
        chosen=chosen,
        checkbox=ACTION_CHECKBOX_NAME,
    )


def _act_on_all(request: HttpRequest, chosen: list[User], reason: str, act: Callable[..., object]) -> None:
    done = 0
    for person in chosen:
        try:
            act(person, author=person_of(request), reason=reason)
        except StudioError as error:
            messages.error(request, f"{person}: {error.message} {error.hint}")
        else:
            done += 1
    if done:
        messages.success(request, ngettext("%d person was let go.", "%d people were let go.", done) % done)
