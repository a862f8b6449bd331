"""A bucket on Amazon S3 or a server that speaks its protocol: private objects, and links that people can use."""

import io
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from botocore.exceptions import BotoCoreError
from storages.backends.s3 import S3Storage  # type: ignore[import-untyped]
from urllib3.exceptions import HTTPError

from studio.downloads import disposition as content_disposition
from studio.media.bucket_client import NotOffered, bucket_faults, call, client_config, pages
from studio.media.bucket_sink import INCOMING, BucketSink
from studio.media.errors import HouseFault, StorageUnreachable
from studio.media.multipart import Multipart
from studio.media.seekable import Seekable
from studio.media.storage import BLOCK_BYTES, FOLDERS, STANDARD, Facts, Listed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LINK_SECONDS: Final = 900
REREAD_BYTES: Final = 1024 * 1024
# Longer than any ingest may take.
ABANDONED_SECONDS: Final = 3600.0
REGION: Final = "us-east-1"


class BucketFile:
    """An object as it is now; reading it later fails if it has been replaced meanwhile."""

    def __init__(self, client: "S3Client", bucket_name: str, key: str) -> None:
        self._client = client
        self._where: dict[str, Any] = {"Bucket": bucket_name, "Key": key}
        found = call(client, "head_object", **self._where)
        self.size_bytes: int = found["ContentLength"]
        self.modified_at: datetime = found["LastModified"]
        self.etag: str = found["ETag"]

    def slice(self, start: int, end: int) -> "BucketSlice":
        end = min(end, self.size_bytes)
        if start >= end:
            return BucketSlice(None)
        span = f"bytes={start}-{end - 1}"
        answer = call(self._client, "get_object", **self._where, Range=span, IfMatch=self.etag)
        return BucketSlice(answer["Body"])

    def close(self) -> None:
        """Nothing is open: each slice is a request of its own."""


