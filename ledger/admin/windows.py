"""What all lists of the books have in common: they can only be looked at, and never counted to the end."""

from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import BadRequest
from django.core.paginator import Paginator
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise, cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ledger.money import display_dollars

COUNTED_ROWS: Final = 5000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts so many rows and no further: nobody turns to the last page of millions, and counting them takes long."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        return rows.order_by().values("pk")[:COUNTED_ROWS].count()

    @property
    def is_cut(self) -> bool:
        return self.count == COUNTED_ROWS


class WindowAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """For looking only. Money moves through `ledger.operations` and nowhere else."""

    actions = None
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    list_max_show_all = 0

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        # Filters go to the database as they were typed, and it knows no such character. The search says so itself.
        if any("\0" in value for name, values in request.GET.lists() if name != SEARCH_VAR for value in values):
            raise BadRequest
        return super().changelist_view(request, extra_context)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False


def dollars(name: str, label: str | Promise | None = None, *, signed: bool = False) -> Any:
    """A column that shows the row's micros under `name` in dollars, and sorts by them."""

    def column(row: Any) -> str:
        micros: int | None = getattr(row, name)
        return "" if micros is None else signed_dollars(micros) if signed else display_dollars(micros)

    column.__name__ = f"{name}_dollars"
    title: Any = label or name.removesuffix("_micros").removesuffix("_delta").replace("_", " ")
    return admin.display(description=title, ordering=name)(column)


def signed_dollars(delta_micros: int) -> str:
    if delta_micros == 0:
        return ""
    return f"{'+' if delta_micros > 0 else ''}{display_dollars(delta_micros)}"


def link_to(row: models.Model | None) -> SafeString | str:
    """A link to the row's own page in the admin."""
    if row is None:
        return ""
    return format_html('<a href="{}">{}</a>', address_of(row), row)


def address_of(row: models.Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])  # noqa: SLF001


def list_address(name: str, **query: object) -> str:
    """The list of a model like ``ledger_entry``, with filters."""
    return reverse(f"admin:{name}_changelist", query=query)
