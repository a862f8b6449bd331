"""The ledger's facts: budgets with counters, the entries that sum to them, quotas. No rules but constraints."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class BudgetKind(models.TextChoices):
    PERSON = "PERSON"
    HOUSE = "HOUSE"


class EntryKind(models.TextChoices):
    GRANT = "GRANT"
    HOLD = "HOLD"
    CHARGE = "CHARGE"
    RELEASE = "RELEASE"
    ADJUST = "ADJUST"


RESOLUTIONS = (EntryKind.CHARGE, EntryKind.RELEASE)


class Budget(models.Model):
    """One person's money for one month, or the house's: granted = available + held + spent, always.

    The counters are written by `ledger.operations` alone, each time together with the entry that explains the change.
    """

    kind = models.CharField(max_length=6, choices=BudgetKind.choices)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="budgets", db_index=False
    )
    month = models.DateField()
    granted_micros = models.BigIntegerField(db_default=0)
    held_micros = models.BigIntegerField(db_default=0)
    spent_micros = models.BigIntegerField(db_default=0)
    # What charges took above their holds. The limit below leaves it out, so that a real price can always be booked.
    overrun_micros = models.BigIntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "month"], name="budget_person_month_once"),
            models.UniqueConstraint(fields=["month"], condition=Q(kind="HOUSE"), name="budget_house_month_once"),
            models.CheckConstraint(
                condition=Q(kind="PERSON", person__isnull=False)
                | Q(kind="HOUSE", person__isnull=True, granted_micros=0, held_micros=0),
                name="budget_kind_fits_person",
            ),
            models.CheckConstraint(condition=Q(month__day=1), name="budget_month_is_first_day"),
            models.CheckConstraint(
                condition=Q(granted_micros__gte=0, held_micros__gte=0, spent_micros__gte=0, overrun_micros__gte=0),
                name="budget_not_negative",
            ),
            # The last line against overspending, should a statement in operations ever forget its condition.
            models.CheckConstraint(
                condition=Q(kind="HOUSE")
                | Q(granted_micros__gte=F("held_micros") + F("spent_micros") - F("overrun_micros")),
                name="budget_within_grant",
            ),
        ]
        indexes = [models.Index(fields=["month"], name="budget_month")]

    def __str__(self) -> str:
        return f"{self.kind} {self.person_id or ''} {self.month:%Y-%m}"

    @property
    def available_micros(self) -> int:
        """What new holds may take; negative after an overrun."""
        return self.granted_micros - self.held_micros - self.spent_micros


class Entry(models.Model):
    """One immutable ledger line; a database trigger refuses to change, delete or truncate what is written.

    A hold stands open until the CHARGE or RELEASE that names it in `hold`. A CHARGE without one is the house's own. An
    ADJUST with one is a side of a move from the person to the house; without one it takes a grant back, or corrects
    what was spent.
    """

    kind = models.CharField(max_length=7, choices=EntryKind.choices)
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="entries", db_index=False)
    granted_delta = models.BigIntegerField(db_default=0)
    held_delta = models.BigIntegerField(db_default=0)
    spent_delta = models.BigIntegerField(db_default=0)
    # Opaque: the ledger does not know what it stands for.
    reference = models.TextField()
    # As opaque: what the money was for, in the caller's words. An outcome carries its hold's.
    label = models.TextField(blank=True, db_default="")
    hold = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="outcomes", db_index=False)
    reason = models.TextField(blank=True, db_default="")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "entries"
        indexes = [
            models.Index(fields=["budget", "-id"], name="entry_statement"),
            models.Index(fields=["author"], condition=Q(author__isnull=False), name="entry_author"),
            # The few entries that say how much was granted, among the many that spend it.
            models.Index(fields=["budget"], condition=~Q(granted_delta=0), name="entry_grants"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["reference"], condition=Q(kind="HOLD"), name="entry_hold_once"),
            models.UniqueConstraint(
                fields=["hold"], condition=Q(kind__in=["CHARGE", "RELEASE"]), name="entry_hold_resolved_once"
            ),
            models.UniqueConstraint(
                fields=["reference"], condition=Q(kind="CHARGE", hold__isnull=True), name="entry_house_charge_once"
            ),
            models.UniqueConstraint(fields=["hold", "budget"], condition=Q(kind="ADJUST"), name="entry_move_once"),
            models.UniqueConstraint(
                fields=["reference"],
                condition=Q(kind="GRANT") | Q(kind="ADJUST", hold__isnull=True),
                name="entry_grant_once",
            ),
            models.CheckConstraint(condition=~Q(reference=""), name="entry_reference_given"),
            models.CheckConstraint(
                condition=Q(kind="GRANT", granted_delta__gte=0, held_delta=0, spent_delta=0, hold__isnull=True)
                | Q(kind="HOLD", granted_delta=0, held_delta__gt=0, spent_delta=0, hold__isnull=True)
                | Q(kind="CHARGE", granted_delta=0, held_delta__lt=0, spent_delta__gte=0, hold__isnull=False)
                | Q(kind="CHARGE", granted_delta=0, held_delta=0, spent_delta__gt=0, hold__isnull=True)
                | Q(kind="RELEASE", granted_delta=0, held_delta__lt=0, spent_delta=0, hold__isnull=False)
                | (
                    Q(kind="ADJUST", held_delta=0)
                    & (
                        Q(granted_delta__lt=0, spent_delta=0, hold__isnull=True)
                        | (Q(granted_delta=0) & ~Q(spent_delta=0))
                    )
                ),
                name="entry_kind_fits_deltas",
            ),
            models.CheckConstraint(
                condition=~Q(reason="") | Q(kind__in=["HOLD", "RELEASE"]) | Q(kind="CHARGE", hold__isnull=False),
                name="entry_reason_given",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class Spending(models.Model):
    """What was spent of a budget on one day for one label: the sum of its entries, written together with each.

    Days are UTC's and lie in the budget's month: what was spent after it counts for its last day.
    """

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="spendings", db_index=False)
    day = models.DateField()
    label = models.TextField(blank=True)
    spent_micros = models.BigIntegerField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["budget", "day", "label"], name="spending_day_once"),
        ]
        indexes = [models.Index(fields=["day"], name="spending_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.label}"


class Quota(models.Model):
    """What a person's months start with, where it is not the studio's default, and whether they may spend at all."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="quota")
    monthly_micros = models.BigIntegerField(null=True, blank=True, help_text=_("Empty: the studio's default."))
    frozen = models.BooleanField(default=False, help_text=_("A frozen person starts nothing new."))
    rolls_over = models.BooleanField(
        default=False, help_text=_("What was left of the last month used is added to a new month.")
    )

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(monthly_micros__isnull=True) | Q(monthly_micros__gte=0), name="quota_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"quota of {self.person_id}"


