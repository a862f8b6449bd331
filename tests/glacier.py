"""A bucket on a stand-in for S3 over HTTP, with Glacier's clock in the hands of the test: no stand-in keeps one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from studio.media.bucket import BucketStorage
from studio.media.storage import Facts, default_storage

BUCKET = "songs"
KEYS = {"access_key": "test", "secret_key": "test"}


class GlacierBucket(BucketStorage):
    """As the real one, but for what only time or Glacier could answer."""

    asked: ClassVar[list[tuple[str, str, int]]] = []
    on_its_way: ClassVar[set[str]] = set()
    back_until: ClassVar[dict[str, datetime]] = {}
    # What the next wishes are answered with, before any is heard.
    refusals: ClassVar[list[Exception]] = []

    @property
    def client(self) -> Any:
        return _Client(super().client)

    def facts(self, key: str) -> Facts:
        found = super().facts(key)
        said = None
        if key in self.on_its_way:
            said = 'ongoing-request="true"'
        elif key in self.back_until:
            said = f'ongoing-request="false", expiry-date="{format_datetime(self.back_until[key], usegmt=True)}"'
        return Facts(found.size_bytes, found.etag, found.storage_class, said)

    @classmethod
    def forget(cls) -> None:
        for kept in (cls.asked, cls.on_its_way, cls.back_until, cls.refusals):
            kept.clear()

    @classmethod
    def bring_back(cls, key: str, days: float = 7) -> datetime:
        """Hours have passed: Glacier has done it."""
        cls.on_its_way.discard(key)
        cls.back_until[key] = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
        return cls.back_until[key]

    @classmethod
    def let_expire(cls, key: str) -> None:
        del cls.back_until[key]


class _Client:
    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def restore_object(self, *, Bucket: str, Key: str, RestoreRequest: dict[str, Any]) -> None:  # noqa: N803
        assert Bucket == BUCKET
        if GlacierBucket.refusals:
            raise GlacierBucket.refusals.pop(0)
        if Key in GlacierBucket.on_its_way:
            raise refusal("RestoreAlreadyInProgress", 409)
        GlacierBucket.asked.append((Key, RestoreRequest["GlacierJobParameters"]["Tier"], RestoreRequest["Days"]))
        GlacierBucket.on_its_way.add(Key)


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "RestoreObject")


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_url: str, settings: Settings) -> Iterator[GlacierBucket]:
    """The studio's storage is an empty bucket of its own."""
    client = boto3.client(
        "s3", endpoint_url=s3_url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket=BUCKET)
    options = {"bucket_name": BUCKET, "endpoint_url": s3_url, "region_name": "us-east-1", **KEYS}
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "tests.glacier.GlacierBucket", "OPTIONS": options},
    }
    GlacierBucket.forget()
    storage = default_storage()
    assert isinstance(storage, GlacierBucket)
    yield storage
    GlacierBucket.forget()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for found in page.get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=found["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


def put(bucket: GlacierBucket, key: str, body: bytes = b"x" * 100, storage_class: str = "STANDARD") -> None:
    bucket.client.put_object(Bucket=BUCKET, Key=key, Body=body, StorageClass=storage_class)
