"""The page about fal: is it within reach, who has its slots, who waits; and the breaker closed by hand."""

from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ledger.admin.pages import page, person_of
from ledger.admin.windows import list_address
from ledger.forms import ReasonForm
from studio import traffic
from studio.errors import WhyMissing

SEE: Final = "studio.view_generation"
CLOSE: Final = "studio.close_breaker"


@require_http_methods(["GET", "POST"])
@permission_required(SEE, raise_exception=True)
def fal_page(request: HttpRequest) -> HttpResponse:
    """A POST closes the breaker, which needs a permission of its own and a reason."""
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and _closed(request, form):
        return HttpResponseRedirect(reverse("admin:studio_generation_fal"))
    return page(
        request,
        "admin/studio/fal.html",
        _("fal"),
        [(_("Generations"), list_address("studio_generation")), (_("fal"), "")],
        traffic=traffic.read(),
        form=form,
        may_close=request.user.has_perm(CLOSE),
    )


def _closed(request: HttpRequest, form: ReasonForm) -> bool:
    if not request.user.has_perm(CLOSE):
        raise PermissionDenied
    if not form.is_valid():
        return False
    try:
        traffic.close_breaker(author=person_of(request), reason=form.cleaned_data["reason"])  # type: ignore[arg-type]
    except WhyMissing as error:
        form.add_error("reason", str(error.message))
        return False
    messages.success(request, _("The circuit breaker is closed: songs are sent again."))
    return True
