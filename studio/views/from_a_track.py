"""Forms that ask for something made from a track: shown, judged by the domain, and shown again with what is wrong."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from ledger.errors import LedgerError
from studio import generations, tracks
from studio.errors import IdempotencyConflict, StudioError
from studio.http_statuses import status_of
from studio.media.errors import HouseFault
from studio.models import Track
from studio.source_forms import SourceForm
from studio.views.composer import TAG_GROUPS, new_key
from studio.views.people import PersonRequest
from studio.views.refusals import problems_of, say_when


def own_source(request: PersonRequest, track_id: UUID) -> Track:
    try:
        return tracks.own_kept(request.user, track_id)
    except StudioError as error:
        raise Http404(str(error.message)) from None


def asked(form: SourceForm, start: Callable[[], str], again: Callable[..., HttpResponse]) -> HttpResponse:
    """Start it and go where `start` says; refused, `again` draws the form with the reasons, and what was typed."""
    try:
        address = start()
    except (StudioError, LedgerError, HouseFault) as error:
        form.refuse(problems_of(error))
        # A key that stands for another request would be refused again and again.
        key = None if isinstance(error, IdempotencyConflict) else form.key
        return say_when(again(form, status=status_of(error), key=key), error)
    return redirect(address)


def form_page(
    request: PersonRequest,
    template: str,
    source: Track,
    endpoint: str,
    form: SourceForm,
    *,
    status: int = 200,
    key: str | None = None,
    **more: Any,
) -> HttpResponse:
    shown = {
        "track": source,
        "form": form,
        "key": key or new_key(),
        "tag_groups": TAG_GROUPS,
        "quote": generations.quote_price(request.user, endpoint),
    }
    return render(request, template, shown | more, status=status)
