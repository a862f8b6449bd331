"""One page on how callbacks fare; it stands in the place of the list of tallies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from ledger.admin import WindowAdmin
from ledger.admin.pages import page
from webhooks import health
from webhooks.models import Tally

BAR_WIDTH: Final = 16
STEP: Final = 20
HEIGHT: Final = 120


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour of the chart: what was stored stands on the ground."""

    x: int
    y: int
    height: int
    hour: health.Hour


def bars(hours: Sequence[health.Hour]) -> list[Bar]:
    highest = max((hour.deliveries for hour in hours), default=0)
    drawn = []
    for number, hour in enumerate(hours):
        height = max(1, HEIGHT * hour.deliveries // highest) if hour.deliveries else 0
        drawn.append(Bar(number * STEP, HEIGHT - height, height, hour))
    return drawn


@admin.register(Tally)
class TallyAdmin(WindowAdmin):
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = health.read()
        may_look = request.user.has_perm("webhooks.view_delivery")
        return page(
            request,
            "admin/webhooks/tally/health.html",
            _("Webhook health"),
            [(_("Webhooks"), reverse("admin:app_list", args=["webhooks"])), (_("Health"), "")],
            health=found,
            bars=bars(found.hours),
            chart_width=STEP * len(found.hours),
            chart_height=HEIGHT,
            bar_width=BAR_WIDTH,
            highest=max(hour.deliveries for hour in found.hours),
            flagged=list(found.flagged.items()),
            scheme=settings.NEOAPEX_WEBHOOK_SCHEME,
            is_pinned=bool(settings.NEOAPEX_FAL_USER_ID),
            is_polling=settings.SETTLE_BY_POLLING,
            deliveries=reverse("admin:webhooks_delivery_changelist") if may_look else "",
        )

    def change_view(
        self,
        request: HttpRequest,  # noqa: ARG002
        object_id: str,  # noqa: ARG002
        form_url: str = "",  # noqa: ARG002
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:webhooks_tally_changelist"))
