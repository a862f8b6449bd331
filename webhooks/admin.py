"""Deliveries for the admin to look at; nothing here can be changed."""

from django.contrib import admin
from django.http import HttpRequest

from webhooks.models import Delivery


@admin.register(Delivery)
class DeliveryAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # generic in the stubs only
    list_display = ("received_at", "request_id", "generation_id", "flag", "processed_at", "attempts")
    list_filter = ("flag",)
    search_fields = ("request_id", "generation_id")
    exclude = ("body",)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Delivery | None = None) -> bool:  # noqa: ARG002
        return False
