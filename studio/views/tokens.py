"""Personal API tokens: made here, shown once, revoked here."""

from collections.abc import Collection

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from studio import tokens as access
from studio.errors import InvalidInput, NotFound
from studio.states import Scope
from studio.views.people import PersonRequest, for_people

EXPLAINED = {
    Scope.READ: _("look at songs, budget and tags, and download"),
    Scope.SONGS: _("make and cancel songs, on your budget"),
    Scope.LIBRARY: _("change tracks: keep, move to the trash and back"),
}


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def tokens(request: PersonRequest) -> HttpResponse:
    """The list, and on POST a new token: its text is in this one answer and never again."""
    if request.method != "POST":
        return _page(request)
    name, chosen = request.POST.get("name", ""), request.POST.getlist("scopes")
    try:
        _token, raw = access.create(request.user, name, chosen)
    except InvalidInput as error:
        field = str(error.problems[0].field)
        return _page(request, 422, name=name, chosen=chosen, **{f"refusal_{field}": str(error.message)})
    return _page(request, 201, raw=raw)


@require_POST
@for_people
def revoke(request: PersonRequest, token_id: int) -> HttpResponse:
    try:
        access.revoke(request.user, token_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    return redirect("tokens")


def _page(
    request: PersonRequest, status: int = 200, chosen: Collection[str] = tuple(Scope), **shown: str
) -> HttpResponse:
    mine = request.user.access_tokens.filter(revoked_at=None).order_by("-created_at")
    offered = [(scope, EXPLAINED[scope], scope in chosen) for scope in Scope]
    return render(request, "studio/tokens.html", {"tokens": mine, "offered": offered, **shown}, status=status)
