"""What an admin sees first: a month's money of everybody, what failed lately, and what hangs."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ledger import months, organisation
from ledger.models import RESOLUTIONS, AuditRun, Budget, BudgetKind, Entry, EntryKind, OrganisationMonth, Spending
from ledger.money import format_dollars, whole_percent
from ledger.queries import DaySpending
from studio import endpoints
from studio.models import Generation, LineKind, Reconciliation, Track, User, generation_id_of
from studio.states import GenerationState
from studio.tags import audits

TOP_PEOPLE: Final = 20
SHOWN_HOLDS: Final = 50
SHOWN_HOUSE: Final = 20
SHOWN_DOUBTFUL: Final = 20
FAILURES_SINCE: Final = timedelta(days=7)
HOLD_IS_OLD: Final = timedelta(hours=1)
AUDIT_IS_OLD: Final = timedelta(days=2)
# An audit of millions of entries takes minutes; one that takes longer than this has died.
AUDIT_MAY_TAKE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Alarm:
    message: str
    address: str


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a sum, in micros and in whole percent."""

    name: str
    micros: int
    percent: int
    person: User | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    reason_code: str
    whose: str
    count: int
    percent: int


@dataclass(frozen=True, slots=True)
class OldHold:
    """`generation_id` is None where the reference is no song's."""

    entry: Entry
    age: timedelta
    generation_id: UUID | None


@dataclass(frozen=True, slots=True)
class Totals:
    """A month in micros; `cap` is None without one. Used is held and spent, of people and house."""

    people: int = 0
    house: int = 0
    held: int = 0
    granted: int = 0
    cap: int | None = None

    @property
    def used(self) -> int:
        return self.people + self.house + self.held

    @property
    def cap_percent(self) -> int | None:
        return None if self.cap is None else whole_percent(self.used, self.cap)


@dataclass(frozen=True, slots=True)
class Dashboard:
    month: str
    totals: Totals
    spending: list[DaySpending]
    people: list[Share]
    endpoints: list[Share]
    failures: list[Failure]
    ended: int
    old_holds: list[OldHold]
    old_holds_count: int
    old_holds_micros: int
    house_entries: list[Entry]
    doubtful: list[Track]
    doubtful_count: int
    audit: AuditRun | None
    reconciliation: Reconciliation | None
    differences: int


def read(month: date, now: datetime | None = None) -> Dashboard:
    """A month's money from the sums that are kept of it, and the rest as it stands now; always as many queries."""
    now = now or timezone.now()
    totals = _totals(month)
    spending = _spending(month)
    holds = _old_holds(now)
    held = holds.aggregate(count=Count("pk"), micros=Sum("held_delta", default=0))
    failures, ended = _failures(now)
    doubtful = Track.objects.in_doubt()
    last = Reconciliation.objects.order_by("-started_at", "-pk").first()
    return Dashboard(
        month=months.month_name(month),
        totals=totals,
        spending=spending,
        people=_people(month, totals.people),
        endpoints=_shares(spending),
        failures=failures,
        ended=ended,
        old_holds=[_old_hold(entry, now) for entry in holds[:SHOWN_HOLDS]],
        old_holds_count=held["count"],
        old_holds_micros=int(held["micros"]),
        house_entries=_house_entries(month),
        doubtful=list(doubtful.select_related("person").order_by("created_at")[:SHOWN_DOUBTFUL]),
        doubtful_count=doubtful.count(),
        audit=AuditRun.objects.order_by("-pk").first(),
        reconciliation=last,
        differences=_differences(last),
    )


def alarm(now: datetime | None = None) -> Alarm | None:
    """What is wrong with the last audit of the books, if anything."""
    now = now or timezone.now()
    last = AuditRun.objects.order_by("-pk").first()
    message = _never_audited(now) if last is None else _audit_failed(last, now)
    if not message:
        return None
    address = "" if last is None else reverse("admin:ledger_auditrun_change", args=[last.pk])
    return Alarm(message, address)


def songs_alarm() -> Alarm | None:
    """That songs wait for a person, because no worker is given to them any more."""
    dead = Track.objects.in_doubt().filter(dead_at__isnull=False).count()
    if not dead:
        return None
    message = ngettext(
        "%d song could not be saved and waits for you.", "%d songs could not be saved and wait for you.", dead
    )
    return Alarm(message % dead, reverse("admin:studio_track_changelist", query={"doubt": "dead"}))


def tags_reminder(now: datetime | None = None) -> str:
    """Once a quarter: that somebody should look whether Sonauto's tags are still ours. Empty until then."""
    checked = audits.last_checked()
    if not audits.is_due(checked, now):
        return ""
    words = _(
        "The style tags were last compared with Sonauto's on %s. "
        "Save its tag explorer as a file and run: manage.py tags audit FILE"
    )
    return words % formats.date_format(checked)


def export(month: date) -> Iterator[tuple[str, ...]]:
    """A month's budgets, by email with the house last: month, email, granted, held, spent and available in dollars."""
    name = months.month_name(month)
    # HOUSE comes before PERSON in the alphabet.
    budgets = Budget.objects.filter(month=month).select_related("person").order_by("-kind", "person__email")
    for budget in budgets.iterator(chunk_size=500):
        email = budget.person.email if budget.person else _("the house")
        available = "" if budget.kind == BudgetKind.HOUSE else format_dollars(budget.available_micros)
        sums = (budget.granted_micros, budget.held_micros, budget.spent_micros)
        yield (name, email, *(format_dollars(micros) for micros in sums), available)


