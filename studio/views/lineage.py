"""The tree of everything that came from a song."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from studio import lineage
from studio.errors import NotFound
from studio.views.people import PersonRequest, for_people


@require_safe
@for_people
def show(request: PersonRequest, track_id: UUID) -> HttpResponse:
    try:
        found = lineage.tree(request.user, track_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    here = next(node for node in found.nodes() if node.track.pk == track_id)
    return render(request, "studio/lineage.html", {"tree": found, "here": here, "count": len(list(found.nodes()))})
