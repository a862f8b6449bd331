"""A storage of its own and a lying web server for every test."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from studio.media.disk import DiskStorage
from tests.media.origin import Origin


@pytest.fixture
def storage(tmp_path: Path) -> DiskStorage:
    return DiskStorage(location=str(tmp_path / "media"))


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
