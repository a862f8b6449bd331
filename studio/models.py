"""The facts of the studio: people, generations, tracks and their events. Fields and constraints, no rules."""

import uuid
from typing import ClassVar, Final

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _

from studio.states import GenerationState, MasterStorage, TrackState, Whose

HOLD_REFERENCE: Final = "generation:"


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractUser):
    """A person. The email address is the name to log in with; there is no other."""

    username = None  # type: ignore[assignment]
    email = models.EmailField(unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.email


class AccessToken(models.Model):
    """A personal API token; only its hash is kept."""

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_tokens")
    name = models.CharField(max_length=80)
    # The first characters, enough to tell two tokens apart in a list and too few to use.
    hint = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class GenerationQuerySet(models.QuerySet["Generation"]):
    def of(self, person: User) -> "GenerationQuerySet":
        return self.filter(person=person)

    def in_slot(self) -> "GenerationQuerySet":
        return self.filter(state__in=(GenerationState.SUBMITTED, GenerationState.RUNNING))

    def waiting(self) -> "GenerationQuerySet":
        return self.filter(state=GenerationState.QUEUED)


class Generation(models.Model):
    """One paid request to one fal endpoint, from hold to outcome."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="generations")
    endpoint = models.CharField(max_length=40)
    state = models.CharField(max_length=12, choices=GenerationState.choices, default=GenerationState.QUEUED)
    # Every input in our own names, defaults too: enough to make the song again.
    recipe = models.JSONField()
    seed = models.BigIntegerField()
    # Of the canonical form of both, so that the identical recipe is found again.
    recipe_digest = models.CharField(max_length=64, blank=True, default="", db_default="")
    num_songs = models.PositiveSmallIntegerField()
    # What fal wrote itself where the person gave a description: it makes the song repeatable.
    written_tags = models.JSONField(null=True)
    written_lyrics = models.TextField(null=True)

    cost_micros = models.BigIntegerField()
    charged_micros = models.BigIntegerField(null=True)

    request_id = models.CharField(max_length=100, null=True, unique=True)
    reason_code = models.CharField(max_length=60, blank=True, default="")
    reason_message = models.TextField(blank=True, default="")
    reason_whose = models.CharField(max_length=4, choices=Whose.choices, blank=True, default="")
    # What to do next, where there is something.
    reason_hint = models.TextField(blank=True, default="", db_default="")
    # What fal said, word for word, for the fold under a failed card.
    raw_error = models.TextField(blank=True, default="")

    attempts = models.PositiveSmallIntegerField(default=0)
    run_at = models.DateTimeField(db_default=Now())
    # Its place among everybody's songs in line, given when it gets there.
    turn = models.BigIntegerField(default=0, db_default=0)
    # fal's own view, shown while we wait; it decides nothing.
    queue_position = models.PositiveIntegerField(null=True)
    look_at = models.DateTimeField(null=True)
    looks = models.PositiveSmallIntegerField(default=0)
    ask_at = models.DateTimeField(null=True)
    asks = models.PositiveSmallIntegerField(default=0)

    created_at = models.DateTimeField(db_default=Now())
    submit_started_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    running_at = models.DateTimeField(null=True)
    last_sign_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)

    objects: ClassVar[GenerationQuerySet] = GenerationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        permissions = [("close_breaker", "Can close the circuit breaker to fal")]
        indexes = [
            models.Index(fields=["person", "-created_at", "-id"], name="generation_feed"),
            models.Index(fields=["person", "recipe_digest"], condition=Q(state="READY"), name="generation_made"),
            models.Index(fields=["run_at"], condition=Q(state="QUEUED"), name="generation_waiting"),
            models.Index(fields=["turn", "created_at", "id"], condition=Q(state="QUEUED"), name="generation_turn"),
            models.Index(fields=["person", "turn"], condition=Q(state="QUEUED"), name="generation_own_turn"),
            models.Index(fields=["-turn"], condition=Q(submit_started_at__isnull=False), name="generation_turn_sent"),
            models.Index(
                fields=["-submit_started_at"], condition=Q(submit_started_at__isnull=False), name="generation_sent"
            ),
            models.Index(fields=["created_at"], condition=Q(state="INGESTING"), name="generation_ingesting"),
            models.Index(fields=["-finished_at"], condition=Q(state="READY"), name="generation_latest_ready"),
            models.Index(fields=["person"], condition=Q(state__in=["SUBMITTED", "RUNNING"]), name="generation_in_slot"),
            models.Index(
                fields=["last_sign_at"],
                condition=Q(state__in=["SUBMITTED", "RUNNING", "LOST"]),
                name="generation_at_fal",
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=GenerationState.values), name="generation_state_known"),
            models.CheckConstraint(condition=Q(num_songs__in=(1, 2)), name="generation_num_songs_one_or_two"),
            models.CheckConstraint(condition=Q(cost_micros__gt=0), name="generation_cost_positive"),
            models.CheckConstraint(
                condition=Q(charged_micros__isnull=True) | Q(charged_micros__gte=0),
                name="generation_charge_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["READY", "FAILED", "CANCELLED"], finished_at__isnull=False)
                | (~Q(state__in=["READY", "FAILED", "CANCELLED"]) & Q(finished_at__isnull=True)),
                name="generation_finished_when_final",
            ),
            # A row that was never sent can't have reached fal: only the submit moves it there.
            models.CheckConstraint(
                condition=~Q(state__in=["SUBMITTED", "RUNNING", "LOST"]) | Q(submit_started_at__isnull=False),
                name="generation_sent_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.id} {self.state}"

    @property
    def hold_reference(self) -> str:
        """The name under which the ledger knows this generation."""
        return hold_reference_of(self.id)


def hold_reference_of(generation_id: uuid.UUID) -> str:
    return f"{HOLD_REFERENCE}{generation_id}"


def generation_id_of(hold_reference: str) -> uuid.UUID | None:
    """The way back; the books know other things, too."""
    try:
        is_song = hold_reference.startswith(HOLD_REFERENCE)
        return uuid.UUID(hold_reference.removeprefix(HOLD_REFERENCE)) if is_song else None
    except ValueError:
        return None


class TrackQuerySet(models.QuerySet["Track"]):
    def under_way(self) -> "TrackQuerySet":
        """To be fetched, and not given up by the workers."""
        return self.filter(state=TrackState.PENDING, dead_at=None)

    def in_doubt(self) -> "TrackQuerySet":
        """To be fetched, with something in the way that a person should know of."""
        return self.filter(state=TrackState.PENDING).exclude(alarm="")


class Track(models.Model):
    """One piece of audio that we keep: a master, a preview, its peaks."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="tracks")
    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, related_name="tracks")
    variation = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=12, choices=TrackState.choices, default=TrackState.PENDING)
    title = models.CharField(max_length=120)

    source_url = models.URLField(max_length=2000)
    reason_code = models.CharField(max_length=60, blank=True, default="")
    reason_message = models.TextField(blank=True, default="")

    master_key = models.CharField(max_length=200, blank=True, default="")
    master_format = models.CharField(max_length=8, blank=True, default="")
    master_bytes = models.BigIntegerField(null=True)
    master_sha256 = models.CharField(max_length=64, blank=True, default="")
    master_storage = models.CharField(max_length=10, choices=MasterStorage.choices, default=MasterStorage.STANDARD)
    preview_key = models.CharField(max_length=200, blank=True, default="")
    peaks_key = models.CharField(max_length=200, blank=True, default="")
    duration_ms = models.PositiveIntegerField(null=True)
    sample_rate = models.PositiveIntegerField(null=True)
    channels = models.PositiveSmallIntegerField(null=True)
    loudness_lufs = models.FloatField(null=True)

    # The queue of record for media work: claimed by lease, so a killed worker's track is taken up again.
    attempts = models.PositiveSmallIntegerField(default=0)
    fetches_failed = models.PositiveSmallIntegerField(default=0)
    run_at = models.DateTimeField(db_default=Now())
    leased_until = models.DateTimeField(null=True)
    # Workers in a row that took it up and were not heard of again. After some, it waits for a person.
    deaths = models.PositiveSmallIntegerField(default=0)
    dead_at = models.DateTimeField(null=True)
    alarm = models.TextField(blank=True, default="")

    created_at = models.DateTimeField(db_default=Now())
    ready_at = models.DateTimeField(null=True)

    objects: ClassVar[TrackQuerySet] = TrackQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [
            models.Index(fields=["person", "-created_at", "-id"], name="track_library"),
            models.Index(fields=["run_at"], condition=Q(state="PENDING"), name="track_pending"),
            models.Index(fields=["created_at"], condition=Q(state="PENDING") & ~Q(alarm=""), name="track_in_doubt"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["generation", "variation"], name="track_variation_once"),
            models.CheckConstraint(condition=Q(state__in=TrackState.values), name="track_state_known"),
            models.CheckConstraint(
                condition=~Q(state="READY")
                | (
                    # To a check, null is as good as true, so both have to be asked for.
                    Q(ready_at__isnull=False, duration_ms__isnull=False, master_bytes__isnull=False)
                    & Q(duration_ms__gt=0, master_bytes__gt=0)
                    & ~Q(master_key="")
                    & ~Q(preview_key="")
                    & ~Q(peaks_key="")
                ),
                name="track_ready_is_whole",
            ),
            models.CheckConstraint(condition=Q(variation__lte=1), name="track_variation_zero_or_one"),
            models.CheckConstraint(condition=Q(dead_at=None) | Q(state="PENDING"), name="track_dead_is_pending"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.state})"


