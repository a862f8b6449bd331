"""The composer's draft, saved while somebody types."""

import re
from typing import Final

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from studio import drafts
from studio.forms import ComposerForm
from studio.views.people import PersonRequest, for_people

MILLISECONDS: Final = re.compile(r"[0-9]{1,16}", re.ASCII)


@require_POST
@for_people
def save(request: PersonRequest) -> HttpResponse:
    """204 where it is kept, so that a page knows it from the login page that follows an expired session."""
    sent = request.POST
    written = sent.get("draft_written_ms", "")
    kept = drafts.save(
        request.user,
        ComposerForm(sent).typed,
        writer=sent.get("draft_writer", "")[:40].replace("\0", ""),
        written_ms=int(written) if MILLISECONDS.fullmatch(written) else 0,
    )
    return HttpResponse(status=204 if kept else 413)


@require_POST
@for_people
def clear(request: PersonRequest) -> HttpResponse:
    drafts.clear(request.user)
    return redirect("studio")
