"""Where the files of tracks are kept: their keys, and what a folder and a bucket both can do."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import BinaryIO, Protocol, Self, cast
from uuid import UUID

from django.core.files.storage import storages

BLOCK_BYTES = 256 * 1024
STANDARD = "STANDARD"
# Everything that the studio keeps lies under one of these; whatever else a bucket holds is not ours.
FOLDERS = ("masters/", "previews/", "peaks/")

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def _safe(part: UUID | int | str) -> str:
    text = str(part)
    if not _SAFE.fullmatch(text):
        raise ValueError(f"Not usable in a key: {text!r}")
    return text


def master_key(track_id: UUID | int | str, ext: str) -> str:
    """The key of a track's master; `ext` is its format without a dot, such as "wav"."""
    return f"masters/{_safe(track_id)}.{_safe(ext)}"


def preview_key(track_id: UUID | int | str) -> str:
    return f"previews/{_safe(track_id)}.mp3"


def peaks_key(track_id: UUID | int | str, samples_per_pixel: int) -> str:
    return f"peaks/{_safe(track_id)}.{_safe(samples_per_pixel)}.dat"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a stored file without reading it; `restore` is S3's header of that name, as it came."""

    size_bytes: int
    etag: str
    storage_class: str
    restore: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    key: str
    size_bytes: int
    modified_at: datetime
    storage_class: str


class Sink(Protocol):
    """A file being written, visible under its key only after commit(); leaving the context without one drops it.

    Raises HouseFault, never a library's or the operating system's error.
    """

    key: str
    bytes_written: int

    def write(self, data: bytes | bytearray | memoryview) -> int: ...

    def read_back(self) -> BinaryIO:
        """All that was written, for containers that keep their index at the end; nothing may be written afterwards.

        The caller closes it. Only for sinks that were made with `reread`.
        """

    def seal(self) -> None:
        """Brings the bytes to safety, so that as little as possible is left that can fail in commit()."""

    def commit(self) -> None: ...

    def abort(self) -> None:
        """Drops what was not committed; harmless afterwards and twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Slice(Protocol):
    """Some bytes of a stored file as an iterator of blocks, closed at its end or by close()."""

    def __iter__(self) -> Iterator[bytes]: ...

    def __next__(self) -> bytes: ...

    def close(self) -> None: ...


class StoredFile(Protocol):
    """A file with the facts that HTTP asks for, all of the same file even when its key is replaced meanwhile."""

    size_bytes: int
    modified_at: datetime
    etag: str

    def slice(self, start: int, end: int) -> Slice:
        """The bytes from `start` up to and without `end`; the slice owns the file from now on."""

    def close(self) -> None: ...


class MediaStorage(Protocol):
    """What is needed of a place for files. Reading raises FileNotFoundError; all else that fails is a HouseFault."""

    def sink(self, key: str, *, content_type: str = "", reread: bool = False) -> Sink:
        """A new file for `key`, which keeps showing its former content until commit()."""

    def open_file(self, key: str) -> StoredFile: ...

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> Slice:
        """The bytes from `start` up to and without `end`."""

    def download_url(
        self,
        key: str,
        *,
        name: str,
        content_type: str,
        as_attachment: bool = True,
        seconds: int = ...,
        method: str = ...,
    ) -> str | None:
        """A link for a person's browser that works for `seconds`; None where the studio serves the bytes itself."""

    def fetch_url(self, key: str, seconds: int = ...) -> str | None:
        """A link for a program elsewhere, such as fal; None where there is none."""

    def facts(self, key: str) -> Facts: ...

    def delete(self, *keys: str) -> None:
        """What is not there is no error."""

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Everything whose key begins so, page by page."""

    def probe(self) -> None:
        """Raises where the storage is out of reach."""

    def clean_stale_parts(self, older_than_seconds: float = ...) -> int:
        """Removes what killed processes left half-written and says how much; what is being written stays."""


def default_storage() -> MediaStorage:
    """The storage that the settings name."""
    return cast("MediaStorage", storages["default"])


def reader(key: str) -> Callable[[int, int], bytes]:
    """Reads a file from one place to another, as much as is asked for."""
    storage = default_storage()
    return lambda start, end: b"".join(storage.open_range(key, start, end))
