"""Deliveries as they arrived, and how often something came that left none."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Flag(models.TextChoices):
    """Why a delivery needs a person's eye."""

    UNKNOWN_GENERATION = "UNKNOWN_GENERATION", _("for a song that isn’t here")
    FOREIGN_REQUEST = "FOREIGN_REQUEST", _("about another request")
    DIFFERENT_PAYLOAD = "DIFFERENT_PAYLOAD", _("a different second body")
    UNREADABLE_BODY = "UNREADABLE_BODY", _("unreadable")
    DEAD = "DEAD", _("dead")


class Outcome(models.TextChoices):
    """What came of a callback that left no delivery."""

    REPEAT = "REPEAT", _("seen before")
    HEADERS = "HEADERS", _("headers missing or malformed")
    SIGNATURE = "SIGNATURE", _("the signature doesn’t hold")
    ACCOUNT = "ACCOUNT", _("another account’s")
    STALE = "STALE", _("signed, but too old or too new")
    ADDRESS = "ADDRESS", _("not from one of fal’s addresses")
    TOO_LARGE = "TOO_LARGE", _("too large")
    METHOD = "METHOD", _("not a POST")
    OUT_OF_REACH = "OUT_OF_REACH", _("could not be judged: fal’s keys or addresses were out of reach")


class Delivery(models.Model):
    """One webhook as it arrived, verified. `generation_id` is what the address said: it may be nobody's."""

    id = models.BigAutoField(primary_key=True)
    generation_id = models.UUIDField(db_index=True)
    request_id = models.CharField(max_length=100)
    # Whether the account was the pinned one. Else the body proves nothing, and the delivery is only a doorbell.
    pinned = models.BooleanField(default=False, db_default=False)
    body = models.BinaryField()
    body_sha256 = models.CharField(max_length=64)
    flag = models.CharField(max_length=20, choices=Flag.choices, blank=True, default="", db_default="")
    received_at = models.DateTimeField(db_default=Now())
    processed_at = models.DateTimeField(null=True)
    # When an admin last sent it through again.
    replayed_at = models.DateTimeField(null=True)
    # The queue of record: claimed by lease, tried again later, and after some tries left for a person to see.
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    run_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "deliveries"
        permissions = [("replay_delivery", "Can replay a delivery")]
        constraints = [
            models.UniqueConstraint(fields=["request_id", "body_sha256"], name="delivery_once"),
            models.CheckConstraint(condition=Q(flag__in=["", *Flag.values]), name="delivery_flag_known"),
        ]
        indexes = [
            models.Index(fields=["run_at"], condition=Q(processed_at=None), name="delivery_waiting"),
            models.Index(fields=["-id"], condition=~Q(flag=""), name="delivery_flagged"),
            # Rows arrive in the order of their time, so this costs an insert next to nothing.
            BrinIndex(fields=["received_at"], name="delivery_received"),
        ]

    def __str__(self) -> str:
        return f"{self.request_id} {self.received_at:%F %T}"


class Tally(models.Model):
    """How often a callback ended in this way within an hour. A forged flood adds to a few rows, and makes no more."""

    hour = models.DateTimeField()
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    count = models.PositiveBigIntegerField()

    class Meta:
        verbose_name = verbose_name_plural = "webhook health"
        constraints = [
            models.UniqueConstraint(fields=["hour", "outcome"], name="tally_once"),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="tally_outcome_known"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.hour:%F %H}h"
