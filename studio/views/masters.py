"""The page of a master: at hand, in cold storage, or on its way from there."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from studio import restores, takeaway, tracks
from studio.errors import StudioError
from studio.http_statuses import status_of
from studio.media.errors import HouseFault
from studio.models import Track
from studio.states import RestoreTier
from studio.views.people import PersonRequest, for_people


@require_safe
@for_people
def master(request: PersonRequest, track_id: UUID) -> HttpResponse:
    """For somebody who comes from a mail, too: whose song it is, where the master is, what can be done."""
    track = _own(request, track_id)
    trouble = ""
    try:
        restores.look(tracks.own_kept(request.user, track_id))
        track.refresh_from_db()
    except StudioError as error:
        trouble = f"{error.message} {error.hint}"
    except HouseFault as fault:
        trouble = fault.message
    restores.mark_seen(track)
    return _page(request, track, trouble)


@require_POST
@for_people
def restore(request: PersonRequest, track_id: UUID) -> HttpResponse:
    """Ask for it. However often it is clicked, it is asked for once."""
    track = _own(request, track_id)
    tier = request.POST.get("tier", "")
    try:
        restores.ask(person=request.user, track_id=track_id, tier=tier if tier in RestoreTier.values else "")
    except StudioError as error:
        track.refresh_from_db()
        return _page(request, track, f"{error.message} {error.hint}", status=status_of(error))
    except HouseFault as fault:
        messages.error(request, fault.message)
    return redirect("master", track_id)


def _page(request: PersonRequest, track: Track, trouble: str, status: int = 200) -> HttpResponse:
    shown = {
        "track": track,
        "trouble": trouble,
        "formats": takeaway.formats(track),
        "choices": restores.choices(track),
        "days": settings.NEOAPEX_RESTORE_DAYS,
        "source": settings.NEOAPEX_PRICES_SOURCE,
    }
    return render(request, "studio/master.html", shown, status=status)


def _own(request: PersonRequest, track_id: UUID) -> Track:
    try:
        return tracks.own_ready(request.user, track_id)
    except StudioError as error:
        raise Http404(str(error.message)) from None
