"""The admin's first page begins with the month's money; while the books are in doubt, every page says so on top."""

from datetime import UTC, date, datetime
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern, URLResolver
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from ledger import months
from ledger.errors import InvalidMonth
from ledger.known_months import month_names
from neoapex import second_factor
from studio import charts, dashboard, downloads
from studio.fal import breaker

SEE_MONEY = "ledger.view_budget"
SEE_SONGS = "studio.view_generation"
SEE_TRACKS = "studio.view_track"
EXPORT_HEADER = ("month", "email", "granted", "held", "spent", "available")


class StudioAdminSite(admin.AdminSite):
    site_header = site_title = "Neo-Apex"
    index_title = _("Administration")

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        if self.has_permission(request) and request.user.has_perm(SEE_MONEY):
            context["books_alarm"] = dashboard.alarm()
        if self.has_permission(request) and request.user.has_perm(SEE_TRACKS):
            context["songs_alarm"] = dashboard.songs_alarm()
        return context

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and second_factor.way_to(request) is None

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Every page of the admin comes by here. Who lacks a second factor is led to it, and back afterwards."""
        shown = super().admin_view(view, cacheable)

        @wraps(view)
        def behind_a_second_factor(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            way = second_factor.way_to(request)
            return shown(request, *args, **kwargs) if way is None else redirect(way)

        return behind_a_second_factor

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        shown: dict[str, Any] = _dashboard(request) if request.user.has_perm(SEE_MONEY) else {}
        if request.user.has_perm(SEE_SONGS):
            shown["reach"] = breaker.reach()
            shown["tags_reminder"] = dashboard.tags_reminder()
        return super().index(request, shown | (extra_context or {}))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        export = path("month.csv", self.admin_view(month_csv), name="month_csv")
        return [export, *super().get_urls()]


def _dashboard(request: HttpRequest) -> dict[str, Any]:
    month = _month(request)
    found = dashboard.read(month)
    return {
        "dashboard": found,
        "chart": charts.of_month(month, found.spending, datetime.now(UTC).date()),
        "month_names": month_names(),
        "export_address": reverse("admin:month_csv", query={"month": found.month}),
    }


def _month(request: HttpRequest) -> date:
    try:
        return months.parse_begun_month(request.GET.get("month") or months.month_name(months.month_of()))
    except InvalidMonth as error:
        raise Http404(str(error.message)) from None


@require_safe
@permission_required(SEE_MONEY, raise_exception=True)
def month_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Who spent what in the month, the house in the last line; amounts in dollars."""
    month = _month(request)
    rows = downloads.csv_rows(EXPORT_HEADER, dashboard.export(month))
    return downloads.attachment(rows, downloads.CSV, f"neo-apex-{months.month_name(month)}.csv")
