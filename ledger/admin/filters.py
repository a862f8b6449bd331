"""Filters of the admin's lists, each answered from an index or from the rows of one month."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ledger import months
from ledger.errors import InvalidMonth
from ledger.known_months import month_names
from ledger.models import EntryKind


class WhoseQuotaFilter(admin.SimpleListFilter):
    title = _("quota")
    parameter_name = "quota"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:  # noqa: ARG002
        return [("own", _("own")), ("default", _("default"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        if self.value() in {"own", "default"}:
            return queryset.filter(monthly_micros__isnull=self.value() == "default")
        return queryset


class QuotaUseFilter(admin.SimpleListFilter):
    title = _("used this month")
    parameter_name = "used"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:  # noqa: ARG002
        return [("nothing", _("nothing")), ("80", _("80 % and more")), ("100", _("all of it"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        match self.value():
            case "nothing":
                return queryset.filter(held=0, spent=0)
            case "80":
                return queryset.filter(used_percent__gte=80)
            case "100":
                return queryset.filter(used_percent__gte=100)
        return queryset


class MonthFilter(admin.SimpleListFilter):
    """The months from the first budget to the last, read off the ends of an index."""

    title = _("month")
    parameter_name = "in"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:  # noqa: ARG002
        return [(name, name) for name in month_names()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        try:
            return queryset.filter(month=months.parse_month(self.value() or ""))
        except InvalidMonth:
            return queryset


class EntryFilter(admin.SimpleListFilter):
    """The few among the many; what else there is stands in the list of a budget."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:  # noqa: ARG002
        return [("grants", _("given and taken back")), ("by-hand", _("by an admin"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        match self.value():
            case "grants":
                return queryset.filter(~Q(granted_delta=0), kind__in=[EntryKind.GRANT, EntryKind.ADJUST])
            case "by-hand":
                return queryset.filter(author__isnull=False)
        return queryset
