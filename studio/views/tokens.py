"""Personal API tokens: made here, shown once, revoked here."""

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from studio import tokens as access
from studio.errors import InvalidInput, NotFound
from studio.views.people import PersonRequest, for_people


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def tokens(request: PersonRequest) -> HttpResponse:
    """The list, and on POST a new token: its text is in this one answer and never again."""
    if request.method != "POST":
        return _page(request)
    name = request.POST.get("name", "")
    try:
        _token, raw = access.create(request.user, name)
    except InvalidInput as error:
        return _page(request, 422, name=name, refusal=str(error.message))
    return _page(request, 201, raw=raw)


@require_POST
@for_people
def revoke(request: PersonRequest, token_id: int) -> HttpResponse:
    try:
        access.revoke(request.user, token_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    return redirect("tokens")


def _page(request: PersonRequest, status: int = 200, **shown: str) -> HttpResponse:
    mine = request.user.access_tokens.filter(revoked_at=None).order_by("-created_at")
    return render(request, "studio/tokens.html", {"tokens": mine, **shown}, status=status)
