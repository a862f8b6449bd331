"""The studio page: the composer and the feed of songs."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from studio import queries, restores, retouches
from studio.views.composer import composer, filled
from studio.views.people import PersonRequest, for_people


@require_safe
@for_people
def studio(request: PersonRequest) -> HttpResponse:
    """Everything from the database, so a reload in any state shows the same. `?before=` goes back in time."""
    feed = queries.feed(request.user, before=request.GET.get("before"))
    if request.htmx.target == "feed-more":
        return render(request, "studio/feed_more.html", {"feed": feed})
    form = filled(request)
    chosen = bool({"example", "recipe", "preset"} & set(request.GET))
    shown = {
        "feed": feed,
        "filled": chosen,
        "older": "before" in request.GET,
        "masters_back": restores.notices(request.user),
        "open_retouches": retouches.still_open(request.user),
        **composer(form, request.user),
    }
    return render(request, "studio/page.html", shown)
