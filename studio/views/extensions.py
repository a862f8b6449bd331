"""More music before or after a track."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ledger.errors import LedgerError
from studio import extensions, generations
from studio.errors import IdempotencyConflict, StudioError
from studio.media.errors import HouseFault
from studio.models import Track
from studio.source_forms import ExtendForm, for_extension
from studio.views.composer import TAG_GROUPS, new_key
from studio.views.people import PersonRequest, for_people
from studio.views.refusals import problems_of, say_when, status_of
from studio.views.retouches import own_source


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def extend(request: PersonRequest, track_id: UUID) -> HttpResponse:
    source = own_source(request, track_id)
    if request.method != "POST":
        return _page(request, source, ExtendForm(for_extension(source)))
    form = ExtendForm(request.POST)
    try:
        generation, _ = extensions.start(
            person=request.user, track_id=track_id, inputs=form.inputs(), audio=form.audio, idempotency_key=form.key
        )
    except (StudioError, LedgerError, HouseFault) as error:
        form.refuse(problems_of(error))
        key = None if isinstance(error, IdempotencyConflict) else form.key
        return say_when(_page(request, source, form, status=status_of(error), key=key), error)
    return redirect(f"{reverse('studio')}#generation-{generation.pk}")


def _page(
    request: PersonRequest, source: Track, form: ExtendForm, *, status: int = 200, key: str | None = None
) -> HttpResponse:
    shown = {
        "track": source,
        "form": form,
        "key": key or new_key(),
        "tag_groups": TAG_GROUPS,
        "quote": generations.quote_price(request.user, extensions.ENDPOINT),
    }
    return render(request, "studio/extend.html", shown, status=status)