class Event(models.Model):
    """Something that happened to a generation, kept so that a page or a stream can catch up; its id is the order."""

    id = models.BigAutoField(primary_key=True)
    person = models.ForeignKey(User, on_delete=models.CASCADE)
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="events")
    name = models.CharField(max_length=20)
    data = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["person", "id"], name="event_stream"),
            models.Index(fields=["generation", "id"], name="event_timeline"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["generation"], condition=Q(name="job_started"), name="event_started_once")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.generation_id}"


class IdempotencyKey(models.Model):
    """A key that a person sent with a request that costs money, and what came of it; kept for a day."""

    person = models.ForeignKey(User, on_delete=models.CASCADE)
    key = models.CharField(max_length=255)
    body_digest = models.CharField(max_length=64)
    generation = models.ForeignKey(Generation, on_delete=models.CASCADE)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "key"], name="idempotency_key_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]

    def __str__(self) -> str:
        return self.key


class Draft(models.Model):
    """What a person is writing in the composer, in the names of its form."""

    person = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="+")
    fields = models.JSONField()
    # Which browser wrote it, and when by its own clock: what it sent before may arrive after.
    writer = models.CharField(max_length=40, blank=True, default="")
    written_ms = models.BigIntegerField(default=0)
    saved_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"draft of {self.person_id}"


class Preset(models.Model):
    """A recipe that a person saved under a name, in the names of the composer's form."""

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    fields = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint("person", Lower("name"), name="preset_name_once")]

    def __str__(self) -> str:
        return self.name


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
    author = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

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
    generation = models.ForeignKey(Generation, on_delete=models.PROTECT, null=True, related_name="+")
    ours_micros = models.BigIntegerField()
    fals_micros = models.BigIntegerField()
    note = models.TextField(blank=True)
    booked_at = models.DateTimeField(null=True)
    booked_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

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


class TagAudit(models.Model):
    """One comparison of the taxonomy with a saved page of Sonauto's: how many tags it has more, fewer, elsewhere."""

    at = models.DateTimeField(db_default=Now())
    known = models.PositiveIntegerField()
    added = models.PositiveIntegerField()
    gone = models.PositiveIntegerField()
    moved = models.PositiveIntegerField()

    class Meta:
        get_latest_by = "at"

    def __str__(self) -> str:
        return f"tags compared on {self.at:%Y-%m-%d}"
