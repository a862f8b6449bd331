"""Windows on generations, tracks and tokens; states and money move by the studio's own verbs only."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ledger.admin import WindowAdmin, references
from ledger.admin.pages import person_of
from ledger.admin.windows import dollars, link_to, list_address
from studio import endpoints, timeline, tracks
from studio.admin.storage import storage_page
from studio.admin.traffic import fal_page
from studio.errors import StudioError
from studio.models import AccessToken, Generation, Track, User, generation_id_of
from studio.states import TrackState

MAX_AT_ONCE: Final = 100


def song_address(reference: str) -> str | None:
    """The admin's page of the song that a reference of the ledger stands for."""
    song_id = generation_id_of(reference)
    return reverse("admin:studio_generation_change", args=[song_id]) if song_id else None


def references_for(term: str) -> Sequence[str]:
    """The ledger's references for a song's id or fal's request id."""
    song_id = _uuid(term)
    same = Generation.objects.filter(Q(request_id=term) | Q(pk=song_id) if song_id else Q(request_id=term))
    return [row.hold_reference for row in same.only("pk")]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


references.explain(address=song_address, find=references_for)


class EndpointFilter(admin.SimpleListFilter):
    """The endpoints that the studio offers; asking the songs for them would read all of them."""

    title = gettext_lazy("endpoint")
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:  # noqa: ARG002
        return [(endpoint.key, endpoint.title) for endpoint in endpoints.ENDPOINTS.values()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        return queryset.filter(endpoint=self.value()) if self.value() else queryset


class TrackInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Track
    fields = ("variation", "title", "state", "duration_ms", "loudness_lufs", "reason_code", "alarm")
    readonly_fields = fields
    extra = 0
    can_delete = False
    show_change_link = True

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
        dollars("cost_micros"),
        dollars("charged_micros"),
        "request_id",
    )
    list_filter = ("state", EndpointFilter, "reason_whose")
    search_fields = ("=id", "=request_id", "person__email")
    search_help_text = gettext_lazy("By request id, the song’s id or email address.")
    list_select_related = ("person",)
    # What a person wrote is theirs: an admin sees states and money, not words.
    exclude = ("recipe", "written_tags", "written_lyrics", "cost_micros", "charged_micros", "person")
    readonly_fields = ("whose", "money", "what_happened")
    inlines = (TrackInline,)

    def get_fields(self, request: HttpRequest, obj: Generation | None = None) -> Any:
        """The same as always, with whose it is and what it cost on top."""
        names = [name for name in super().get_fields(request, obj) if name not in self.readonly_fields]
        return [*self.readonly_fields, *names]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(fal_page)
        return [path("fal/", view, name="studio_generation_fal"), *super().get_urls()]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "reason_code" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description=gettext_lazy("person"))
    def whose(self, generation: Generation) -> SafeString | str:
        return link_to(generation.person)

    @admin.display(description=gettext_lazy("money"))
    def money(self, generation: Generation) -> SafeString:
        text = _("costs %(cost)s") % {"cost": dollars("cost_micros")(generation)}
        if generation.charged_micros is not None:
            text += ", " + _("%(charged)s charged") % {"charged": dollars("charged_micros")(generation)}
        entries = list_address("ledger_entry", q=generation.hold_reference)
        return format_html('{} · <a href="{}">{}</a>', text, entries, _("Entries"))

    @admin.display(description=gettext_lazy("what happened"))
    def what_happened(self, generation: Generation) -> SafeString:
        moments = timeline.read(generation, list(generation.tracks.all()))
        return render_to_string("admin/studio/timeline.html", {"timeline": moments})


class DoubtFilter(admin.SimpleListFilter):
    title = gettext_lazy("doubt")
    parameter_name = "doubt"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:  # noqa: ARG002
        return [("any", _("With an alarm")), ("dead", _("Left for a person")), ("missing", _("Files are missing"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        match self.value():
            case "any":
                return queryset.filter(state=TrackState.PENDING).exclude(alarm="")
            case "dead":
                return queryset.filter(state=TrackState.PENDING, dead_at__isnull=False)
            case "missing":
                return queryset.filter(state=TrackState.READY, purged_at=None).exclude(alarm="")
        return queryset


@admin.register(Track)
class TrackAdmin(WindowAdmin):
    list_display = ("created_at", "person", "state", "alarm", "attempts", "deaths", "master_format", "master_bytes")
    list_filter = (DoubtFilter, "state", "master_storage")
    search_fields = ("=id", "person__email")
    list_select_related = ("person",)
    exclude = ("source_url",)
    actions = ("try_again",)  # type: ignore[assignment] # unlike other windows, this one has an act

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(storage_page)
        return [path("storage/", view, name="studio_track_storage"), *super().get_urls()]

    def has_act_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("studio.change_track")

    @admin.action(permissions=["act"], description=gettext_lazy("Fetch again"))
    def try_again(self, request: HttpRequest, queryset: "QuerySet[Track]") -> None:
        """Whatever can't be fetched again is named, and stops nothing else."""
        author = person_of(request)
        assert isinstance(author, User)  # noqa: S101 - there are no other people
        fetched = 0
        for track in queryset.order_by("created_at")[:MAX_AT_ONCE]:
            try:
                tracks.try_again(track.pk, author=author)
            except StudioError as error:
                messages.error(request, f"{track}: {error.message} {error.hint}")
            else:
                fetched += 1
        if fetched:
            messages.success(
                request, ngettext("%d track is fetched again.", "%d tracks are fetched again.", fetched) % fetched
            )


@admin.register(AccessToken)
class AccessTokenAdmin(WindowAdmin):
    list_display = ("person", "name", "scopes", "hint", "created_at", "last_used_at", "revoked_at")
    exclude: ClassVar[tuple[str, ...]] = ("digest",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[AccessToken]":
        return super().get_queryset(request).select_related("person")
