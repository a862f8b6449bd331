"""People to manage, and windows on what they made; states and money move by the studio's own verbs only."""

from typing import ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import BaseUserCreationForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ledger.admin import WindowAdmin
from studio.models import AccessToken, Event, Generation, Track, User


class PersonCreationForm(BaseUserCreationForm):  # type: ignore[type-arg] # generic in the stubs only
    class Meta:
        model = User
        fields = ("email",)


@admin.register(User)
class PersonAdmin(UserAdmin):  # type: ignore[type-arg]
    add_form = PersonCreationForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "first_name", "last_name")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name")}),
        (_("May"), {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "password1", "password2")}),)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:  # noqa: ARG002
        # A person with money in the books is deactivated, never deleted.
        return False


class TrackInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Track
    fields = ("variation", "title", "state", "duration_ms", "loudness_lufs", "reason_code", "alarm")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False


class EventInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Event
    fields = ("at", "name", "data")
    readonly_fields = fields
    ordering = ("pk",)
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002
        return False


@admin.register(Generation)
class GenerationAdmin(WindowAdmin):
    list_display = (
        "created_at",
        "person",
        "endpoint",
        "state",
        "reason_code",
        "cost_micros",
        "charged_micros",
        "request_id",
    )
    list_filter = ("state", "endpoint", "reason_whose")
    search_fields = ("id", "request_id", "person__email")
    list_select_related = ("person",)
    # What a person wrote is theirs: an admin sees states and money, not words.
    exclude = ("recipe", "written_tags", "written_lyrics")
    inlines = (TrackInline, EventInline)


@admin.register(Track)
class TrackAdmin(WindowAdmin):
    list_display = ("created_at", "person", "state", "master_format", "master_bytes", "attempts", "alarm")
    list_filter = ("state", "master_storage")
    search_fields = ("id", "person__email")
    list_select_related = ("person",)
    exclude = ("source_url",)


@admin.register(AccessToken)
class AccessTokenAdmin(WindowAdmin):
    list_display = ("person", "name", "hint", "created_at", "last_used_at", "revoked_at")
    exclude: ClassVar[tuple[str, ...]] = ("digest",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[AccessToken]":
        return super().get_queryset(request).select_related("person")
