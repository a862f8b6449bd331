"""The names of states and kinds. They are stored and shown to others: never renamed."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


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


class SourceAudio(TextChoices):
    """Which file of a track something is made from."""

    MASTER = "MASTER"
    PREVIEW = "PREVIEW"


class RetouchState(TextChoices):
    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    ABANDONED = "ABANDONED"


class Verdict(TextChoices):
    """Why a take won't do."""

    WRONG_WORDS = "WRONG_WORDS", _("Wrong words")
    WRONG_VOICE = "WRONG_VOICE", _("Wrong voice")
    GLITCH = "GLITCH", _("Glitch")
    OTHER = "OTHER", _("Other")


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
