"""What anybody sees who comes by a link: the titles of a project, who made it, and the previews to listen to."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from studio import library, projects
from studio.api import waveform
from studio.errors import NotFound
from studio.media.ranges import ranged_response

P = ParamSpec("P")
PAGE: Final = 50


def _for_anybody(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Nothing is found by search engines, told to other sites, or there any more once the link is not."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(str(error.message)) from None
        response["X-Robots-Tag"] = "noindex, nofollow"
        response["Referrer-Policy"] = "no-referrer"
        return response

    return guarded


@require_safe
@_for_anybody
def project(request: HttpRequest, key: str) -> HttpResponseBase:
    shared = projects.opened(key)
    page = library.page_of(projects.tracks_of(shared.project), request.GET.get("cursor"), PAGE)
    shown = {"shared": shared, "key": key, "page": page, "is_first": "cursor" not in request.GET}
    response: HttpResponse = render(request, "studio/shared.html", shown)
    add_never_cache_headers(response)
    return response


@require_safe
@_for_anybody
def preview(request: HttpRequest, key: str, track_id: UUID) -> HttpResponseBase:
    track = projects.shared_track(key, track_id)
    # The usual name of a file holds the seed, which is of the recipe.
    name = f"{slugify(track.title) or 'song'}.mp3"
    return ranged_response(request, track.preview_key, "audio/mpeg", name, as_attachment=False)


@require_safe
@_for_anybody
def peaks(_request: HttpRequest, key: str, track_id: UUID) -> HttpResponseBase:
    track = projects.shared_track(key, track_id)
    return waveform(track.overview_key or track.peaks_key)
