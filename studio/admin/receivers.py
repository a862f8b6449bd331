"""The organisation's own systems that hear of songs: each with a secret that is shown once, and what it was told."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from ledger.admin import WindowAdmin
from ledger.admin.pages import log, page, person_of
from ledger.admin.windows import address_of, link_to, list_address
from studio import receivers
from studio.errors import InvalidInput
from studio.models import Message, Receiver
from studio.states import MessageState

SEE, MAKE, CHANGE = "studio.view_receiver", "studio.add_receiver", "studio.change_receiver"
SEE_MESSAGES, RESEND = "studio.view_message", "studio.resend_message"


class ReceiverForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=500,
        widget=forms.TextInput(attrs={"size": 60}),
        help_text=gettext_lazy("Https, and within reach from the open internet."),
    )


@admin.register(Receiver)
class ReceiverAdmin(WindowAdmin):
    list_display = ("name", "host", "enabled", "last_told", "waiting", "failed")
    ordering = ("name",)
    fields = ("name", "url", "enabled", "created_at", "rotated_at", "told")
    readonly_fields = fields
    change_form_template = "admin/studio/receiver/change_form.html"
    change_list_template = "admin/studio/receiver/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Receiver]:
        rows: QuerySet[Receiver] = super().get_queryset(request)
        return rows.annotate(
            last_delivered_at=Max("messages__ended_at", filter=Q(messages__state=MessageState.DELIVERED)),
            waiting_count=Count("messages", filter=Q(messages__state=MessageState.WAITING)),
            failed_count=Count("messages", filter=Q(messages__state=MessageState.FAILED)),
        )

    @admin.display(description=gettext_lazy("host"))
    def host(self, receiver: Receiver) -> str:
        return receivers.host_of(receiver)

    @admin.display(description=gettext_lazy("last told"))
    def last_told(self, receiver: Any) -> Any:
        return receiver.last_delivered_at

    @admin.display(description=gettext_lazy("waiting"))
    def waiting(self, receiver: Any) -> int:
        return int(receiver.waiting_count)

    @admin.display(description=gettext_lazy("failed"))
    def failed(self, receiver: Any) -> int:
        return int(receiver.failed_count)

    @admin.display(description=gettext_lazy("messages"))
    def told(self, receiver: Receiver) -> SafeString:
        address = list_address("studio_message", receiver__id__exact=receiver.pk)
        return format_html('<a href="{}">{}</a>', address, _("What it was told"))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"may_make": request.user.has_perm(MAKE)} | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_change": request.user.has_perm(CHANGE)}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("make/", view(make), name="studio_receiver_make"),
            path("<int:receiver_id>/rotate/", view(rotate), name="studio_receiver_rotate"),
            path("<int:receiver_id>/switch/", view(switch), name="studio_receiver_switch"),
            *super().get_urls(),
        ]


def _crumbs(title: str) -> list[tuple[str, str]]:
    return [(_("Receivers"), reverse("admin:studio_receiver_changelist")), (title, "")]


def _secret_page(request: HttpRequest, receiver: Receiver, secret: str) -> HttpResponse:
    """In this one answer, and nowhere else: no redirect, for a message would be kept in a cookie."""
    title = _("The secret of %s") % receiver
    shown = {"receiver": receiver, "secret": secret, "address": address_of(receiver)}
    return page(request, "admin/studio/receiver/secret.html", title, _crumbs(title), **shown)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required([SEE, MAKE], raise_exception=True)
def make(request: HttpRequest) -> HttpResponse:
    form = ReceiverForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            with transaction.atomic():
                receiver, secret = receivers.make(form.cleaned_data["name"], form.cleaned_data["url"])
                log(person_of(request), [(receiver, _("Made."))])
        except InvalidInput as error:
            form.add_error(error.problems[0].field, f"{error.message} {error.hint}")
        else:
            return _secret_page(request, receiver, secret)
    title = _("Make a receiver")
    return page(request, "admin/studio/receiver/make.html", title, _crumbs(title), form=form)


@never_cache
@require_POST
@permission_required([SEE, CHANGE], raise_exception=True)
def rotate(request: HttpRequest, receiver_id: int) -> HttpResponse:
    receiver = get_object_or_404(Receiver, pk=receiver_id)
    with transaction.atomic():
        secret = receivers.rotate(receiver)
        log(person_of(request), [(receiver, _("Gave it a new secret."))])
    return _secret_page(request, receiver, secret)


@require_POST
@permission_required([SEE, CHANGE], raise_exception=True)
def switch(request: HttpRequest, receiver_id: int) -> HttpResponse:
    receiver = get_object_or_404(Receiver, pk=receiver_id)
    enabled = "on" in request.POST
    with transaction.atomic():
        receivers.enable(receiver, enabled=enabled)
        log(person_of(request), [(receiver, _("Switched on.") if enabled else _("Switched off."))])
    return HttpResponseRedirect(address_of(receiver))


@admin.register(Message)
class MessageAdmin(WindowAdmin):
    list_display = ("id", "event", "to", "state", "attempts", "answer", "created_at", "ended_at")
    list_filter = ("state", "event", "receiver")
    list_select_related = ("receiver",)
    ordering = ("-created_at",)
    fields = ("id", "event", "to", "song", "state", "attempts", "next_try", "answer", "created_at", "ended_at", "body")
    readonly_fields = fields
    change_form_template = "admin/studio/message/change_form.html"

    @admin.display(description=gettext_lazy("receiver"), ordering="receiver")
    def to(self, message: Message) -> SafeString | str:
        return link_to(message.receiver)

    @admin.display(description=gettext_lazy("song"))
    def song(self, message: Message) -> SafeString:
        address = reverse("admin:studio_generation_change", args=[message.generation_id])
        return format_html('<a href="{}">{}</a>', address, str(message.generation_id)[:8])

    @admin.display(description=gettext_lazy("next try"))
    def next_try(self, message: Message) -> Any:
        return message.run_at if message.state == MessageState.WAITING else "-"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_resend": request.user.has_perm(RESEND)}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(resend)
        return [path("<uuid:message_id>/resend/", view, name="studio_message_resend"), *super().get_urls()]


@require_POST
@permission_required([SEE_MESSAGES, RESEND], raise_exception=True)
def resend(request: HttpRequest, message_id: Any) -> HttpResponse:
    message = get_object_or_404(Message, pk=message_id)
    with transaction.atomic():
        done = receivers.resend(message)
        if done:
            log(person_of(request), [(message, _("Sent it again; it was %s.") % message.state)])
    if done:
        messages.success(request, _("It is on its way again. Reload in a moment to see what came of it."))
    else:
        messages.info(request, _("It is waiting or under way already, so nothing was done."))
    return HttpResponseRedirect(address_of(message))
