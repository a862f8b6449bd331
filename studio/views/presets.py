"""Saved recipes: the list beside the composer, and what is done with it."""

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST
from django_htmx.http import reswap

from studio import drafts, presets
from studio.errors import NotFound, StudioError
from studio.forms import ComposerForm
from studio.views.people import PersonRequest, for_people


@require_POST
@for_people
def save(request: PersonRequest) -> HttpResponse:
    """What the composer holds; without a script that is the draft, as it was when it was last sent."""
    name = request.POST.get("preset_name", "")
    fields = ComposerForm(request.POST).typed or drafts.read(request.user)
    try:
        presets.save(request.user, name, fields)
    except StudioError as error:
        return _list(request, 422, preset_name=name, refusal=f"{error.message} {error.hint}".strip())
    return _list(request) if request.htmx else redirect("studio")


@require_POST
@for_people
def delete(request: PersonRequest, preset_id: int) -> HttpResponse:
    try:
        presets.delete(request.user, preset_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    return _list(request) if request.htmx else redirect("studio")


def _list(request: PersonRequest, status: int = 200, **shown: str) -> HttpResponse:
    context = {"presets": presets.of(request.user), "open": True, **shown}
    template = "studio/presets.html" if request.htmx else "studio/presets_page.html"
    # An answer that says how it is swapped in is one that is made for it, whatever its status.
    return reswap(render(request, template, context, status=status), "outerHTML")
