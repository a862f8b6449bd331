"""fal's bill against the books: every run to look at, a new one to start, and a line of it to book to the house."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from ledger.admin import WindowAdmin
from ledger.admin.pages import log, page, person_of, show_error, with_reason
from ledger.admin.windows import address_of, dollars, link_to, list_address
from ledger.errors import LedgerError
from ledger.forms import ReasonForm
from ledger.money import display_dollars
from studio import reconciliation
from studio.errors import StudioError
from studio.models import Reconciliation, ReconciliationLine

RUN = "studio.add_reconciliation"
BOOK = "studio.change_reconciliationline"


@admin.register(Reconciliation)
class ReconciliationAdmin(WindowAdmin):
    list_display = (
        "started_at",
        "since",
        "until",
        "verdict",
        dollars("ours_micros", gettext_lazy("ours")),
        dollars("fals_micros", gettext_lazy("fal’s")),
        "matched",
    )
    ordering = ("-started_at",)
    fields = (
        "verdict",
        "since",
        "until",
        "started_at",
        "finished_at",
        "error",
        "remark",
        dollars("ours_micros", gettext_lazy("ours")),
        dollars("fals_micros", gettext_lazy("fal’s")),
        "matched",
        "not_ours",
        "lines_left_out",
        "author",
        "found",
    )
    readonly_fields = fields
    change_list_template = "admin/studio/reconciliation/change_list.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"may_run": request.user.has_perm(RUN)} | (extra_context or {}))

    @admin.display(description=gettext_lazy("verdict"))
    def verdict(self, run: Reconciliation) -> str:
        if run.finished_at is None:
            return _("did not end")
        return _("equal") if reconciliation.is_equal(run) else _("differs")

    @admin.display(description=gettext_lazy("lines"))
    def found(self, run: Reconciliation) -> SafeString:
        address = list_address("studio_reconciliationline", run__id__exact=run.pk)
        count = run.lines.count()
        return format_html('<a href="{}">{}</a>', address, ngettext("%d line", "%d lines", count) % count)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(run_now)
        return [path("run/", view, name="studio_reconciliation_run"), *super().get_urls()]


@admin.register(ReconciliationLine)
class ReconciliationLineAdmin(WindowAdmin):
    list_display = (
        "request_id",
        "kind",
        "endpoint",
        dollars("ours_micros", gettext_lazy("ours")),
        dollars("fals_micros", gettext_lazy("fal’s")),
        "difference",
        "booked_at",
        "acts",
    )
    list_display_links = ("request_id", "kind")
    list_filter = ("kind", ("booked_at", admin.EmptyFieldListFilter), "endpoint")
    list_select_related = ("run",)
    search_fields = ("=request_id",)
    ordering = ("-run_id", "pk")
    fields = (
        "run",
        "kind",
        "request_id",
        "endpoint",
        "song",
        dollars("ours_micros", gettext_lazy("ours")),
        dollars("fals_micros", gettext_lazy("fal’s")),
        "difference",
        "note",
        "booked_at",
        "booked_by",
        "acts",
    )
    readonly_fields = fields

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "run__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReconciliationLine]:
        return super().get_queryset(request).select_related("run", "generation")

    @admin.display(description=gettext_lazy("difference"))
    def difference(self, line: ReconciliationLine) -> str:
        micros = line.difference_micros
        return f"{'+' if micros > 0 else ''}{display_dollars(micros)}"

    @admin.display(description=gettext_lazy("song"))
    def song(self, line: ReconciliationLine) -> SafeString | str:
        return link_to(line.generation)

    @admin.display(description=gettext_lazy("acts"))
    def acts(self, line: ReconciliationLine) -> SafeString | str:
        if line.kind not in reconciliation.BOOKABLE or line.booked_at is not None:
            return ""
        address = reverse("admin:studio_reconciliationline_book", args=[line.pk])
        return format_html('<a href="{}">{}</a>', address, _("Book to the house"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(book)
        return [path("<int:line_id>/book/", view, name="studio_reconciliationline_book"), *super().get_urls()]


@require_POST
@permission_required(RUN, raise_exception=True)
def run_now(request: HttpRequest) -> HttpResponse:
    """Compares this month; where fal can't be asked, the run says why."""
    found = reconciliation.run(author=person_of(request))  # type: ignore[arg-type]
    if found.error:
        messages.error(request, found.error)
        text = _("Asked fal for its bill, in vain: %s") % found.error
    elif reconciliation.is_equal(found):
        text = _("fal’s bill and the books agree: %d requests in both.") % found.matched
        messages.success(request, text)
    else:
        count = reconciliation.count_differences(found)
        one, many = (
            "%d difference between fal’s bill and the books.",
            "%d differences between fal’s bill and the books.",
        )
        text = ngettext(one, many, count) % count
        messages.warning(request, text)
    log(person_of(request), [(found, text)])
    return HttpResponseRedirect(address_of(found))


@require_http_methods(["GET", "POST"])
@permission_required(BOOK, raise_exception=True)
def book(request: HttpRequest, line_id: int) -> HttpResponse:
    line = get_object_or_404(ReconciliationLine.objects.select_related("run"), pk=line_id)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid() and _booked(request, line, form):
        return HttpResponseRedirect(address_of(line))
    micros = line.difference_micros
    return page(
        request,
        "admin/studio/reconciliationline/book.html",
        _("Book to the house"),
        [(_("Lines"), list_address("studio_reconciliationline", run__id__exact=line.run_id)), (str(line), "")],
        form=form,
        line=line,
        amount=display_dollars(abs(micros)),
        is_more=micros > 0,
        ours=display_dollars(line.ours_micros),
        fals=display_dollars(line.fals_micros),
    )


def _booked(request: HttpRequest, line: ReconciliationLine, form: ReasonForm) -> bool:
    """Whether the line is booked now; what stood in the way is said at the form."""
    was_booked = line.booked_at is not None
    try:
        done = reconciliation.book(line, author=person_of(request), reason=form.cleaned_data["reason"])  # type: ignore[arg-type]
    except StudioError as error:
        form.add_error(None, f"{error.message} {error.hint}")
        return False
    except LedgerError as error:
        show_error(form, error)
        return False
    text = _("Booked %s to the house.") % display_dollars(done.difference_micros)
    if not was_booked:
        log(person_of(request), [(done, with_reason(text, form.cleaned_data["reason"]))])
    messages.success(request, text)
    return True
