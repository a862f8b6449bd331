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


class MessageState(TextChoices):
    """Of a message to one of the organisation's own systems."""

    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class Scope(TextChoices):
    """What a personal token may be used for."""

    READ = "read"
    SONGS = "songs"
    LIBRARY = "library"


class Whose(TextChoices):
    """Whose side a failure is on."""

    YOU = "you"
    FAL = "fal"
    US = "us"
