"""Retouches: a section of a track that is made anew, take by take, with a person judging. No rules but constraints."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from studio.models.people import User
from studio.models.songs import Generation, Track
from studio.states import RetouchState, Verdict


class RetouchQuerySet(models.QuerySet["Retouch"]):
    def of(self, person: User) -> "RetouchQuerySet":
        return self.filter(person=person)


class Retouch(models.Model):
    """One section of one track, with the words and tags that its takes are made from."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="retouches")
    source = models.ForeignKey(Track, on_delete=models.PROTECT, related_name="retouches")
    state = models.CharField(max_length=10, choices=RetouchState.choices, default=RetouchState.OPEN)
    start_ms = models.PositiveIntegerField()
    end_ms = models.PositiveIntegerField()
    # The first take and its retries, as the rule was when it began.
    most_takes = models.PositiveSmallIntegerField()
    accepted = models.OneToOneField("Take", on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[RetouchQuerySet] = RetouchQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name_plural = "retouches"
        indexes = [models.Index(fields=["person", "-created_at"], name="retouch_newest")]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=RetouchState.values), name="retouch_state_known"),
            models.CheckConstraint(condition=Q(end_ms__gt=F("start_ms")), name="retouch_ends_after_its_start"),
            models.CheckConstraint(condition=Q(most_takes__gte=1), name="retouch_has_a_take"),
            models.CheckConstraint(
                condition=Q(state="ACCEPTED", accepted__isnull=False) | ~Q(state="ACCEPTED") & Q(accepted__isnull=True),
                name="retouch_accepted_has_take",
            ),
            models.CheckConstraint(
                condition=Q(state="OPEN", ended_at__isnull=True) | ~Q(state="OPEN") & Q(ended_at__isnull=False),
                name="retouch_ended_when_over",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.start_ms}-{self.end_ms} ms of {self.source_id} {self.state}"


class Take(models.Model):
    """One inpaint generation of a retouch, and what its person says of it; its id is the generation's."""

    generation = models.OneToOneField(Generation, on_delete=models.PROTECT, primary_key=True, related_name="take")
    retouch = models.ForeignKey(Retouch, on_delete=models.PROTECT, related_name="takes")
    # Its place among those that count, from 1. A take that ended without a song gives its place to the next one.
    number = models.PositiveSmallIntegerField(null=True)
    most_takes = models.PositiveSmallIntegerField()
    verdict = models.CharField(max_length=12, choices=Verdict.choices, blank=True, default="")
    verdict_note = models.CharField(max_length=500, blank=True, default="")
    verdict_at = models.DateTimeField(null=True)
    # How it compares with its source outside the section, once somebody has looked.
    difference = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["retouch", "created_at"], name="take_in_order")]
        constraints = [
            # The cap on retries: two takes never share a place, and there are no more places.
            models.UniqueConstraint(fields=["retouch", "number"], name="take_number_once"),
            models.CheckConstraint(
                condition=Q(number__isnull=True) | Q(number__gte=1, number__lte=F("most_takes")),
                name="take_number_within_cap",
            ),
            models.CheckConstraint(condition=Q(verdict__in=["", *Verdict.values]), name="take_verdict_known"),
            models.CheckConstraint(
                condition=Q(verdict="", verdict_at__isnull=True) | ~Q(verdict="") & Q(verdict_at__isnull=False),
                name="take_verdict_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"take {self.number or '-'} of {self.retouch_id}"
