"""More music before or after a track."""

from functools import partial
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from studio import extensions
from studio.source_forms import ExtendForm, for_extension
from studio.views.from_a_track import asked, form_page, own_source
from studio.views.people import PersonRequest, for_people


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def extend(request: PersonRequest, track_id: UUID) -> HttpResponse:
    source = own_source(request, track_id)
    page = partial(form_page, request, "studio/extend.html", source, extensions.ENDPOINT)
    if request.method != "POST":
        return page(ExtendForm(for_extension(source)))
    form = ExtendForm(request.POST)

    def start() -> str:
        generation, _ = extensions.start(
            person=request.user, track_id=track_id, inputs=form.inputs(), audio=form.audio, idempotency_key=form.key
        )
        return f"{reverse('studio')}#generation-{generation.pk}"

    return asked(form, start, page)