class BucketSlice:
    """The body of an answer; a connection that breaks is a StorageUnreachable."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            block = self._body.read(BLOCK_BYTES) if self._body is not None else b""
        except (BotoCoreError, HTTPError, OSError) as error:
            self.close()
            raise StorageUnreachable(f"reading: {type(error).__name__}") from None
        if not block:
            self.close()
            raise StopIteration
        return bytes(block)

    def close(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()


class BucketReader(Seekable):
    """An object as a file that can seek: each read is a request for just those bytes, so put a buffer before it."""

    def __init__(self, stored: BucketFile) -> None:
        super().__init__()
        self._stored = stored

    @property
    def size_bytes(self) -> int:
        return self._stored.size_bytes

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self._take(self._stored.size_bytes)

    def _take(self, count: int) -> bytes:
        data = b"".join(self._stored.slice(self.at, self.at + count))
        self.at += len(data)
        return data


class BucketStorage(S3Storage):  # type: ignore[misc]
    """django-storages' S3 backend with whole-or-nothing writes, byte ranges and a second address for browsers.

    `public_endpoint_url` is where browsers reach the bucket, if not by `endpoint_url`; `encryption` is AES256 or
    aws:kms, the latter with `kms_key_id` where it is not the account's own key.
    """

    def __init__(
        self, *, public_endpoint_url: str = "", encryption: str = "", kms_key_id: str = "", **options: Any
    ) -> None:
        options.setdefault("region_name", REGION)
        options.setdefault("client_config", client_config(options.get("endpoint_url"), options.get("addressing_style")))
        super().__init__(**options)
        self._public_endpoint_url = public_endpoint_url or self.endpoint_url
        self._encryption = {"ServerSideEncryption": encryption} if encryption else {}
        if encryption and kms_key_id:
            self._encryption["SSEKMSKeyId"] = kms_key_id
        self._making = Lock()

    # One client for all threads: botocore's are safe to share, and each costs a tenth of a second and a few megabytes.
    @cached_property
    def client(self) -> "S3Client":
        return self._make_client(self.endpoint_url)

    @cached_property
    def public_client(self) -> "S3Client":
        same = self._public_endpoint_url == self.endpoint_url
        return self.client if same else self._make_client(self._public_endpoint_url)

    def _make_client(self, endpoint_url: str | None) -> "S3Client":
        with self._making, bucket_faults("connect"):
            client = self._create_session().client(
                "s3", region_name=self.region_name, endpoint_url=endpoint_url, config=self.client_config
            )
        return cast("S3Client", client)

    def call(self, operation: str, **parameters: Any) -> Any:
        return call(self.client, operation, Bucket=self.bucket_name, **parameters)

    def written_with(self) -> dict[str, str]:
        return self._encryption

    def begin_upload(self, key: str, **parameters: Any) -> Multipart:
        return Multipart(self.call, key, **parameters)

    def sink(self, key: str, *, content_type: str = "", reread: bool = False) -> BucketSink:
        return BucketSink(self, key, content_type, reread=reread)

    def open_file(self, key: str) -> BucketFile:
        return BucketFile(self.client, self.bucket_name, key)

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> BucketSlice:
        stored = self.open_file(key)
        return stored.slice(start, stored.size_bytes if end is None else end)

    def read_file(self, key: str) -> BinaryIO:
        return io.BufferedReader(BucketReader(self.open_file(key)), REREAD_BYTES)

    def download_url(
        self,
        key: str,
        *,
        name: str,
        content_type: str,
        as_attachment: bool = True,
        seconds: int = LINK_SECONDS,
        method: str = "GET",
    ) -> str:
        disposition = content_disposition(name, inline=not as_attachment)
        answer = {"ResponseContentDisposition": disposition, "ResponseContentType": content_type}
        # A link is signed for one method.
        return self._sign("head_object" if method == "HEAD" else "get_object", key, seconds, **answer)

    def fetch_url(self, key: str, seconds: int = LINK_SECONDS) -> str:
        return self._sign("get_object", key, seconds)

    def _sign(self, operation: str, key: str, seconds: int, **parameters: str) -> str:
        where = {"Bucket": self.bucket_name, "Key": key}
        with bucket_faults("sign"):
            return self.public_client.generate_presigned_url(operation, Params=where | parameters, ExpiresIn=seconds)

    def facts(self, key: str) -> Facts:
        found = self.call("head_object", Key=key)
        storage_class = found.get("StorageClass") or STANDARD
        return Facts(found["ContentLength"], found["ETag"], storage_class, found.get("Restore"))

    def delete(self, *keys: str) -> None:
        # One by one: servers differ in the checksum that they want for a list.
        for key in keys:
            self.call("delete_object", Key=key)

    def listed(self, prefix: str) -> Iterator[Listed]:
        marks = {"ContinuationToken": "NextContinuationToken"}
        for page in pages(self.client, "list_objects_v2", marks, Bucket=self.bucket_name, Prefix=prefix):
            for found in page.get("Contents", ()):
                storage_class = found.get("StorageClass") or STANDARD
                yield Listed(found["Key"], found["Size"], found["LastModified"], storage_class)

    def probe(self) -> None:
        try:
            self.call("head_bucket")
        except FileNotFoundError:
            raise HouseFault(f"no bucket {self.bucket_name}") from None

    def copy(self, key: str, to: str) -> None:
        source = {"Bucket": self.bucket_name, "Key": key}
        self.call("copy_object", Key=to, CopySource=source, **self._encryption)

    def drop_unfinished(self, key: str) -> None:
        """Aborts and removes whatever was begun for `key` and not finished."""
        incoming = f"{INCOMING}{key}/"
        for begun_key, upload_id, _ in (*self._unfinished(key), *self._unfinished(incoming)):
            if begun_key == key or begun_key.startswith(incoming):
                self.call("abort_multipart_upload", Key=begun_key, UploadId=upload_id)
        self.delete(*[found.key for found in self.listed(incoming)])

    def clean_stale_parts(self, older_than_seconds: float = ABANDONED_SECONDS) -> int:
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        stale = [begun for folder in (*FOLDERS, INCOMING) for begun in self._unfinished(folder) if begun[2] < before]
        for key, upload_id, _ in stale:
            self.call("abort_multipart_upload", Key=key, UploadId=upload_id)
        left = [found.key for found in self.listed(INCOMING) if found.modified_at < before]
        self.delete(*left)
        return len(stale) + len(left)

    def _unfinished(self, prefix: str) -> Iterator[tuple[str, str, datetime]]:
        """Keys and ids of uploads that were begun. Some servers can't tell; there they have to see to it themselves."""
        with suppress(NotOffered):
            yield from self._begun(prefix)

    def _begun(self, prefix: str) -> Iterator[tuple[str, str, datetime]]:
        marks = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
        for page in pages(self.client, "list_multipart_uploads", marks, Bucket=self.bucket_name, Prefix=prefix):
            for begun in page.get("Uploads", ()):
                yield begun["Key"], begun["UploadId"], begun["Initiated"]
