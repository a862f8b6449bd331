"""A/B tests: what is compared, what a person heard and said, and the blind order. No rules but constraints."""

import json
import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from studio.models.people import User
from studio.models.songs import Generation, IdempotencyKey, Track
from studio.states import Parameter, TrialKind

LETTERS = "ABCD"


class Experiment(models.Model):
    """One parameter varied, everything else locked. A trigger keeps both as they were."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="experiments")
    track = models.ForeignKey(Track, on_delete=models.PROTECT, related_name="experiments")
    parameter = models.CharField(max_length=20, choices=Parameter.choices)
    # Every input of the arms in our own names, but for the parameter.
    locked = models.JSONField()
    locked_digest = models.CharField(max_length=64)
    # The track came from a description; locked are the tags and lyrics that fal wrote for it.
    frozen = models.BooleanField(default=False)
    # The key that the start came with, while it is kept: the same again gives the same experiment.
    started_by = models.OneToOneField(IdempotencyKey, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["person", "-created_at", "-id"], name="experiment_list"),
            models.Index(fields=["person", "parameter"], name="experiment_reading"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(parameter__in=Parameter.values), name="experiment_parameter_known")
        ]

    def __str__(self) -> str:
        return f"{self.parameter} {self.id}"


class Arm(models.Model):
    """One value of the parameter. A trigger lets in only songs that differ from the locked recipe in nothing else."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="arms")
    position = models.PositiveSmallIntegerField()
    # As JSON in its canonical form, so that the same value is the same text.
    value = models.CharField(max_length=30)
    # Its own song, or one that was there before.
    generation = models.OneToOneField(Generation, on_delete=models.PROTECT, null=True, related_name="arm")
    reused = models.ForeignKey(Track, on_delete=models.PROTECT, null=True, related_name="reused_in")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["experiment", "position"], name="arm_position_once"),
            models.UniqueConstraint(fields=["experiment", "value"], name="arm_value_once"),
            models.CheckConstraint(condition=Q(position__lt=len(LETTERS)), name="arm_one_of_four"),
            models.CheckConstraint(
                condition=Q(generation__isnull=True, reused__isnull=False)
                | Q(generation__isnull=False, reused__isnull=True),
                name="arm_made_or_reused",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.letter} {self.value}"

    @property
    def letter(self) -> str:
        return LETTERS[self.position]

    @property
    def setting(self) -> float | int | str | None:
        """The value itself."""
        value: float | int | str | None = json.loads(self.value)
        return value


class Trial(models.Model):
    """Listening without knowing: one round over all arms, or several that ask which of two arms X is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="trials")
    kind = models.CharField(max_length=10, choices=TrialKind.choices)
    rounds_wanted = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=TrialKind.values), name="trial_kind_known"),
            models.CheckConstraint(
                condition=Q(kind="PREFERENCE", rounds_wanted=1) | Q(kind="ABX", rounds_wanted__range=(1, 50)),
                name="trial_rounds_fit_the_kind",
            ),
            models.UniqueConstraint(fields=["experiment"], condition=Q(finished_at=None), name="trial_one_at_a_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Round(models.Model):
    """One blind question. Its order is drawn on the server, and stays there until it is answered."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    trial = models.ForeignKey(Trial, on_delete=models.CASCADE, related_name="rounds")
    number = models.PositiveSmallIntegerField()
    # By slot the position of the arm that is heard there. Of three in an ABX the last is X.
    order = models.JSONField()
    # The slot that was chosen. Null in a round that is over: no difference was heard.
    answer = models.PositiveSmallIntegerField(null=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trial", "number"], name="round_number_once"),
            models.CheckConstraint(
                condition=Q(answer__isnull=True) | Q(answered_at__isnull=False), name="round_answered_has_time"
            ),
            models.CheckConstraint(
                condition=Q(answer__isnull=True) | Q(answer__lt=len(LETTERS)), name="round_answer_is_a_slot"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.trial_id} {self.number}"


class Verdict(models.Model):
    """What a person preferred, kept as it was said."""

    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="verdicts")
    # Null: no difference.
    arm = models.ForeignKey(Arm, on_delete=models.CASCADE, null=True, related_name="verdicts")
    note = models.TextField(blank=True, default="")
    # The blind round that it answers; null where values were in sight.
    round = models.OneToOneField(Round, on_delete=models.CASCADE, null=True, related_name="verdict")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["experiment", "-created_at"], name="verdict_latest")]

    def __str__(self) -> str:
        return f"{self.experiment_id} {self.arm_id}"
