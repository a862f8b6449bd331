"""A song's recipe, on a page of its own or beside another one, and the difference between two."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from studio import queries, recipe_diffs, tracks
from studio.errors import NotFound
from studio.views.people import PersonRequest, for_people


@require_safe
@for_people
def recipe(request: PersonRequest, generation_id: UUID) -> HttpResponse:
    """A page, or only what the drawer of a wide screen shows."""
    try:
        card = queries.card(request.user, generation_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    shown = {"card": card, "generation": card.generation, "recipe": card.generation.recipe}
    template = "studio/recipe_in_drawer.html" if request.htmx.target == "drawer-body" else "studio/recipe_page.html"
    return render(request, template, shown)


@require_safe
@for_people
def diff(request: PersonRequest, first_id: UUID, second_id: UUID) -> HttpResponse:
    try:
        pair = [tracks.own(request.user, track_id) for track_id in (first_id, second_id)]
    except NotFound as error:
        raise Http404(str(error.message)) from None
    rows = recipe_diffs.compare(*(track.generation for track in pair))
    shown = {"pair": pair, "rows": rows, "number": sum(row.differs for row in rows)}
    return render(request, "studio/diff.html", shown)
