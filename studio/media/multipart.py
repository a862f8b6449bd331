"""An upload to a bucket in parts, which go up in a thread while the next are still arriving."""

import secrets
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any, Final

from studio.media.bucket_client import UploadGone
from studio.media.seekable import Seekable
from studio.media.stage import Stage

# The least that S3 takes for a part. Three of them are in memory at most: filled, waiting and under way.
PART_BYTES: Final = 5 * 1024 * 1024
_WAITING_PARTS = 1
_ATTEMPT = "attempt"

Call = Callable[..., Any]


class Multipart:
    """Shows nothing under its key until complete(); abort() ends a part that is under way, too."""

    def __init__(self, call: Call, key: str, **parameters: Any) -> None:
        self.is_complete = False
        self._call = call
        self._key = key
        self._attempt = secrets.token_hex(8)
        self._etags: list[str] = []
        self._cancelled = Event()
        created = call("create_multipart_upload", Key=key, Metadata={_ATTEMPT: self._attempt}, **parameters)
        self._id = str(created["UploadId"])
        self._parts: Stage[bytearray] = Stage("upload", self._send_all, depth=_WAITING_PARTS)

    def put(self, part: bytearray) -> None:
        """Waits for room: a slow bucket slows down whoever writes. `part` must not be changed afterwards."""
        self._parts.put(part)

    def finish_parts(self) -> None:
        """Waits until every part is in the bucket."""
        self._parts.finish()

    def complete(self) -> None:
        """Makes the whole file appear at once; harmless when it has done so already."""
        if self.is_complete:
            return
        self.finish_parts()
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, 1)]
        try:
            self._call("complete_multipart_upload", Key=self._key, UploadId=self._id, MultipartUpload={"Parts": parts})
        except UploadGone:
            # So it says as well when an earlier try was done and its answer was lost.
            if not self._is_there():
                raise
        self.is_complete = True

    def abort(self) -> None:
        """Raises a HouseFault where the bucket could not be told; the parts are then left for the cleaner."""
        self._cancelled.set()
        self._parts.__exit__(None, None, None)
        if not self.is_complete:
            self._call("abort_multipart_upload", Key=self._key, UploadId=self._id)

    def _send_all(self, parts: Iterator[bytearray]) -> None:
        for number, part in enumerate(parts, 1):
            answer = self._call(
                "upload_part",
                cancelled=self._cancelled,
                Key=self._key,
                UploadId=self._id,
                PartNumber=number,
                Body=_Body(part, self._cancelled),
            )
            self._etags.append(answer["ETag"])

    def _is_there(self) -> bool:
        try:
            found = self._call("head_object", Key=self._key)
        except FileNotFoundError:
            return False
        return bool(found.get("Metadata", {}).get(_ATTEMPT) == self._attempt)


class _Body(Seekable):
    """A part as a file that breaks off when the upload is cancelled, however slowly the bucket takes it."""

    def __init__(self, part: bytearray, cancelled: Event) -> None:
        super().__init__()
        self._view = memoryview(part)
        self._cancelled = cancelled

    def __len__(self) -> int:
        return len(self._view)

    @property
    def size_bytes(self) -> int:
        return len(self._view)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._cancelled.is_set():
            raise OSError("cancelled")
        count = min(len(buffer), len(self._view) - self.at)
        buffer[:count] = self._view[self.at : self.at + count]
        self.at += count
        return count
