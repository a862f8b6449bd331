"""A file on its way into a bucket: parts go up while the next are still arriving, and nothing shows before the end."""

import io
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self

from studio.media.errors import HouseFault, StorageFailed
from studio.media.multipart import PART_BYTES, Multipart

logger = logging.getLogger(__name__)

# Files that have to be read again before they may show are put together under a name of their own first.
INCOMING: Final = "incoming/"


class Bucket(Protocol):
    """What a sink needs of the bucket that it writes to."""

    def call(self, operation: str, **parameters: Any) -> Any: ...

    def begin_upload(self, key: str, **parameters: Any) -> Multipart: ...

    def copy(self, key: str, to: str) -> None: ...

    def read_file(self, key: str) -> BinaryIO: ...

    def delete(self, *keys: str) -> None: ...

    def drop_unfinished(self, key: str) -> None: ...

    def written_with(self) -> dict[str, str]: ...


class BucketSink:
    """Small files go up in one piece at commit(), others in parts as they come."""

    def __init__(self, bucket: Bucket, key: str, content_type: str, *, reread: bool) -> None:
        self.key = key
        self.bytes_written = 0
        self._bucket = bucket
        self._parameters = {"ContentType": content_type or "application/octet-stream", **bucket.written_with()}
        self._buffer = bytearray()
        self._upload: Multipart | None = None
        self._incoming_key = f"{INCOMING}{key}/{secrets.token_hex(8)}" if reread else ""

    def write(self, data: bytes | bytearray | memoryview) -> int:
        view = memoryview(data).cast("B")
        self.bytes_written += len(view)
        while view:
            room = PART_BYTES - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]
            if len(self._buffer) == PART_BYTES:
                self._send_buffer()
        return len(data)

    def read_back(self) -> BinaryIO:
        if self._upload is None:
            return io.BytesIO(self._buffer)
        if not self._incoming_key:
            raise ValueError("not made to be read again")
        self.seal()
        self._upload.complete()
        return self._bucket.read_file(self._incoming_key)

    def seal(self) -> None:
        if self._upload is not None:
            if self._buffer:
                self._send_buffer()
            self._upload.finish_parts()

    def commit(self) -> None:
        self.seal()
        if self._upload is None:
            self._bucket.call("put_object", Key=self.key, Body=bytes(self._buffer), **self._parameters)
        else:
            self._upload.complete()
            if self._incoming_key:
                self._bucket.copy(self._incoming_key, self.key)
        self._refuse_another_size()
        self._drop_leftovers()

    def abort(self) -> None:
        upload, self._upload = self._upload, None
        self._buffer = bytearray()
        if upload is None:
            return
        with _best_effort():
            upload.abort()
        if self._incoming_key and upload.is_complete:
            with _best_effort():
                self._bucket.delete(self._incoming_key)

    def _send_buffer(self) -> None:
        part, self._buffer = self._buffer, bytearray()
        if self._upload is None:
            self._upload = self._bucket.begin_upload(self._incoming_key or self.key, **self._parameters)
        self._upload.put(part)

    def _refuse_another_size(self) -> None:
        """Servers have been seen to keep a checksum's trailer as part of the file, or to lose a part without a word."""
        stored_bytes = self._bucket.call("head_object", Key=self.key)["ContentLength"]
        if stored_bytes != self.bytes_written:
            with _best_effort():
                self._bucket.delete(self.key)
            raise StorageFailed(f"{stored_bytes} bytes stored of {self.bytes_written}")

    def _drop_leftovers(self) -> None:
        """What killed processes have left of this very file is of no use to anybody now."""
        if self._upload is not None:
            with _best_effort():
                self._bucket.drop_unfinished(self.key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


@contextmanager
def _best_effort() -> Iterator[None]:
    """What can't be cleared away now is cleared away by the cleaner; it must not hide what went wrong before."""
    try:
        yield
    except (HouseFault, FileNotFoundError) as fault:
        logger.warning("left for the cleaner", extra={"error": str(fault)})
