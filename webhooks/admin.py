"""Deliveries for the admin to look at; nothing here can be changed."""

from django.contrib import admin

from ledger.admin import WindowAdmin
from webhooks.models import Delivery


@admin.register(Delivery)
class DeliveryAdmin(WindowAdmin):
    list_display = ("received_at", "request_id", "generation_id", "flag", "processed_at", "attempts")
    list_filter = ("flag",)
    search_fields = ("request_id", "generation_id")
    exclude = ("body",)
