"""The page about storage: who keeps how much, where it lies, and what that costs."""

from typing import Final

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from ledger.admin.pages import page
from ledger.admin.windows import list_address
from studio import storage_usage

SEE: Final = "studio.view_track"


@require_safe
@permission_required(SEE, raise_exception=True)
def storage_page(request: HttpRequest) -> HttpResponse:
    crumbs = [(_("Tracks"), list_address("studio_track")), (_("Storage"), "")]
    return page(request, "admin/studio/storage.html", _("Storage"), crumbs, usage=storage_usage.read())