# --- The month -------------------------------------------------------------------------------------------------------


def _totals(month: date) -> Totals:
    rows = Budget.objects.filter(month=month).aggregate(
        people=Sum("spent_micros", filter=Q(kind=BudgetKind.PERSON), default=0),
        house=Sum("spent_micros", filter=Q(kind=BudgetKind.HOUSE), default=0),
        held=Sum("held_micros", default=0),
        granted=Sum("granted_micros", default=0),
    )
    return Totals(**{name: int(micros) for name, micros in rows.items()}, cap=_cap(month))


def _cap(month: date) -> int | None:
    """This month's cap is what is set; an earlier month's is the one that was counted then."""
    counted = OrganisationMonth.objects.filter(month=month).values_list("cap_micros", flat=True).first()
    return organisation.cap_micros() if counted is None and month >= months.month_of() else counted


def _spending(month: date) -> list[DaySpending]:
    """What all people and the house spent, by day and label. A day's row lies in its budget's month."""
    rows = Spending.objects.filter(day__gte=month, day__lt=months.resets_at(month).date()).values_list("day", "label")
    sums = rows.annotate(micros=Sum("spent_micros")).order_by("day", "label")
    return [DaySpending(day, label, int(micros)) for day, label, micros in sums if micros]


def _people(month: date, whole: int) -> list[Share]:
    rows = Budget.objects.filter(month=month, kind=BudgetKind.PERSON, spent_micros__gt=0)
    top = rows.select_related("person").order_by("-spent_micros", "person_id")[:TOP_PEOPLE]
    return [
        Share(str(budget.person), budget.spent_micros, whole_percent(budget.spent_micros, whole), budget.person)
        for budget in top
    ]


def _shares(spending: list[DaySpending]) -> list[Share]:
    labels: dict[str, int] = defaultdict(int)
    for part in spending:
        labels[part.label] += part.spent_micros
    whole = sum(labels.values())
    ordered = sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Share(_endpoint_name(label), micros, whole_percent(micros, whole)) for label, micros in ordered if micros]


def _endpoint_name(label: str) -> str:
    if not label:
        return _("Without an endpoint")
    return str(endpoints.ENDPOINTS[label].title) if label in endpoints.ENDPOINTS else label


def _house_entries(month: date) -> list[Entry]:
    house = Budget.objects.filter(month=month, kind=BudgetKind.HOUSE).first()
    rows = Entry.objects.filter(budget=house).select_related("author") if house else Entry.objects.none()
    return list(rows.order_by("-id")[:SHOWN_HOUSE])


# --- Now -------------------------------------------------------------------------------------------------------------


def _failures(now: datetime) -> tuple[list[Failure], int]:
    """Why songs failed in the last days, most often first, and how many ended at all."""
    lately = Generation.objects.filter(finished_at__gte=now - FAILURES_SINCE)
    ready = lately.filter(state=GenerationState.READY).count()
    failed = lately.filter(state=GenerationState.FAILED).values_list("reason_code", "reason_whose")
    rows = list(failed.annotate(songs=Count("pk")).order_by("-songs", "reason_code"))
    ended = ready + sum(count for *_rest, count in rows)
    return [Failure(code, whose, count, whole_percent(count, ended)) for code, whose, count in rows], ended


def _old_holds(now: datetime) -> QuerySet[Entry]:
    """Open holds that should have ended by now, oldest first. Looked for only where money is held."""
    holding = list(Budget.objects.filter(held_micros__gt=0).values_list("pk", flat=True))
    outcomes = Entry.objects.filter(hold=OuterRef("pk"), kind__in=RESOLUTIONS)
    rows = Entry.objects.filter(
        ~Exists(outcomes), budget__in=holding, kind=EntryKind.HOLD, created_at__lt=now - HOLD_IS_OLD
    )
    return rows.select_related("budget__person").order_by("id")


def _old_hold(entry: Entry, now: datetime) -> OldHold:
    return OldHold(entry, now - entry.created_at, generation_id_of(entry.reference))


def _differences(last: Reconciliation | None) -> int:
    return 0 if last is None else last.lines.exclude(kind=LineKind.UNDER_WAY).filter(booked_at=None).count()


def _never_audited(now: datetime) -> str:
    first = Budget.objects.order_by("pk").values_list("created_at", flat=True).first()
    is_old = first is not None and first < now - AUDIT_IS_OLD
    return _("The books were never audited. Is the beat running?") if is_old else ""


def _audit_failed(last: AuditRun, now: datetime) -> str:
    if last.drifts:
        return _("The books don’t balance: the last audit found %d drifts.") % len(last.drifts)
    if last.finished_at is None and last.started_at < now - AUDIT_MAY_TAKE:
        return _("The last audit of the books did not end.")
    if last.started_at < now - AUDIT_IS_OLD:
        return _("The last audit of the books is older than two days. Is the beat running?")
    return ""
