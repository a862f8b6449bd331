"""What the studio may tell a person about, and how."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from studio import notices as chosen
from studio.views.people import PersonRequest, for_people


@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def notices(request: PersonRequest) -> HttpResponse:
    """Mail is kept for the person; what a browser does is kept in that browser."""
    if request.method != "POST":
        return render(request, "studio/notices.html", {"minutes": chosen.LONG.seconds // 60})
    chosen.choose(request.user, mails_long_songs="mails_long_songs" in request.POST)
    messages.success(request, _("Saved."))
    return redirect("notices")
