"""Files on this machine: shown under their key only when they are whole."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from django.core.files.storage import FileSystemStorage

from studio.media.errors import house_faults
from studio.media.storage import BLOCK_BYTES, STANDARD, Facts, Listed

PART_SUFFIX = ".part"
DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
# Younger parts are left alone: between its creation and its lock a part looks abandoned.
ABANDONED_SECONDS = 60.0


class DiskSink:
    """A file being written, visible under its key only after commit(); leaving the context without one drops it.

    Raises StorageFull and StorageFailed, never a bare OSError.
    """

    def __init__(self, key: str, target: Path) -> None:
        self.key = key
        self.bytes_written = 0
        self._target = target
        self._part = target.with_name(f".{target.name}.{secrets.token_hex(8)}{PART_SUFFIX}")
        self._sealed = False
        with house_faults():
            self._file = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE), "r+b", 0)
        # The lock dies with the process, so the cleaner can tell an abandoned part from a slow one. On a filesystem
        # without locks the cleaner gets none either, and leaves the part alone.
        with suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        view = memoryview(data).cast("B")
        with house_faults():
            while view:
                view = view[self._file.write(view) :]
        self.bytes_written += len(data)
        return len(data)

    def read_back(self) -> BinaryIO:
        """The bytes so far, for containers that keep their index at the end; the caller closes it."""
        with house_faults():
            return self._part.open("rb")

    def seal(self) -> None:
        """Brings the bytes to the disk, so that commit() has nothing left that can fail for lack of room."""
        if not self._sealed:
            with house_faults():
                os.fsync(self._file.fileno())
            self._sealed = True

    def commit(self) -> None:
        self.seal()
        with house_faults():
            self._part.replace(self._target)
            _sync_directory(self._target.parent)
        self._file.close()

    def abort(self) -> None:
        """Drops what was not committed; harmless afterwards and twice."""
        if not self._file.closed:
            self._file.close()
            with suppress(OSError):
                self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


class FileSlice:
    """Some bytes of a stored file as an iterator of blocks, closed at its end or by close()."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file = file
        self._left = max(0, end - start)
        file.seek(start)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = self._file.read(min(BLOCK_BYTES, self._left)) if self._left else b""
        if not block:
            self.close()
            raise StopIteration
        self._left -= len(block)
        return block

    def close(self) -> None:
        self._left = 0
        self._file.close()


class DiskFile:
    """An open file with the facts that HTTP asks for, all of the same file even when its key is replaced meanwhile."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        facts = os.fstat(file.fileno())
        self.size_bytes = facts.st_size
        self.modified_at = datetime.fromtimestamp(facts.st_mtime, UTC)
        self.etag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'

    def slice(self, start: int, end: int) -> FileSlice:
        """The bytes from `start` up to and without `end`; the slice owns the file from now on."""
        return FileSlice(self._file, start, min(end, self.size_bytes))

    def close(self) -> None:
        self._file.close()


class DiskStorage(FileSystemStorage):
    """A folder that is private to our user."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("file_permissions_mode", FILE_MODE)
        options.setdefault("directory_permissions_mode", DIRECTORY_MODE)
        super().__init__(**options)

    def sink(self, key: str, *, content_type: str = "", reread: bool = False) -> DiskSink:  # noqa: ARG002
        """A new file for `key`, which keeps showing its former content until commit(); see MediaStorage."""
        target = Path(self.path(key))
        with house_faults():
            self._make_directories(target.parent)
        return DiskSink(key, target)

    def open_file(self, key: str) -> DiskFile:
        return DiskFile(Path(self.path(key)).open("rb"))

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> FileSlice:
        stored = self.open_file(key)
        return stored.slice(start, stored.size_bytes if end is None else end)

    def download_url(
        self,
        key: str,
        *,
        name: str,
        content_type: str,
        as_attachment: bool = True,
        seconds: int = 0,
        method: str = "GET",
    ) -> None:
        """None: a folder of ours hands nothing out by itself."""

    def fetch_url(self, key: str, seconds: int = 0) -> None:
        """None, as with download_url()."""

    def facts(self, key: str) -> Facts:
        stored = self.open_file(key)
        stored.close()
        return Facts(stored.size_bytes, stored.etag, STANDARD, None)

    # Django's own takes one name only.
    def delete(self, *keys: str) -> None:
        with house_faults():
            for key in keys:
                super().delete(key)

    def listed(self, prefix: str) -> Iterator[Listed]:
        root = Path(self.location)
        for folder, folders, names in os.walk(root):
            folders.sort()
            here = Path(folder)
            for name in sorted(names):
                key = (here / name).relative_to(root).as_posix()
                if key.startswith(prefix) and not name.endswith(PART_SUFFIX):
                    yield from _listed(key, here / name)

    def probe(self) -> None:
        with house_faults():
            self._make_directories(Path(self.location))
        with self.sink(f"health-{secrets.token_hex(8)}") as sink:
            sink.write(b"ok")
            sink.seal()

    def clean_stale_parts(self, older_than_seconds: float = ABANDONED_SECONDS) -> int:
        before = time.time() - older_than_seconds
        parts = Path(self.location).glob(f"*/.*{PART_SUFFIX}")
        return sum(_remove_if_abandoned(part, before) for part in parts)

    def _make_directories(self, directory: Path) -> None:
        root = Path(self.location)
        root.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        for missing in reversed([directory, *directory.parents]):
            if missing.is_relative_to(root):
                missing.mkdir(mode=DIRECTORY_MODE, exist_ok=True)


def _listed(key: str, path: Path) -> Iterator[Listed]:
    # Deleted or renamed meanwhile: then it is not there.
    with suppress(FileNotFoundError):
        facts = path.stat()
        yield Listed(key, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC), STANDARD)


def _remove_if_abandoned(part: Path, before: float) -> bool:
    try:
        with part.open("rb") as file:
            if os.fstat(file.fileno()).st_mtime >= before:
                return False
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
    except OSError:
        return False
    return True


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
