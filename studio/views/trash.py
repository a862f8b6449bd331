"""The trash: what lies there, how long it still does, and the way back."""

from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from studio import trash
from studio.errors import NotFound, StudioError
from studio.models import Track
from studio.views.people import PersonRequest, for_people


@require_safe
@for_people
def show(request: PersonRequest) -> HttpResponse:
    items = [(track, trash.deletes_at(track)) for track in trash.of(request.user)]
    return render(request, "studio/trash.html", {"items": items, "days": settings.NEOAPEX_TRASH_DAYS})


@require_POST
@for_people
def put(request: PersonRequest, track_id: UUID) -> HttpResponse:
    return _moved(request, track_id, trash.put, _("“%s” is in the trash. You can put it back."), "studio")


@require_POST
@for_people
def put_back(request: PersonRequest, track_id: UUID) -> HttpResponse:
    return _moved(request, track_id, trash.put_back, _("“%s” is back."), "trash")


def _moved(
    request: PersonRequest, track_id: UUID, move: Callable[..., Track], words: str, otherwise: str
) -> HttpResponse:
    """To the song's page with `words` about it, or with what stood in the way to the page `otherwise`."""
    try:
        track = move(person=request.user, track_id=track_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    except StudioError as error:
        messages.error(request, f"{error.message} {error.hint}")
        return redirect(otherwise)
    messages.success(request, words % track.title)
    return redirect("song", track.generation_id)
