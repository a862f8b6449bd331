"""Windows on the ledger: budgets and entries can only be looked at; quotas are set here."""

from typing import Any

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

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
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


class QuotaForm(forms.ModelForm):  # type: ignore[type-arg]
    """A quota as people write it: in dollars."""

    monthly_dollars = forms.CharField(required=False, help_text="From next month on, like 25.00. Empty: the studio's default.")

    class Meta:
        model = Quota
        fields = ("person", "monthly_dollars", "frozen")

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        own = self.instance.monthly_micros
        self.initial.setdefault("monthly_dollars", "" if own is None else format_dollars(own))

    def clean_monthly_dollars(self) -> int | None:
        text = self.cleaned_data["monthly_dollars"]
        try:
            return parse_dollars(text) if text else None
        except InvalidAmount as error:
            raise forms.ValidationError(f"{error.message} {error.hint}", error.code) from error

    def save(self, commit: bool = True) -> Quota:  # noqa: FBT001, FBT002
        self.instance.monthly_micros = self.cleaned_data["monthly_dollars"]
        quota: Quota = super().save(commit)
        return quota


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
