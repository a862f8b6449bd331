"""Quotas of everybody: a list to work in, one by one or many at once. Each change goes through `ledger.quota_plans`."""

from typing import Any, Final

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ledger import months, queries, quota_list, quota_plans
from ledger.admin import adjusting, quota_pages
from ledger.admin.filters import QuotaUseFilter, WhoseQuotaFilter
from ledger.admin.pages import person_of
from ledger.admin.windows import dollars, list_address
from ledger.forms import QuotaForm, QuotaRowForm, QuotaRowsForm
from ledger.models import Budget, Quota
from ledger.money import display_dollars
from ledger.quota_plans import Wish
from ledger.quotas import TakesEffect

# What the forms call the parts of a quota, and what the ledger does.
EDITED: Final = {"monthly": "monthly_micros", "frozen": "frozen", "rolls_over": "rolls_over"}


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = QuotaForm
    list_display = (
        "person_email",
        "monthly",
        dollars("granted", gettext_lazy("this month")),
        dollars("held", gettext_lazy("set aside")),
        dollars("spent"),
        dollars("available", gettext_lazy("left")),
        "used",
        "frozen",
        "rolls_over",
    )
    # The form adds the monthly budget, in dollars.
    list_editable = ("frozen", "rolls_over")
    list_filter = (WhoseQuotaFilter, QuotaUseFilter, "frozen", "rolls_over", "person__is_active")
    # Each row has up to eight fields, and a form may have two hundred.
    list_per_page = 20
    search_fields = ("person__email",)
    search_help_text = gettext_lazy("By email address.")
    ordering = ("person__email",)
    actions = ("set_to", "raise_by", "back_to_default", "freeze", "unfreeze")
    fieldsets = (
        (None, {"fields": tuple(EDITED)}),
        (gettext_lazy("This change"), {"fields": ("takes_effect", "reason")}),
    )
    change_form_template = "admin/ledger/quota/change_form.html"

    # --- Looking ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return quota_list.of_month(super().get_queryset(request), months.month_of())

    def get_fieldsets(self, request: HttpRequest, obj: Quota | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if self.has_change_permission(request, obj) else fieldsets[:1]

    @admin.display(description=gettext_lazy("person"), ordering="person__email")
    def person_email(self, quota: Quota) -> str:
        return str(quota.person)

    @admin.display(description=gettext_lazy("monthly budget"), ordering="monthly_micros")
    def monthly(self, quota: Quota) -> str:
        return quota_plans.monthly_in_words(quota.monthly_micros)

    @admin.display(description=gettext_lazy("used"), ordering="used_percent")
    def used(self, quota: Any) -> SafeString:
        return used_bar(quota.used_percent)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if self.has_view_or_change_permission(request):
            quota_list.fill_in()
        context = {"title": _("Quotas: what everybody may spend in a month")}
        return super().changelist_view(request, context | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        quota = self.get_object(request, object_id)
        context = {} if quota is None else {"title": _("Quota of %s") % quota.person, "subtitle": None} | _around(quota)
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    # --- Changing ---

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        # Everybody has one.
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:  # noqa: ARG002
        return QuotaRowForm

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_formset(request, formset=QuotaRowsForm, **kwargs)

    def save_model(self, request: HttpRequest, obj: Quota, form: Any, change: bool) -> None:  # noqa: ARG002
        """Through the ledger, with what the form says; the row itself is never saved."""
        asked = {EDITED[name]: form.cleaned_data[name] for name in form.changed_data if name in EDITED}
        done = quota_plans.carry_out(
            [Wish(obj.person_id, **asked)],
            takes_effect=TakesEffect(form.how["takes_effect"]),
            reason=form.how["reason"],
            author=person_of(request),
        )
        form.log_text = " ".join(quota_pages.in_words(one, form.how) for one in done)
        quota_pages.say_what_was_short(request, done)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:  # noqa: ARG002
        return form.log_text

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """A change that changed nothing is none."""
        return super().log_change(request, obj, message) if message else None

    # --- Many at once, and the pages around ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("bulk/<str:act>/", view(quota_pages.bulk), name="ledger_quota_bulk"),
            path("import/", view(quota_pages.upload), name="ledger_quota_import"),
            path("confirm/", view(quota_pages.confirm), name="ledger_quota_confirm"),
            path("<int:quota_id>/adjust/", view(adjusting.adjust), name="ledger_quota_adjust"),
        ]
        return own + super().get_urls()

    @admin.action(description=gettext_lazy("Set the monthly budget to…"), permissions=["change"])
    def set_to(self, request: HttpRequest, queryset: QuerySet[Quota]) -> HttpResponse:
        return quota_pages.begin_bulk(request, "set", queryset)

    @admin.action(description=gettext_lazy("Raise the monthly budget by…"), permissions=["change"])
    def raise_by(self, request: HttpRequest, queryset: QuerySet[Quota]) -> HttpResponse:
        return quota_pages.begin_bulk(request, "raise", queryset)

    @admin.action(description=gettext_lazy("Back to the default budget…"), permissions=["change"])
    def back_to_default(self, request: HttpRequest, queryset: QuerySet[Quota]) -> HttpResponse:
        return quota_pages.begin_bulk(request, "default", queryset)

    @admin.action(description=gettext_lazy("Freeze…"), permissions=["change"])
    def freeze(self, request: HttpRequest, queryset: QuerySet[Quota]) -> HttpResponse:
        return quota_pages.begin_bulk(request, "freeze", queryset)

    @admin.action(description=gettext_lazy("Unfreeze…"), permissions=["change"])
    def unfreeze(self, request: HttpRequest, queryset: QuerySet[Quota]) -> HttpResponse:
        return quota_pages.begin_bulk(request, "unfreeze", queryset)


def used_bar(percent: int) -> SafeString:
    """A small bar with its number; colours only repeat what the number says."""
    grade = "full" if percent >= 100 else "near" if percent >= 80 else "some"
    return format_html(
        '<span class="use use--{}"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="100" height="8"/><rect class="use-part" width="{}" height="8"/></svg>{} %</span>',
        grade,
        max(0, min(percent, 100)),
        percent,
    )


def _around(quota: Quota) -> dict[str, Any]:
    """This month beside the form, and the ways from here."""
    balance = queries.balance(quota.person)
    budget = Budget.objects.filter(person_id=quota.person_id, month=months.month_of()).first()
    sums = [
        (_("Granted"), balance.granted_micros),
        (_("Set aside"), balance.held_micros),
        (_("Spent"), balance.spent_micros),
        (_("Left"), balance.available_micros),
    ]
    return {
        "month": balance.month,
        "sums": [(label, display_dollars(micros)) for label, micros in sums],
        "adjust_address": reverse("admin:ledger_quota_adjust", args=[quota.pk]),
        "entries_address": list_address("ledger_entry", budget__id__exact=budget.pk) if budget else "",
        "budgets_address": list_address("ledger_budget", person__id__exact=quota.person_id),
    }
