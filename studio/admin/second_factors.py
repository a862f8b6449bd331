"""Second factors: who has which, and a way to take one from whoever has lost it. What it is made of is not shown."""

from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from ledger.admin import WindowAdmin

# allauth's own page shows the secret of each, and lets it be changed.
admin.site.unregister(Authenticator)


@admin.register(Authenticator)
class SecondFactorAdmin(WindowAdmin):
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    ordering = ("user__email", "pk")
    fields = ("user", "type", "created_at", "last_used_at")
    readonly_fields = fields

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return request.user.has_perm("mfa.delete_authenticator")