class Organisation(models.Model):
    """The one row that says what everybody together may spend in a month. Empty: there is no such cap."""

    monthly_cap_micros = models.BigIntegerField(null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = _("organisation")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(pk=1), name="organisation_once"),
            models.CheckConstraint(
                condition=Q(monthly_cap_micros__isnull=True) | Q(monthly_cap_micros__gte=0),
                name="organisation_cap_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return str(_("organisation"))


class OrganisationMonth(models.Model):
    """What everybody together, the house too, holds and spent in a month; kept only while there is a cap.

    Without a cap there is no row, so that the holds of different people have no row in common to wait for.
    """

    month = models.DateField(unique=True)
    cap_micros = models.BigIntegerField()
    used_micros = models.BigIntegerField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(cap_micros__gte=0, used_micros__gte=0), name="organisation_month_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"organisation {self.month:%Y-%m}"


class AuditRun(models.Model):
    """What one audit found. No drifts: every counter is what its entries sum to. Without an end: it broke off."""

    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    budgets = models.PositiveBigIntegerField(default=0)
    entries = models.PositiveBigIntegerField(default=0)
    drifts = models.JSONField(default=list)

    class Meta:
        get_latest_by = "started_at"

    def __str__(self) -> str:
        return f"audit of {self.started_at:%Y-%m-%d %H:%M}"
