"""A window on retouches and their takes: what was judged how, within which cap."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from ledger.admin import WindowAdmin
from studio.models import Retouch, Take


class TakeInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Take
    fields = ("number", "song", "state", "verdict", "verdict_at")
    readonly_fields = fields
    ordering = ("created_at",)
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Take]":
        return super().get_queryset(request).select_related("generation")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False

    @admin.display(description=gettext_lazy("generation"))
    def song(self, take: Take) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("admin:studio_generation_change", args=[take.pk]), take.pk)

    @admin.display(description=gettext_lazy("state"))
    def state(self, take: Take) -> str:
        return take.generation.state


@admin.register(Retouch)
class RetouchAdmin(WindowAdmin):
    list_display = ("created_at", "person", "state", "section", "asked_for", "most_takes", "ended_at")
    list_filter = ("state",)
    search_fields = ("=id", "person__email")
    list_select_related = ("person",)
    inlines = (TakeInline,)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        found: QuerySet[Any] = super().get_queryset(request).annotate(takes_asked_for=Count("takes"))
        return found

    @admin.display(description=gettext_lazy("section"))
    def section(self, retouch: Retouch) -> str:
        return f"{retouch.start_ms / 1000:g}–{retouch.end_ms / 1000:g} s"

    @admin.display(description=gettext_lazy("takes"))
    def asked_for(self, retouch: Any) -> int:
        return int(retouch.takes_asked_for)
