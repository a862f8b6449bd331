"""What a song would cost while it is still being written."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from studio.forms import ComposerForm
from studio.views.composer import price
from studio.views.people import PersonRequest, for_people


@require_POST
@for_people
def quote(request: PersonRequest) -> HttpResponse:
    """The price line, every reason why it can't start, and what is wrong at each field. Nothing is written."""
    return render(request, "studio/price_update.html", price(ComposerForm(request.POST), request.user))
