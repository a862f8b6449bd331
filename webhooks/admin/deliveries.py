"""Deliveries to look at. Nothing of one can be changed; an admin can send it through again."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from ledger.admin import WindowAdmin
from ledger.admin.pages import log, person_of
from ledger.admin.windows import address_of
from webhooks import deliveries
from webhooks.admin.bodies import readable
from webhooks.models import Delivery, Flag

SEE = "webhooks.view_delivery"
REPLAY = "webhooks.replay_delivery"

EXPLAINED = {
    Flag.UNKNOWN_GENERATION: gettext_lazy("The address named a song that isn’t here. Nothing was done."),
    Flag.FOREIGN_REQUEST: gettext_lazy("It is about another request than this song’s. Nothing was done."),
    Flag.DIFFERENT_PAYLOAD: gettext_lazy(
        "Another body came before for the same request, and counts. Nothing was done."
    ),
    Flag.UNREADABLE_BODY: gettext_lazy("Its body is no JSON object. Nothing was done; the sweep asks fal."),
    Flag.DEAD: gettext_lazy("It failed at every try. The log says why; the sweep asks fal about the song."),
}


class ProcessedFilter(admin.SimpleListFilter):
    title = gettext_lazy("processed")
    parameter_name = "processed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:  # noqa: ARG002
        return [("waiting", _("waiting")), ("done", _("processed")), ("replayed", _("replayed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        match self.value():
            case "waiting":
                return queryset.filter(processed_at=None)
            case "done":
                return queryset.filter(processed_at__isnull=False)
            case "replayed":
                return queryset.filter(replayed_at__isnull=False)
        return queryset


class FlaggedFilter(admin.SimpleListFilter):
    title = gettext_lazy("flag")
    parameter_name = "flag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:  # noqa: ARG002
        return [("any", _("any")), *((flag.value, flag.label) for flag in Flag)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        if self.value() == "any":
            return queryset.exclude(flag="")
        return queryset.filter(flag=self.value()) if self.value() in Flag.values else queryset


@admin.register(Delivery)
class DeliveryAdmin(WindowAdmin):
    list_display = ("request_id", "received_at", "song", "flag", "processed_at", "attempts")
    list_filter = (FlaggedFilter, ProcessedFilter)
    search_fields = ("=request_id",)
    search_help_text = gettext_lazy("By request id or the song’s id, each in full.")
    ordering = ("-id",)
    fields = (
        "request_id",
        "song",
        "received_at",
        "processed_at",
        "replayed_at",
        "attempts",
        "next_try",
        "flag",
        "flag_in_words",
        "pinned",
        "size",
        "body_sha256",
        "body_text",
    )
    readonly_fields = fields
    change_form_template = "admin/webhooks/delivery/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows: QuerySet[Delivery] = super().get_queryset(request)
        return rows.defer("body")

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Delivery],
        search_term: str,
    ) -> tuple[QuerySet[Delivery], bool]:
        """Whole terms only, since each is looked up in an index."""
        term = search_term.strip().replace("\0", "")
        if not term:
            return queryset, False
        about = Q(request_id=term)
        with suppress(ValueError):
            about |= Q(generation_id=UUID(term))
        return queryset.filter(about), False

    @admin.display(description=gettext_lazy("song"), ordering="generation_id")
    def song(self, delivery: Delivery) -> SafeString:
        address = reverse("admin:studio_generation_change", args=[delivery.generation_id])
        return format_html('<a href="{}">{}</a>', address, str(delivery.generation_id)[:8])

    @admin.display(description=gettext_lazy("next try"))
    def next_try(self, delivery: Delivery) -> Any:
        return "-" if delivery.processed_at else delivery.run_at

    @admin.display(description=gettext_lazy("which means"))
    def flag_in_words(self, delivery: Delivery) -> str:
        return str(EXPLAINED[Flag(delivery.flag)]) if delivery.flag else ""

    @admin.display(description=gettext_lazy("size"))
    def size(self, delivery: Delivery) -> str:
        return _("%d bytes") % len(delivery.body)

    @admin.display(description=gettext_lazy("body"))
    def body_text(self, delivery: Delivery) -> SafeString:
        return format_html("<pre>{}</pre>", readable(bytes(delivery.body)))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_replay": request.user.has_perm(REPLAY)}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(replay)
        return [path("<int:delivery_id>/replay/", view, name="webhooks_delivery_replay"), *super().get_urls()]


@require_POST
@permission_required([SEE, REPLAY], raise_exception=True)
def replay(request: HttpRequest, delivery_id: int) -> HttpResponse:
    """Puts it back among those that wait, where a fresh one would be."""
    delivery = get_object_or_404(Delivery.objects.defer("body"), pk=delivery_id)
    with transaction.atomic():
        done = deliveries.replay(delivery)
        if done:
            was = _("flagged: %s") % delivery.get_flag_display() if delivery.flag else _("processed")
            log(person_of(request), [(delivery, _("Sent it through again; it was %s.") % was)])
    if done:
        messages.success(request, _("It is on its way again. Reload in a moment to see what came of it."))
    else:
        messages.info(request, _("It is waiting or under way already, so nothing was done."))
    return HttpResponseRedirect(address_of(delivery))
