"""Budgets, entries and audits to look at; from an entry's page the house can take a charge over."""

from datetime import UTC
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from ledger import audit, months
from ledger.admin import adjusting
from ledger.admin.filters import EntryFilter, MonthFilter
from ledger.admin.pages import log, person_of
from ledger.admin.references import guide
from ledger.admin.windows import WindowAdmin, address_of, dollars, link_to, list_address
from ledger.models import AuditRun, Budget, BudgetKind, Entry, EntryKind, Quota

MAX_FOUND = 5000


@admin.register(Budget)
class BudgetAdmin(WindowAdmin):
    list_display = (
        "month_name",
        "kind",
        "person",
        dollars("granted_micros"),
        dollars("held_micros", gettext_lazy("set aside")),
        dollars("spent_micros"),
        "available",
    )
    list_display_links = ("month_name", "kind")
    list_filter = (MonthFilter, "kind")
    list_select_related = ("person",)
    search_fields = ("person__email",)
    ordering = ("-month", "kind", "person")
    fields = (
        "month_name",
        "kind",
        "whose",
        dollars("granted_micros"),
        dollars("held_micros", gettext_lazy("set aside")),
        dollars("spent_micros"),
        "available",
        dollars("overrun_micros"),
        "created_at",
        "ways",
    )
    readonly_fields = fields

    @admin.display(description=gettext_lazy("month"), ordering="month")
    def month_name(self, budget: Budget) -> str:
        return months.month_name(budget.month)

    @admin.display(description=gettext_lazy("left"))
    def available(self, budget: Budget) -> str:
        # The house has no limit, so nothing of it is left or not.
        return "" if budget.kind == BudgetKind.HOUSE else str(dollars("available_micros")(budget))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        budget = self.get_object(request, object_id)
        context = {} if budget is None else {"title": _words(budget), "subtitle": None}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    @admin.display(description=gettext_lazy("person"))
    def whose(self, budget: Budget) -> SafeString | str:
        return link_to(budget.person)

    @admin.display(description=gettext_lazy("more"))
    def ways(self, budget: Budget) -> SafeString:
        entries = format_html(
            '<a href="{}">{}</a>', list_address("ledger_entry", budget__id__exact=budget.pk), _("Entries")
        )
        quota = Quota.objects.filter(person_id=budget.person_id).first() if budget.person_id else None
        if quota is None:
            return entries
        adjust = reverse("admin:ledger_quota_adjust", args=[quota.pk], query={"month": months.month_name(budget.month)})
        more = '{} · <a href="{}">{}</a> · <a href="{}">{}</a>'
        return format_html(more, entries, address_of(quota), _("Quota"), adjust, _("Adjust"))


