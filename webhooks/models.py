"""Deliveries as they arrived."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Flag(models.TextChoices):
    """Why a delivery needs a person's eye."""

    UNKNOWN_GENERATION = "UNKNOWN_GENERATION"
    FOREIGN_REQUEST = "FOREIGN_REQUEST"
    DIFFERENT_PAYLOAD = "DIFFERENT_PAYLOAD"
    UNREADABLE_BODY = "UNREADABLE_BODY"
    DEAD = "DEAD"


class Delivery(models.Model):
    """One webhook as it arrived, verified. `generation_id` is what the address said: it may be nobody's."""

    id = models.BigAutoField(primary_key=True)
    generation_id = models.UUIDField(db_index=True)
    request_id = models.CharField(max_length=100)
    body = models.BinaryField()
    body_sha256 = models.CharField(max_length=64)
    flag = models.CharField(max_length=20, choices=Flag.choices, blank=True, default="", db_default="")
    received_at = models.DateTimeField(db_default=Now())
    processed_at = models.DateTimeField(null=True)
    # The queue of record: claimed by lease, tried again later, and after some tries left for a person to see.
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    run_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["request_id", "body_sha256"], name="delivery_once"),
            models.CheckConstraint(condition=Q(flag__in=["", *Flag.values]), name="delivery_flag_known"),
        ]
        indexes = [models.Index(fields=["run_at"], condition=Q(processed_at=None), name="delivery_waiting")]

    def __str__(self) -> str:
        return f"{self.request_id} {self.received_at:%F %T}"
