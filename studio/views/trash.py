"""The trash: what lies there, how long it still does, and the way back."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from studio import trash
from studio.errors import NotFound, StudioError
from studio.views.people import PersonRequest, for_people


@require_safe
@for_people
def show(request: PersonRequest) -> HttpResponse:
    items = [(track, trash.deletes_at(track)) for track in trash.of(request.user)]
    return render(request, "studio/trash.html", {"items": items, "days": settings.NEOAPEX_TRASH_DAYS})


@require_POST
@for_people
def put(request: PersonRequest, track_id: UUID) -> HttpResponse:
    try:
        track = trash.put(person=request.user, track_id=track_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    except StudioError as error:
        messages.error(request, f"{error.message} {error.hint}")
        return redirect("studio")
    messages.success(request, _("“%s” is in the trash. You can put it back.") % track.title)
    return redirect("song", track.generation_id)


@require_POST
@for_people
def put_back(request: PersonRequest, track_id: UUID) -> HttpResponse:
    try:
        track = trash.put_back(person=request.user, track_id=track_id)
    except NotFound as error:
        raise Http404(str(error.message)) from None
    except StudioError as error:
        messages.error(request, f"{error.message} {error.hint}")
        return redirect("trash")
    messages.success(request, _("“%s” is back.") % track.title)
    return redirect("song", track.generation_id)