@admin.register(Entry)
class EntryAdmin(WindowAdmin):
    list_display = (
        "id",
        "at",
        "kind",
        "budget_words",
        dollars("granted_delta", signed=True),
        dollars("held_delta", gettext_lazy("set aside"), signed=True),
        dollars("spent_delta", signed=True),
        "reference",
        "reason",
        "author",
    )
    list_filter = (EntryFilter,)
    list_select_related = ("budget__person", "author")
    search_fields = ("=reference",)
    search_help_text = gettext_lazy("By reference, request id, song’s id or email address, each in full.")
    ordering = ("-id",)
    fields = (
        "kind",
        "budget_link",
        "created_at",
        dollars("granted_delta", signed=True),
        dollars("held_delta", gettext_lazy("set aside"), signed=True),
        dollars("spent_delta", signed=True),
        "reference_link",
        "label",
        "reason",
        "author",
        "related",
        "acts",
    )
    readonly_fields = fields

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Entry],
        search_term: str,
    ) -> tuple[QuerySet[Entry], bool]:
        """Whole terms only: each is looked up in an index, since nothing else is quick among millions."""
        if not (term := search_term.strip()):
            return queryset, False
        budgets = Budget.objects.filter(person__email__iexact=term).values_list("pk", flat=True)
        if found := list(budgets):
            return queryset.filter(budget__in=found), False
        return queryset.filter(pk__in=entries_about([term, *guide.find(term)])), False

    @admin.display(description=gettext_lazy("at (UTC)"), ordering="created_at")
    def at(self, entry: Entry) -> str:
        return f"{entry.created_at.astimezone(UTC):%Y-%m-%d %H:%M}"

    @admin.display(description=gettext_lazy("budget"))
    def budget_words(self, entry: Entry) -> str:
        return _words(entry.budget)

    @admin.display(description=gettext_lazy("budget"))
    def budget_link(self, entry: Entry) -> SafeString:
        return format_html('<a href="{}">{}</a>', address_of(entry.budget), self.budget_words(entry))

    @admin.display(description=gettext_lazy("reference"))
    def reference_link(self, entry: Entry) -> SafeString | str:
        address = guide.address(entry.reference)
        return format_html('<a href="{}">{}</a>', address, entry.reference) if address else entry.reference

    @admin.display(description=gettext_lazy("hold"))
    def related(self, entry: Entry) -> SafeString | str:
        return link_to(entry.hold)

    @admin.display(description=gettext_lazy("acts"))
    def acts(self, entry: Entry) -> SafeString | str:
        if not adjusting.left_to_give_back(entry):
            return ""
        address = reverse("admin:ledger_entry_house_pays", args=[entry.pk])
        return format_html('<a class="button" href="{}">{}</a>', address, _("Let the house pay"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(adjusting.house_pays)
        return [path("<int:entry_id>/house-pays/", view, name="ledger_entry_house_pays"), *super().get_urls()]


def _words(budget: Budget) -> str:
    return f"{months.month_name(budget.month)} {budget.person or _('the house')}"


def entries_about(references: list[str]) -> list[int]:
    """The ids of all entries with these references. Outcomes are found by their holds, whose references are indexed."""
    mine = Entry.objects.filter(reference__in=references)
    holds = list(mine.filter(kind=EntryKind.HOLD).values_list("pk", flat=True))
    found = [
        Entry.objects.filter(hold__in=holds, kind__in=[EntryKind.CHARGE, EntryKind.RELEASE]),
        Entry.objects.filter(hold__in=holds, kind=EntryKind.ADJUST),
        mine.filter(kind=EntryKind.CHARGE, hold__isnull=True),
        mine.filter(Q(kind=EntryKind.GRANT) | Q(kind=EntryKind.ADJUST, hold__isnull=True)),
    ]
    return holds + [pk for rows in found for pk in rows.values_list("pk", flat=True)[:MAX_FOUND]]


@admin.register(AuditRun)
class AuditRunAdmin(WindowAdmin):
    list_display = ("started_at", "finished_at", "verdict", "budgets", "entries")
    ordering = ("-id",)
    fields = ("started_at", "finished_at", "verdict", "budgets", "entries", "found")
    readonly_fields = fields
    change_list_template = "admin/ledger/auditrun/change_list.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        context = {"may_run": request.user.has_perm("ledger.add_auditrun")}
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.display(description=gettext_lazy("verdict"))
    def verdict(self, run: AuditRun) -> str:
        if run.finished_at is None:
            return _("did not end")
        count = len(run.drifts)
        return ngettext("%d drift", "%d drifts", count) % count if count else _("the books balance")

    @admin.display(description=gettext_lazy("drifts"))
    def found(self, run: AuditRun) -> SafeString:
        rows = [f"{drift['rule']} · {drift['budget']} · {drift['books']} ≠ {drift['entries']}" for drift in run.drifts]
        return format_html("<pre>{}</pre>", "\n".join(rows))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(run_audit)
        return [path("run/", view, name="ledger_auditrun_run"), *super().get_urls()]


@require_POST
@permission_required("ledger.add_auditrun", raise_exception=True)
def run_audit(request: HttpRequest) -> HttpResponse:
    found = audit.run()
    count = len(found.drifts)
    log(person_of(request), [(found, ngettext("Ran the audit: %d drift.", "Ran the audit: %d drifts.", count) % count)])
    if count:
        text = ngettext("The ledger drifts in %d place.", "The ledger drifts in %d places.", count)
        messages.error(request, text % count)
    else:
        messages.success(request, _("The books balance: %d entries looked at.") % found.entries)
    return HttpResponseRedirect(address_of(found))
