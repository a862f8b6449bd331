"""The names of states and kinds. They are stored and shown to others: never renamed."""

from django.db.models import TextChoices


class GenerationState(TextChoices):
    QUEUED = "QUEUED"
    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    LOST = "LOST"
    INGESTING = "INGESTING"
    READY = "READY"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Purpose(TextChoices):
    """What a generation was asked for as."""

    SONG = "SONG"
    TAKE = "TAKE"
    EXTENSION = "EXTENSION"
    ARM = "ARM"


class Parameter(TextChoices):
    """What an experiment may vary, by the name that the input has."""

    VIBE_STRENGTH = "vibe_strength"
    BALANCE_STRENGTH = "balance_strength"
    BPM = "bpm"


class TrialKind(TextChoices):
    """Blind: which of all do you prefer; or which of two is it."""

    PREFERENCE = "PREFERENCE"
    ABX = "ABX"


class TrackState(TextChoices):
    PENDING = "PENDING"
    READY = "READY"
    UNREADABLE = "UNREADABLE"


class MasterStorage(TextChoices):
    STANDARD = "STANDARD"
    GLACIER = "GLACIER"
    RESTORING = "RESTORING"
    RESTORED = "RESTORED"


class RestoreTier(TextChoices):
    """How fast a master is fetched back from cold storage; the words are S3's."""

    EXPEDITED = "Expedited"
    STANDARD = "Standard"
    BULK = "Bulk"


class Whose(TextChoices):
    """Whose side a failure is on."""

    YOU = "you"
    FAL = "fal"
    US = "us"
