"""Songs: what was asked for, what came of it, and what happened on the way. No rules but constraints."""

import uuid
from typing import ClassVar, Final

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from studio.models.people import User
from studio.models.projects import Member, Project
from studio.states import GenerationState, MasterStorage, Purpose, RestoreTier, SourceAudio, TrackState, Whose

HOLD_REFERENCE: Final = "generation:"


class GenerationQuerySet(models.QuerySet["Generation"]):
    def of(self, person: User) -> "GenerationQuerySet":
        return self.filter(person=person)

    def in_slot(self) -> "GenerationQuerySet":
        return self.filter(state__in=(GenerationState.SUBMITTED, GenerationState.RUNNING))

    def in_the_open(self) -> "GenerationQuerySet":
        """What has a card of its own: takes and arms are seen where they are judged, until somebody wants them."""
        shown = Track.objects.filter(generation=models.OuterRef("pk"), hidden=False)
        return self.filter(Q(purpose__in=(Purpose.SONG, Purpose.EXTENSION)) | models.Exists(shown))

    def waiting(self) -> "GenerationQuerySet":
        return self.filter(state=GenerationState.QUEUED)


class Generation(models.Model):
    """One paid request to one fal endpoint, from hold to outcome."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="generations")
    endpoint = models.CharField(max_length=40)
    purpose = models.CharField(
        max_length=10, choices=Purpose.choices, default=Purpose.SONG, db_default=Purpose.SONG.value
    )
    # The track that it was made from: its audio, or the song of which it is an arm.
    source = models.ForeignKey("Track", on_delete=models.PROTECT, null=True, related_name="derived")
    source_audio = models.CharField(
        max_length=8, choices=SourceAudio.choices, default=SourceAudio.MASTER, db_default=SourceAudio.MASTER.value
    )
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
    # Of what has a source, when its audio had been handed over and the POST began: before, fal knows nothing of it.
    posted_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    running_at = models.DateTimeField(null=True)
    last_sign_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)

    # The variation that its person kept. Until somebody picks, the first stands in.
    keeper = models.PositiveSmallIntegerField(null=True)
    heard_at = models.DateTimeField(null=True)
    # Taken out of the feed by its person after it ended without a song.
    cleared_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    objects: ClassVar[GenerationQuerySet] = GenerationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        permissions = [("close_breaker", "Can close the circuit breaker to fal")]
        indexes = [
            models.Index(fields=["person", "-created_at", "-id"], name="generation_feed"),
            models.Index(fields=["-created_at"], name="generation_asked_for"),
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
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="generation_purpose_known"),
            models.CheckConstraint(
                condition=Q(purpose="SONG") | Q(source__isnull=False), name="generation_derived_has_source"
            ),
            models.CheckConstraint(
                condition=~Q(purpose__in=["TAKE", "ARM"]) | Q(num_songs=1), name="generation_judged_is_one_song"
            ),
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
            models.CheckConstraint(
                condition=Q(keeper__isnull=True) | Q(keeper__lt=F("num_songs")), name="generation_keeper_is_a_variation"
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

    def kept(self) -> "TrackQuerySet":
        """Those with files, in the trash or not."""
        return self.filter(state=TrackState.READY, purged_at=None)

    def in_library(self) -> "TrackQuerySet":
        """What a person has to listen to: not hidden, not in the trash."""
        return self.kept().filter(trashed_at=None, hidden=False)

    def in_trash(self) -> "TrackQuerySet":
        return self.kept().filter(trashed_at__isnull=False)

    def within_reach_of(self, person: User) -> "TrackQuerySet":
        """One's own in any state, and what lies in sight in a project that one is a member of."""
        member = Exists(Member.objects.filter(project=OuterRef("project"), person=person))
        return self.filter(Q(person=person) | (Q(trashed_at=None, hidden=False) & member))

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
    # A take that nobody accepted, an arm of an experiment: it is heard where it is judged, and nowhere else.
    hidden = models.BooleanField(default=False, db_default=False)

    # What its person thinks of it, and where they put it. That the project is their own, a foreign key over both
    # columns sees to.
    rating = models.PositiveSmallIntegerField(null=True)
    favourite = models.BooleanField(default=False, db_default=False)
    project = models.ForeignKey(Project, on_delete=models.SET_NULL, null=True, related_name="tracks")
    # Of its recipe what it is found by, beside the title: the description and the tags.
    words = models.TextField(blank=True, default="", db_default="")
    tags = models.JSONField(default=list, db_default=[])
    # The database keeps it, so that it follows the title. Of no language, for songs have many.
    found_by = models.GeneratedField(
        expression=SearchVector("title", "words", config="simple"), output_field=SearchVectorField(), db_persist=True
    )

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
    # Coarser, for where the waveform is drawn small; what was kept before there was one has none.
    overview_key = models.CharField(max_length=200, blank=True, default="")
    duration_ms = models.PositiveIntegerField(null=True)
    sample_rate = models.PositiveIntegerField(null=True)
    channels = models.PositiveSmallIntegerField(null=True)
    loudness_lufs = models.FloatField(null=True)
    true_peak_dbtp = models.FloatField(null=True)

    # The queue of record for media work: claimed by lease, so a killed worker's track is taken up again.
    attempts = models.PositiveSmallIntegerField(default=0)
    fetches_failed = models.PositiveSmallIntegerField(default=0)
    run_at = models.DateTimeField(db_default=Now())
    leased_until = models.DateTimeField(null=True)
    # Workers in a row that took it up and were not heard of again. After some, it waits for a person.
    deaths = models.PositiveSmallIntegerField(default=0)
    dead_at = models.DateTimeField(null=True)
    alarm = models.TextField(blank=True, default="")

    # Of a master that was asked back from cold storage: by whose wish it comes, until when it stays, who knows of it.
    restore_asked_at = models.DateTimeField(null=True)
    restore_tier = models.CharField(max_length=10, choices=RestoreTier.choices, blank=True, default="", db_default="")
    restore_ready_by = models.DateTimeField(null=True)
    restored_until = models.DateTimeField(null=True)
    restore_told_at = models.DateTimeField(null=True)
    restore_seen_at = models.DateTimeField(null=True)

    created_at = models.DateTimeField(db_default=Now())
    ready_at = models.DateTimeField(null=True)
    # From the trash there is a way back, until the files are deleted. The row stays, and the money with it.
    trashed_at = models.DateTimeField(null=True)
    purged_at = models.DateTimeField(null=True)

    objects: ClassVar[TrackQuerySet] = TrackQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [
            models.Index(fields=["person", "-created_at", "-id"], name="track_library"),
            models.Index(fields=["run_at"], condition=Q(state="PENDING"), name="track_pending"),
            models.Index(fields=["created_at"], condition=Q(state="PENDING") & ~Q(alarm=""), name="track_in_doubt"),
            models.Index(
                fields=["person", "-trashed_at"],
                condition=Q(trashed_at__isnull=False, purged_at=None),
                name="track_in_trash",
            ),
            models.Index(
                fields=["restore_asked_at"],
                condition=Q(master_storage__in=["RESTORING", "RESTORED"]),
                name="track_asked_back",
            ),
            GinIndex(fields=["found_by"], name="track_words"),
            GinIndex(fields=["tags"], opclasses=["jsonb_path_ops"], name="track_tags"),
            models.Index(fields=["person", "-created_at", "-id"], condition=Q(favourite=True), name="track_favourites"),
            models.Index(
                fields=["person", "-created_at", "-id"], condition=Q(rating__isnull=False), name="track_rated"
            ),
            models.Index(fields=["project", "-created_at", "-id"], name="track_in_project"),
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
            models.CheckConstraint(
                condition=Q(rating__isnull=True) | Q(rating__gte=1, rating__lte=5), name="track_rating_one_to_five"
            ),
            models.CheckConstraint(condition=Q(dead_at=None) | Q(state="PENDING"), name="track_dead_is_pending"),
            models.CheckConstraint(condition=Q(trashed_at=None) | Q(state="READY"), name="track_trashed_was_ready"),
            models.CheckConstraint(
                condition=Q(purged_at=None) | Q(trashed_at__isnull=False), name="track_purged_was_trashed"
            ),
            models.CheckConstraint(
                condition=Q(master_storage__in=MasterStorage.values), name="track_master_storage_known"
            ),
            models.CheckConstraint(
                condition=~Q(master_storage="RESTORING") | Q(restore_asked_at__isnull=False),
                name="track_restoring_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.state})"

    @property
    def is_away(self) -> bool:
        """The master can't be downloaded as it is."""
        return self.master_storage in (MasterStorage.GLACIER, MasterStorage.RESTORING)

    @property
    def is_keeper(self) -> bool:
        """Picked by its person, not only standing in."""
        return self.generation.keeper == self.variation


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
