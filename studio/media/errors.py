"""The ways in which audio can fail us, told apart by whose fault they are."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class MediaError(Exception):
    """Anything that stops an ingest; `detail` is for logs, `message` and `hint` are for people."""

    code: ClassVar[str] = "media_error"
    message: ClassVar[str] = "The audio could not be processed."
    hint: ClassVar[str] = "Try again in a minute."
    fault: ClassVar[Literal["source", "house"]] = "house"

    def __init__(self, detail: str = "") -> None:
        super().__init__(f"{self.message} ({detail})" if detail else self.message)
        self.detail = detail


class SourceFault(MediaError):
    """What we were given to fetch is bad: counts as one full fetch that failed."""

    code = "source_fault"
    message = "The song's file could not be fetched."
    hint = "Use “Fetch again”: the file is kept for seven days."
    fault = "source"


class HouseFault(MediaError):
    """Our disk, bucket or encoder failed: never makes a track UNREADABLE."""

    code = "house_fault"
    message = "The studio could not store the song."
    hint = "The song is not lost: it is fetched again once the studio has recovered."
    fault = "house"


class HostRefused(SourceFault):
    code = "host_refused"
    message = "The song's address is not one the studio fetches from."
    hint = "An administrator can add the host to NEOAPEX_MEDIA_HOSTS."


class SourceMissing(SourceFault):
    code = "source_missing"
    message = "The song's file is gone from where it was made."
    hint = "Files are kept for a few days only. Make the song again from its recipe."


class SourceUnavailable(SourceFault):
    code = "source_unavailable"
    message = "The place where the song was made did not hand out its file."


class SourceTooLarge(SourceFault):
    code = "source_too_large"
    message = "The song's file is larger than the studio accepts."
    hint = "An administrator can raise NEOAPEX_MEDIA_MAX_BYTES."


class SourceTooLong(SourceFault):
    code = "source_too_long"
    message = "The song lasts longer than the studio accepts."
    hint = "An administrator can raise NEOAPEX_MEDIA_MAX_SECONDS."


class SourceTooSlow(SourceFault):
    code = "source_too_slow"
    message = "The song's file arrived too slowly."


class SourceEncoded(SourceFault):
    code = "source_encoded"
    message = "The song's file arrived compressed, which was not asked for."


class SourceTruncated(SourceFault):
    code = "source_truncated"
    message = "The song's file is incomplete."


class NotAudio(SourceFault):
    code = "not_audio"
    message = "What arrived is not audio."


class AudioUnreadable(SourceFault):
    code = "audio_unreadable"
    message = "The audio is damaged or in a form the studio does not read."


class AudioEmpty(SourceFault):
    code = "audio_empty"
    message = "The file has an audio header but no audio."


class StorageFull(HouseFault):
    code = "storage_full"
    message = "The studio's storage is full."
    hint = "The song is fetched again once an administrator has made room."


class StorageFailed(HouseFault):
    code = "storage_failed"


class StorageUnreachable(HouseFault):
    code = "storage_unreachable"
    message = "The studio's storage is out of reach."


class StorageBusy(HouseFault):
    code = "storage_busy"
    message = "The studio's storage is overloaded."


class StorageRefused(HouseFault):
    code = "storage_refused"
    message = "The studio's storage refused the studio."
    hint = "An administrator has to look at its keys, its rights and the machine's clock."


class StorageArchived(HouseFault):
    code = "storage_archived"
    message = "The file is in cold storage."
    hint = "It has to be brought back before it can be read."


class EncoderFailed(HouseFault):
    code = "encoder_failed"
    message = "The studio could not make the preview."


@contextmanager
def house_faults() -> Iterator[None]:
    """Turns an operating system's error into StorageFull or StorageFailed."""
    try:
        yield
    except OSError as error:
        cause = StorageFull if error.errno in _FULL else StorageFailed
        raise cause(f"{type(error).__name__}: {error}") from error
