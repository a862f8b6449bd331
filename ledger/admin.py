"""Windows on the ledger: budgets and entries can only be looked at; quotas are set here."""

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from ledger.errors import InvalidAmount
from ledger.models import Budget, Entry, Quota
from ledger.money import display_dollars, format_dollars, parse_dollars
from ledger.quotas import default_micros


class WindowAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """For looking only. Money moves through `ledger.operations` and nowhere else."""

    actions = None
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False


@admin.register(Budget)
class BudgetAdmin(WindowAdmin):
    list_display = ("month", "kind", "person", "granted", "held", "spent", "available")
    list_display_links = ("month", "kind")
    list_filter = ("month", "kind")
    list_select_related = ("person",)
    search_fields = ("person__email",)
    ordering = ("-month", "kind", "person")

    @admin.display(ordering="granted_micros")
    def granted(self, budget: Budget) -> str:
        return display_dollars(budget.granted_micros)

    @admin.display(ordering="held_micros")
    def held(self, budget: Budget) -> str:
        return display_dollars(budget.held_micros)

    @admin.display(ordering="spent_micros")
    def spent(self, budget: Budget) -> str:
        return display_dollars(budget.spent_micros)

    @admin.display
    def available(self, budget: Budget) -> str:
        return display_dollars(budget.available_micros)


@admin.register(Entry)
class EntryAdmin(WindowAdmin):
    list_display = ("id", "created_at", "kind", "budget", "granted", "held", "spent", "reference", "reason", "author")
    list_filter = ("kind", "budget__month")
    list_select_related = ("budget__person", "author")
    search_fields = ("=reference", "budget__person__email")
    ordering = ("-id",)

    @admin.display(ordering="granted_delta")
    def granted(self, entry: Entry) -> str:
        return _signed(entry.granted_delta)

    @admin.display(ordering="held_delta")
    def held(self, entry: Entry) -> str:
        return _signed(entry.held_delta)

    @admin.display(ordering="spent_delta")
    def spent(self, entry: Entry) -> str:
        return _signed(entry.spent_delta)


def _signed(delta_micros: int) -> str:
    if delta_micros == 0:
        return ""
    return f"{'+' if delta_micros > 0 else ''}{display_dollars(delta_micros)}"


class DollarsField(forms.CharField):
    """Dollars in the form, micros behind it; empty is None."""

    def prepare_value(self, value: int | str | None) -> str | None:
        return format_dollars(value) if isinstance(value, int) else value

    def to_python(self, value: str | None) -> int | None:  # type: ignore[override]
        text = super().to_python(value)
        try:
            return parse_dollars(text) if text else None
        except InvalidAmount as error:
            raise forms.ValidationError(f"{error.message} {error.hint}", error.code) from error


class QuotaForm(forms.ModelForm):  # type: ignore[type-arg]
    monthly_micros = DollarsField(
        label="Monthly budget in dollars",
        required=False,
        help_text="For months that begin from now on, like 25.00. Empty: the studio's default.",
    )

    class Meta:
        model = Quota
        fields = ("person", "monthly_micros", "frozen")


@admin.register(Quota)
class QuotaAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = QuotaForm
    list_display = ("person", "monthly", "frozen")
    list_filter = ("frozen",)
    list_select_related = ("person",)
    search_fields = ("person__email",)
    raw_id_fields = ("person",)

    @admin.display(ordering="monthly_micros")
    def monthly(self, quota: Quota) -> str:
        if quota.monthly_micros is None:
            return f"{display_dollars(default_micros())} (default)"
        return display_dollars(quota.monthly_micros)
