"""People: what they use, and the ways to let them go without losing a line of the books."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import BaseUserCreationForm
from django.db.models import F, FilteredRelation, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ledger import months
from ledger.admin.windows import dollars, list_address
from ledger.models import Quota
from studio.admin import letting_go
from studio.models import User


class PersonCreationForm(BaseUserCreationForm):  # type: ignore[type-arg] # generic in the stubs only
    class Meta:
        model = User
        fields = ("email",)


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    add_form = PersonCreationForm
    ordering = ("email",)
    list_display = (
        "email",
        "first_name",
        "last_name",
        dollars("spent", gettext_lazy("spent this month")),
        dollars("held", gettext_lazy("set aside")),
        "quota_link",
        "is_active",
        "is_staff",
        "last_login",
    )
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "first_name", "last_name")
    actions = ("deactivate", "anonymise")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (gettext_lazy("Person"), {"fields": ("first_name", "last_name", "money")}),
        (gettext_lazy("May"), {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        (gettext_lazy("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("money",)
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "password1", "password2")}),)

    def get_queryset(self, request: HttpRequest) -> Any:
        this_month = FilteredRelation("budgets", condition=Q(budgets__month=months.month_of()))
        quota = Quota.objects.filter(person_id=OuterRef("pk")).values("pk")[:1]
        return (
            super()
            .get_queryset(request)
            .annotate(month_budget=this_month)
            .annotate(
                spent=Coalesce(F("month_budget__spent_micros"), 0),
                held=Coalesce(F("month_budget__held_micros"), 0),
                quota_id=Subquery(quota),
            )
        )

    @admin.display(description=gettext_lazy("quota"))
    def quota_link(self, person: Any) -> SafeString:
        """Who has no quota yet has a place in the list, which makes one."""
        if person.quota_id:
            address = reverse("admin:ledger_quota_change", args=[person.quota_id])
        else:
            address = list_address("ledger_quota", q=person.email)
        return format_html('<a href="{}">{}</a>', address, _("Quota"))

    @admin.display(description=gettext_lazy("money"))
    def money(self, person: Any) -> SafeString:
        ways = [
            (self.quota_link(person), ""),
            (list_address("ledger_budget", person__id__exact=person.pk), _("Months")),
            (list_address("studio_generation", person__id__exact=person.pk), _("Songs")),
        ]
        (quota, _none), months_way, songs_way = ways
        return format_html('{} · <a href="{}">{}</a> · <a href="{}">{}</a>', quota, *months_way, *songs_way)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Who is active is deactivated by the action, which ends sessions and tokens too; a tick would not."""
        fields = super().get_readonly_fields(request, obj)
        return [*fields, "is_active"] if obj is not None and obj.is_active else fields

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:  # noqa: ARG002
        # A person with money in the books is deactivated or anonymised, never deleted.
        return False

    def has_anonymise_permission(self, request: HttpRequest) -> bool:
        """It can't be undone, so it takes the permission that deleting would."""
        return request.user.has_perm("studio.delete_user")

    @admin.action(description=gettext_lazy("Deactivate…"), permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        return letting_go.deactivate(request, queryset)

    @admin.action(description=gettext_lazy("Anonymise…"), permissions=["anonymise"])
    def anonymise(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        return letting_go.anonymise(request, queryset)
