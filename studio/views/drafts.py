"""The composer's draft, saved while somebody types."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from studio import drafts
from studio.forms import ComposerForm
from studio.views.people import PersonRequest, for_people


@require_POST
@for_people
def save(request: PersonRequest) -> HttpResponse:
    """204 where it is kept, so that a page knows it from the login page that follows an expired session."""
    kept = drafts.save(request.user, ComposerForm(request.POST).typed)
    return HttpResponse(status=204 if kept else 413)


@require_POST
@for_people
def clear(request: PersonRequest) -> HttpResponse:
    drafts.clear(request.user)
    return redirect("studio")
