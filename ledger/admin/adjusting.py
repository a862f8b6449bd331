"""One-off adjustments of a person's month, and charges that the house takes over."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import permission_required
from django.db import transaction
from django.db.models import Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ledger import months, operations, queries
from ledger.admin.pages import log, page, person_of, show_error, with_reason
from ledger.admin.quota_pages import crumbs
from ledger.admin.windows import address_of
from ledger.errors import InvalidMonth, LedgerError
from ledger.forms import CORRECTIONS, AdjustForm, Adjusting, ReasonForm
from ledger.models import Budget, BudgetKind, Entry, EntryKind, Quota
from ledger.money import display_dollars
from ledger.queries import Balance

# Who may write a line into the books.
BOOK: Final = "ledger.add_entry"
SIGNS: Final[Mapping[str, int]] = {
    Adjusting.GIVE: 1,
    Adjusting.TAKE: -1,
    Adjusting.SPENT_LESS: -1,
    Adjusting.SPENT_MORE: 1,
}


@require_http_methods(["GET", "POST"])
@permission_required(BOOK, raise_exception=True)
def adjust(request: HttpRequest, quota_id: int) -> HttpResponse:
    """A form, then what it would do, then the booking; ``?month=2026-10`` corrects an earlier month."""
    quota = get_object_or_404(Quota.objects.select_related("person"), pk=quota_id)
    month = _month(request, quota)
    if request.method == "GET":
        return _form_page(request, quota, month, AdjustForm(initial={"token": uuid.uuid4()}))
    form = AdjustForm(request.POST)
    if form.is_valid():
        said = form.cleaned_data
        try:
            if "edit" in request.POST:
                return _form_page(request, quota, month, form)
            if "book" not in request.POST:
                return _form_page(request, quota, month, form, after=_after(quota, month, said))
            entry = _book(quota, month, said, author=person_of(request))
        except LedgerError as error:
            show_error(form, error)
        else:
            messages.success(request, _("Booked: %s.") % _in_words(said, month))
            return HttpResponseRedirect(address_of(entry))
    return _form_page(request, quota, month, form)


def _month(request: HttpRequest, quota: Quota) -> str:
    """The month travels with the form, so that what is looked at before midnight is booked there after it."""
    present = months.month_name(months.month_of())
    try:
        month = months.parse_begun_month(request.GET.get("month") or present)
    except InvalidMonth as error:
        raise Http404(error.message) from None
    # There is nothing to correct where no budget is, and opening it would give a month's money.
    if months.month_name(month) != present and not Budget.objects.filter(person=quota.person, month=month).exists():
        raise Http404
    return months.month_name(month)


def _start(month: str) -> datetime:
    return months.start_of(months.parse_month(month))


def _balance(quota: Quota, month: str) -> Balance:
    is_now = month == months.month_name(months.month_of())
    return queries.balance(quota.person) if is_now else queries.balance_of(quota.person, month)


def _after(quota: Quota, month: str, said: Mapping[str, Any]) -> dict[str, int]:
    """What the balance would be. Done in the books and taken back, so that the ledger itself says what it refuses."""
    with transaction.atomic():
        _move(quota, month, said, author=None)
        after = _balance(quota, month)
        transaction.set_rollback(True)
    return _sums(after)


def _sums(balance: Balance) -> dict[str, int]:
    return {
        "granted": balance.granted_micros,
        "held": balance.held_micros,
        "spent": balance.spent_micros,
        "available": balance.available_micros,
    }


def _book(quota: Quota, month: str, said: Mapping[str, Any], *, author: AbstractBaseUser) -> Entry:
    with transaction.atomic():
        # Whoever sends the form twice waits here, and finds the entry.
        Quota.objects.select_for_update().get(pk=quota.pk)
        is_new = not Entry.objects.filter(
            reference=_reference(said), kind__in=[EntryKind.GRANT, EntryKind.ADJUST]
        ).exists()
        entry = _move(quota, month, said, author=author)
        if is_new:
            text = with_reason(f"{_in_words(said, month)}.", said["reason"])
            log(author, [(quota, text), (entry, text)])
    return entry


def _move(quota: Quota, month: str, said: Mapping[str, Any], *, author: AbstractBaseUser | None) -> Entry:
    micros = SIGNS[said["kind"]] * said["amount"]
    common: dict[str, Any] = {
        "person": quota.person,
        "reference": _reference(said),
        "reason": said["reason"],
        "author": author,
        "now": _start(month),
    }
    if said["kind"] in CORRECTIONS:
        return operations.adjust(spent_micros=micros, house_pays=said["house_pays"], **common)
    return operations.grant(amount_micros=micros, **common)


def _reference(said: Mapping[str, Any]) -> str:
    return f"admin:{said['token']}"


def _in_words(said: Mapping[str, Any], month: str) -> str:
    amount = display_dollars(said["amount"])
    words = {
        Adjusting.GIVE: _("%(amount)s given for %(month)s"),
        Adjusting.TAKE: _("%(amount)s taken back from %(month)s"),
        Adjusting.SPENT_LESS: _("%(amount)s less spent in %(month)s"),
        Adjusting.SPENT_MORE: _("%(amount)s more spent in %(month)s"),
    }[said["kind"]] % {"amount": amount, "month": month}
    if said["kind"] in CORRECTIONS and said["house_pays"]:
        words += _(", the house pays the difference")
    return words


def _form_page(
    request: HttpRequest, quota: Quota, month: str, form: AdjustForm, after: Mapping[str, int] | None = None
) -> HttpResponse:
    before = _sums(_balance(quota, month))
    labels = {"granted": _("Granted"), "held": _("Set aside"), "spent": _("Spent"), "available": _("Left")}
    rows = [
        (label, display_dollars(before[name]), display_dollars(after[name]) if after else "")
        for name, label in labels.items()
    ]
    return page(
        request,
        "admin/ledger/quota/adjust.html",
        _("Adjust %(month)s of %(person)s") % {"month": month, "person": quota.person},
        crumbs((str(quota.person), address_of(quota)), (_("Adjust"), "")),
        form=form,
        month=month,
        rows=rows,
        previewed=after is not None,
        what=_in_words(form.cleaned_data, month) if after is not None else "",
    )


# --- The house takes over a charge -----------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@permission_required(BOOK, raise_exception=True)
def house_pays(request: HttpRequest, entry_id: int) -> HttpResponse:
    """Gives a person back what a charge took, and lets the house pay it: once, and all of it."""
    entry = get_object_or_404(Entry.objects.select_related("budget__person"), pk=entry_id)
    micros = left_to_give_back(entry)
    if not micros:
        messages.info(request, _("There is nothing of this entry that the house could still take over."))
        return HttpResponseRedirect(address_of(entry))
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            given = _give_back(entry, form.cleaned_data["reason"], author=person_of(request))
        except LedgerError as error:
            show_error(form, error)
        else:
            messages.success(request, _("The house has taken over %s.") % display_dollars(-given.spent_delta))
            return HttpResponseRedirect(address_of(given))
    return page(
        request,
        "admin/ledger/entry/house_pays.html",
        _("Let the house pay"),
        [(_("Entries"), reverse("admin:ledger_entry_changelist")), (str(entry), address_of(entry)), (_("House"), "")],
        form=form,
        entry=entry,
        person=entry.budget.person,
        amount=display_dollars(micros),
    )


def left_to_give_back(entry: Entry) -> int:
    """How much of a person's charge the house has not taken over yet, in micros."""
    if entry.kind != EntryKind.CHARGE or entry.budget.kind != BudgetKind.PERSON:
        return 0
    if Entry.objects.filter(reference=_house_reference(entry), kind=EntryKind.ADJUST, hold__isnull=True).exists():
        return 0
    moved = Entry.objects.filter(hold_id=entry.hold_id, budget_id=entry.budget_id, kind=EntryKind.ADJUST)
    return entry.spent_delta + int(moved.aggregate(micros=Sum("spent_delta", default=0))["micros"])


def _house_reference(entry: Entry) -> str:
    return f"house-pays:{entry.pk}"


def _give_back(entry: Entry, reason: str, *, author: AbstractBaseUser) -> Entry:
    with transaction.atomic():
        # Whoever sends the form twice waits here, and finds the entry.
        Budget.objects.select_for_update(no_key=True).get(pk=entry.budget_id)
        if not (micros := left_to_give_back(entry)):
            return Entry.objects.get(reference=_house_reference(entry), budget=entry.budget)
        given = operations.adjust(
            person=entry.budget.person,
            spent_micros=-micros,
            reference=_house_reference(entry),
            reason=reason,
            author=author,
            house_pays=True,
            now=months.start_of(entry.budget.month),
        )
        text = _("%s of this charge was taken over by the house.") % display_dollars(micros)
        log(author, [(entry, with_reason(text, reason))])
    return given
