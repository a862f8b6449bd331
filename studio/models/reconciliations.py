"""What a comparison of fal's bill with the books has found. Fields and constraints, no rules."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class LineKind(models.TextChoices):
    ONLY_OURS = "ONLY_OURS", _("only ours")
    ONLY_FALS = "ONLY_FALS", _("only fal's")
    DIFFERS = "DIFFERS", _("differs")
    PRICE = "PRICE", _("price")
    # fal has billed what the studio still waits for: not a difference, unless it stays.
    UNDER_WAY = "UNDER_WAY", _("under way")


class Reconciliation(models.Model):
    """One comparison of fal's bill with the books, from `since` to before `until`. Without an end: it broke off.

    The sums are those of the requests that were compared; `not_ours` counts lines of the bill that are of no concern.
    """

    since = models.DateTimeField()
    until = models.DateTimeField()
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="")
    remark = models.TextField(blank=True, default="")
    ours_micros = models.BigIntegerField(default=0)
    fals_micros = models.BigIntegerField(default=0)
    matched = models.PositiveBigIntegerField(default=0)
    not_ours = models.PositiveBigIntegerField(default=0)
    # Found, and beyond what is kept of one run.
    lines_left_out = models.PositiveBigIntegerField(default=0)
    author = models.ForeignKey("studio.User", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        get_latest_by = "started_at"
        indexes = [models.Index(fields=["-started_at"], name="reconciliation_latest")]

    def __str__(self) -> str:
        return f"reconciliation of {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"


class ReconciliationLine(models.Model):
    """A request that the two sides don't say the same of, or (PRICE) an endpoint whose price they don't agree on."""

    run = models.ForeignKey(Reconciliation, on_delete=models.CASCADE, related_name="lines")
    kind = models.CharField(max_length=9, choices=LineKind.choices)
    request_id = models.TextField(blank=True)
    # The key of ours, else fal's id.
    endpoint = models.TextField()
    generation = models.ForeignKey("studio.Generation", on_delete=models.PROTECT, null=True, related_name="+")
    ours_micros = models.BigIntegerField()
    fals_micros = models.BigIntegerField()
    note = models.TextField(blank=True)
    booked_at = models.DateTimeField(null=True)
    booked_by = models.ForeignKey("studio.User", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["request_id"], name="reconciliation_line_request")]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=LineKind.values), name="reconciliation_line_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.request_id or self.endpoint}"

    @property
    def difference_micros(self) -> int:
        """What fal billed beyond what the books say; negative where it billed less."""
        return self.fals_micros - self.ours_micros
