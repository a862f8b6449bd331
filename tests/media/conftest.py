"""A storage of its own and a lying web server for every test."""

import copy
import logging
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from studio.media.bucket import BucketStorage
from studio.media.disk import DiskStorage
from tests.media.origin import Origin
from tests.media.s3_server import Proxy, S3Server, new_bucket


@pytest.fixture
def storage(tmp_path: Path) -> DiskStorage:
    return DiskStorage(location=str(tmp_path / "media"))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    # A line for each request would hide everything else.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with S3Server() as running:
        yield running


@pytest.fixture(scope="session")
def running_proxy(s3_server: S3Server) -> Iterator[Proxy]:
    with s3_server.proxied() as running:
        yield running


@pytest.fixture(scope="session")
def first_bucket(running_proxy: Proxy) -> BucketStorage:
    return new_bucket(running_proxy.url)


@pytest.fixture
def proxy(running_proxy: Proxy) -> Iterator[Proxy]:
    running_proxy.troubles.clear()
    running_proxy.seen.clear()
    yield running_proxy
    running_proxy.on_request = None
    running_proxy.troubles.clear()


@pytest.fixture
def bucket(proxy: Proxy, first_bucket: BucketStorage) -> BucketStorage:
    """An empty bucket, reached through the proxy."""
    # Making a client takes longer than most tests, so they share one.
    storage = copy.copy(first_bucket)
    storage.bucket_name = f"songs-{secrets.token_hex(4)}"
    storage.call("create_bucket")
    proxy.seen.clear()
    return storage


@pytest.fixture
def origin(settings: Settings) -> Iterator[Origin]:
    with Origin() as running:
        settings.NEOAPEX_ENV = "embedded"
        settings.NEOAPEX_MEDIA_HOSTS = [f"127.0.0.1:{running.port}"]
        settings.NEOAPEX_MEDIA_MAX_BYTES = 64 * 1024 * 1024
        yield running


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("media-")] == []


def stored_files(storage: DiskStorage) -> set[str]:
    """Every file below the storage, half-written ones too."""
    root = Path(storage.location)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
