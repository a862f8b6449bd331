"""The way of a change of many quotas: what is wished, what it would do, and the word to do it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core import signing
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from ledger import quota_import, quota_plans
from ledger.admin.pages import Crumb, log, page, person_of, show_error, with_reason
from ledger.errors import LedgerError
from ledger.forms import WHEN, AmountForm, ConfirmForm, UploadForm, carried
from ledger.models import Quota
from ledger.money import display_dollars
from ledger.quota_plans import Done, Plan, PlanOutdated, Wish
from ledger.quotas import TakesEffect

CHANGE: Final = "ledger.change_quota"
PEOPLE_SALT: Final = "ledger.quota-people"
SHOWN_STEPS: Final = 100
SHOWN_FAULTS: Final = 1000
NAMED_SHORT: Final = 20
# What a form carries has a limit; this many people fit.
MAX_PEOPLE: Final = 15_000


@dataclass(frozen=True, slots=True)
class Act:
    """A thing to do to many; `asks` for an amount first."""

    title: str | Promise
    asks: bool = False


ACTS: Final[Mapping[str, Act]] = {
    "set": Act(gettext_lazy("Set the monthly budget"), asks=True),
    "raise": Act(gettext_lazy("Raise the monthly budget"), asks=True),
    "default": Act(gettext_lazy("Back to the default budget")),
    "freeze": Act(gettext_lazy("Freeze")),
    "unfreeze": Act(gettext_lazy("Unfreeze")),
}


def crumbs(*more: Crumb) -> list[Crumb]:
    return [(_("Quotas"), reverse("admin:ledger_quota_changelist")), *more]


# --- What is wished --------------------------------------------------------------------------------------------------


def begin_bulk(request: HttpRequest, act: str, queryset: QuerySet[Quota]) -> HttpResponse:
    """The page after an action was chosen in the list: asks how much, or shows at once what would change."""
    person_ids = list(queryset.order_by().values_list("person_id", flat=True)[: MAX_PEOPLE + 1])
    if len(person_ids) > MAX_PEOPLE:
        text = _("These are more than %d people. Choose fewer at a time, with the filters.") % MAX_PEOPLE
        messages.error(request, text)
        return HttpResponseRedirect(request.get_full_path())
    if ACTS[act].asks:
        return _ask_amount(request, act, person_ids, AmountForm())
    return _preview(request, str(ACTS[act].title), _plain_wishes(act, person_ids))


@require_POST
@permission_required(CHANGE, raise_exception=True)
def bulk(request: HttpRequest, act: str) -> HttpResponse:
    """The amount is given: show what it would change."""
    if act not in ACTS or not ACTS[act].asks:
        raise Http404
    person_ids = _carried_people(request)
    form = AmountForm(request.POST)
    if form.is_valid():
        try:
            wishes = _amount_wishes(act, person_ids, form.cleaned_data["amount"])
        except LedgerError as error:
            show_error(form, error)
        else:
            return _preview(request, str(ACTS[act].title), wishes)
    return _ask_amount(request, act, person_ids, form)


def _ask_amount(request: HttpRequest, act: str, person_ids: Sequence[int], form: AmountForm) -> HttpResponse:
    chosen = Quota.objects.filter(person__in=person_ids[:SHOWN_STEPS]).select_related("person")
    title = str(ACTS[act].title)
    return page(
        request,
        "admin/ledger/quota/amount.html",
        title,
        crumbs((title, "")),
        form=form,
        address=reverse("admin:ledger_quota_bulk", args=[act]),
        raises=act == "raise",
        people=signing.dumps(list(person_ids), salt=PEOPLE_SALT, compress=True),
        chosen=[(quota.person, quota_plans.monthly_in_words(quota.monthly_micros)) for quota in chosen],
        count=len(person_ids),
        more=max(0, len(person_ids) - SHOWN_STEPS),
    )


def _carried_people(request: HttpRequest) -> list[int]:
    try:
        found: list[int] = signing.loads(request.POST.get("people", ""), salt=PEOPLE_SALT)
    except signing.BadSignature:
        raise Http404 from None
    return found


def _plain_wishes(act: str, person_ids: Iterable[int]) -> list[Wish]:
    wished: dict[str, Any] = {
        "default": {"monthly_micros": None},
        "freeze": {"frozen": True},
        "unfreeze": {"frozen": False},
    }
    return [Wish(person_id, **wished[act]) for person_id in person_ids]


def _amount_wishes(act: str, person_ids: Sequence[int], micros: int) -> list[Wish]:
    if act == "set":
        return [Wish(person_id, micros) for person_id in person_ids]
    return quota_plans.raised(Quota.objects.filter(person__in=person_ids), micros)


@require_http_methods(["GET", "POST"])
@permission_required(CHANGE, raise_exception=True)
def upload(request: HttpRequest) -> HttpResponse:
    """Takes a CSV file and shows what it would change, or every line that is wrong."""
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    faults: list[quota_import.Fault] = []
    if form.is_valid():
        found = quota_import.read(form.cleaned_data["file"].read())
        if not found.faults:
            return _preview(request, _("Import quotas"), found.wishes)
        faults = found.faults
    return page(
        request,
        "admin/ledger/quota/import.html",
        _("Import quotas"),
        crumbs((_("Import"), "")),
        form=form,
        faults=faults[:SHOWN_FAULTS],
        fault_count=len(faults),
        more=max(0, len(faults) - SHOWN_FAULTS),
    )


# --- What it would do, and doing it ----------------------------------------------------------------------------------


def _preview(
    request: HttpRequest, title: str, wishes: Sequence[Wish], refused: ConfirmForm | None = None
) -> HttpResponse:
    planned = quota_plans.plan(wishes)
    form = ConfirmForm(initial={"wishes": carried(list(planned.wishes)), "seen": planned.seen, "takes_effect": "NOW"})
    return _plan_page(request, title, planned, refused or form)


def _plan_page(request: HttpRequest, title: str, planned: Plan, form: ConfirmForm, error: str = "") -> HttpResponse:
    shown = [(step.quota.person, quota_plans.differences(step)) for step in planned.steps[:SHOWN_STEPS]]
    return page(
        request,
        "admin/ledger/quota/confirm.html",
        title,
        crumbs((title, "")),
        form=form,
        error=error,
        plan_title=title,
        address=reverse("admin:ledger_quota_confirm"),
        steps=shown,
        count=len(planned.steps),
        more=max(0, len(planned.steps) - SHOWN_STEPS),
        unchanged=planned.unchanged,
        # Freezing takes effect at once in any case.
        asks_when=any(step.before.monthly_micros != step.after.monthly_micros for step in planned.steps),
    )


@require_POST
@permission_required(CHANGE, raise_exception=True)
def confirm(request: HttpRequest) -> HttpResponse:
    """Carries out what was shown, all of it or nothing; what has changed meanwhile is shown again."""
    title = request.POST.get("title", "")[:80] or _("Change quotas")
    form = ConfirmForm(request.POST)
    if not form.is_valid():
        if "wishes" in form.errors:
            messages.error(request, _("This preview is too old, and nothing was done. Begin again."))
            return HttpResponseRedirect(reverse("admin:ledger_quota_changelist"))
        return _plan_page(request, title, quota_plans.plan(form.cleaned_data["wishes"]), form)
    said = form.cleaned_data
    try:
        done = _carry_out(request, said)
    except PlanOutdated as error:
        planned = quota_plans.plan(said["wishes"])
        # The fields keep what was typed; what is confirmed next is what is shown now.
        form.data = request.POST.copy()
        form.data["seen"] = planned.seen
        return _plan_page(request, title, planned, form, f"{error.message} {error.hint}")
    messages.success(request, ngettext("%d quota was changed.", "%d quotas were changed.", len(done)) % len(done))
    say_what_was_short(request, done)
    return HttpResponseRedirect(reverse("admin:ledger_quota_changelist"))


def _carry_out(request: HttpRequest, said: Mapping[str, Any]) -> list[Done]:
    author = person_of(request)
    with transaction.atomic():
        done = quota_plans.carry_out(
            said["wishes"],
            takes_effect=TakesEffect(said["takes_effect"]),
            reason=said["reason"],
            author=author,
            seen=said["seen"],
        )
        log(author, ((one.step.quota, in_words(one, said)) for one in done))
    return done


# --- In words --------------------------------------------------------------------------------------------------------


def in_words(done: Done, how: Mapping[str, Any]) -> str:
    """What was done, for the log: before and after, when, and why."""
    rows = [f"{what}: {before} → {after}" for what, before, after in quota_plans.differences(done.step)]
    if done.step.before.monthly_micros != done.step.after.monthly_micros:
        rows.append(str(dict(WHEN)[TakesEffect(how["takes_effect"])]))
    if done.change.granted_delta:
        rows.append(_("this month %s") % _signed(done.change.granted_delta))
    return with_reason("; ".join(rows) + ".", how["reason"])


def _signed(micros: int) -> str:
    return f"{'+' if micros > 0 else ''}{display_dollars(micros)}"


def say_what_was_short(request: HttpRequest, done: Sequence[Done]) -> None:
    """Name those whose month could not be lowered by all of it, because it is held or spent."""
    short = [one for one in done if one.change.short_micros]
    if not short:
        return
    names = [f"{one.step.quota.person} ({display_dollars(one.change.short_micros)})" for one in short[:NAMED_SHORT]]
    if len(short) > NAMED_SHORT:
        names.append(_("and %d more") % (len(short) - NAMED_SHORT))
    text = _("This month not everything could be taken back, since it is set aside or spent already: %s.")
    messages.warning(request, text % ", ".join(names))
