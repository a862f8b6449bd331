"""What everybody together may spend: one page to set it or take it away."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from ledger import organisation
from ledger.admin.pages import log, page, person_of, with_reason
from ledger.admin.quotas import used_bar
from ledger.admin.windows import WindowAdmin
from ledger.forms import CapForm
from ledger.models import Organisation
from ledger.money import display_dollars, whole_percent


@admin.register(Organisation)
class OrganisationAdmin(WindowAdmin):
    """There is one row at most, so its list is the page itself."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        may_change = request.user.has_perm("ledger.change_organisation")
        may_look = may_change or self.has_view_permission(request)
        if not (may_change if request.method == "POST" else may_look):
            raise PermissionDenied
        form = CapForm(request.POST if request.method == "POST" else None, initial={"cap": organisation.cap_micros()})
        if form.is_valid():
            _set_cap(request, form.cleaned_data["cap"], form.cleaned_data["reason"])
            return HttpResponseRedirect(request.path)
        return _cap_page(request, form, may_change=may_change)

    def change_view(
        self,
        request: HttpRequest,  # noqa: ARG002
        object_id: str,  # noqa: ARG002
        form_url: str = "",  # noqa: ARG002
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:ledger_organisation_changelist"))


def _set_cap(request: HttpRequest, cap: int | None, reason: str) -> None:
    with transaction.atomic():
        before = organisation.cap_micros()
        organisation.set_cap(cap)
        text = _("The cap was %(before)s and is %(after)s.") % {"before": _in_words(before), "after": _in_words(cap)}
        log(person_of(request), [(Organisation.objects.get(), with_reason(text, reason))])
    messages.success(request, text)


def _in_words(cap: int | None) -> str:
    return _("none") if cap is None else display_dollars(cap)


def _cap_page(request: HttpRequest, form: CapForm, *, may_change: bool) -> HttpResponse:
    use = organisation.this_month()
    percent = None if use.cap_micros is None else whole_percent(use.used_micros, use.cap_micros)
    return page(
        request,
        "admin/ledger/organisation/cap.html",
        _("The organisation’s monthly cap"),
        [(_("Organisation"), "")],
        form=form,
        may_change=may_change,
        month=use.month,
        cap=_in_words(use.cap_micros),
        used=display_dollars(use.used_micros),
        left=None if use.left_micros is None else display_dollars(use.left_micros),
        bar=None if percent is None else used_bar(percent),
        history=reverse("admin:ledger_organisation_history", args=[1]) if Organisation.objects.exists() else "",
    )
