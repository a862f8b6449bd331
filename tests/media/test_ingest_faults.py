"""Whatever dies during an ingest, everything else ends with it and nothing is left behind."""

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.media import analysis as analysis_module
from studio.media import preview
from studio.media.analysis import Analysis
from studio.media.disk import DiskSink, DiskStorage
from studio.media.errors import (
    EncoderFailed,
    MediaError,
    SourceFault,
    SourceTooSlow,
    SourceTruncated,
    StorageFailed,
    StorageFull,
)
from studio.media.ingest import ingest
from studio.media.pcm import Pcm
from studio.media.pinned import SourceLimits
from tests.media.conftest import stored_files
from tests.media.encoded import encoded
from tests.media.origin import Origin, head, whole, without_length
from tests.media.waves import tone, wav

FILE = wav(tone(4.0))
FLAC = encoded(tone(4.0), "flac")
QUICK = SourceLimits(max_bytes=10**8, read_seconds=0.2, rate_window_seconds=0.2)
FILES = pytest.mark.parametrize("file", [FILE, FLAC, encoded(tone(4.0), "m4a")], ids=["wav", "flac", "m4a"])
STREAMS = pytest.mark.parametrize("file", [FILE, FLAC], ids=["wav", "flac"])


class FullDisk(DiskStorage):
    """Has room for `room_bytes` of the files of one folder; then the kernel's own /dev/full takes over."""

    def __init__(self, folder: str, room_bytes: int, **options: object) -> None:
        super().__init__(**options)
        self._folder, self._room_bytes = folder, room_bytes

    def sink(self, key: str, **options: Any) -> DiskSink:
        sink = super().sink(key, **options)
        if key.startswith(self._folder):
            write = sink.write

            def limited(data: bytes | bytearray | memoryview) -> int:
                if sink.bytes_written + len(data) > self._room_bytes:
                    with Path("/dev/full").open("wb", 0) as full:
                        os.dup2(full.fileno(), sink._file.fileno())
                return write(data)

            sink.write = limited  # type: ignore[method-assign]
        return sink


class NoEncoder:
    def __init__(self) -> None:
        raise RuntimeError("no encoder")


@pytest.fixture(autouse=True)
def nothing_is_left(storage: DiskStorage) -> Iterator[None]:
    """No file, no half file and no open handle of either; threads are watched for every test of this folder."""
    yield
    assert stored_files(storage) == set()
    held = [link for link in Path("/proc/self/fd").iterdir() if str(storage.location) in _target(link)]
    assert held == []


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def fails(url: str, storage: DiskStorage, fault: type[MediaError], limits: SourceLimits | None = None) -> MediaError:
    with pytest.raises(fault) as caught:
        ingest(url, track_id=1, storage=storage, limits=limits)
    return caught.value


@FILES
def test_a_source_that_is_cut_ends_everything(origin: Origin, storage: DiskStorage, file: bytes) -> None:
    cut = file[: len(file) // 2]
    fails(origin.answer("/a", head(content_length=len(file)) + cut), storage, SourceTruncated)
    fails(origin.answer("/b", without_length(cut)), storage, SourceFault)


@FILES
def test_a_source_that_stalls_ends_everything(origin: Origin, storage: DiskStorage, file: bytes) -> None:
    started = head(content_length=len(file)) + file[: len(file) // 2]
    fails(origin.answer("/a", origin.then_stall(started)), storage, SourceTooSlow, QUICK)


@FILES
def test_a_source_that_is_too_large_ends_everything(origin: Origin, storage: DiskStorage, file: bytes) -> None:
    fails(origin.answer("/a", without_length(file)), storage, SourceFault, replace(QUICK, max_bytes=len(file) - 1))


@FILES
@pytest.mark.parametrize("after", [0, 3])
def test_an_encoder_that_dies_ends_everything(
    origin: Origin, storage: DiskStorage, monkeypatch: pytest.MonkeyPatch, file: bytes, after: int
) -> None:
    blocks: list[int] = []
    encoded_by_lame = preview._encoded

    def dies(encoder: object, block: object) -> bytes:
        blocks.append(1)
        if len(blocks) > after:
            raise EncoderFailed("killed")
        return encoded_by_lame(encoder, block)  # type: ignore[arg-type]

    monkeypatch.setattr(preview, "_encoded", dies)
    assert fails(origin.answer("/a", whole(file)), storage, EncoderFailed).fault == "house"
    assert len(blocks) == after + 1


@STREAMS
def test_an_encoder_that_dies_stops_the_fetching(
    origin: Origin, storage: DiskStorage, monkeypatch: pytest.MonkeyPatch, file: bytes
) -> None:
    monkeypatch.setattr("studio.media.preview.lameenc.Encoder", NoEncoder)
    sent: list[int] = []

    def endless(connection: object) -> None:
        connection.sendall(head(connection="close") + file)  # type: ignore[attr-defined]
        for _ in range(100_000):
            connection.sendall(file)  # type: ignore[attr-defined]
            sent.append(1)

    assert fails(origin.answer("/a", endless), storage, EncoderFailed).fault == "house"
    assert len(sent) < 1000


@FILES
@pytest.mark.parametrize("folder", ["masters", "previews", "peaks"])
@pytest.mark.parametrize("room_bytes", [0, 200])
def test_a_full_disk_is_the_houses_fault_and_ends_everything(
    origin: Origin, storage: DiskStorage, file: bytes, folder: str, room_bytes: int
) -> None:
    full = FullDisk(folder, room_bytes, location=storage.location)
    error = fails(origin.answer("/a", whole(file)), full, StorageFull)
    assert (error.code, error.fault) == ("storage_full", "house")


@pytest.mark.parametrize("call", ["fsync", "open", "write"])
def test_a_broken_disk_is_the_houses_fault(
    origin: Origin, storage: DiskStorage, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    url = origin.answer("/a", whole(FILE))
    with monkeypatch.context() as patch:
        if call == "write":
            patch.setattr(DiskSink, "write", broken)
        else:
            patch.setattr(os, call, broken)
        with pytest.raises(StorageFailed):
            ingest(url, track_id=1, storage=storage)


def test_a_preview_that_cannot_be_stored_shows_no_master_either(
    origin: Origin, storage: DiskStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(self: DiskSink) -> None:
        if self.key.startswith("previews"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(DiskSink, "seal", cannot)
    fails(origin.answer("/a", whole(FILE)), storage, StorageFull)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_only_a_few_blocks_wait_for_an_encoder_that_is_slower_than_the_source(
    origin: Origin, storage: DiskStorage, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    song = tone(30.0)
    file = wav(song) if kind == "wav" else encoded(song, "flac")
    given: list[int] = []
    waiting: list[int] = []
    taken = iter(range(10_000))
    add, encoded_by_lame = Analysis.add, preview._encoded

    def counted(analysis: Analysis, samples: Pcm, *, heard: bool) -> None:
        given.append(1)
        add(analysis, samples, heard=heard)

    def slow(encoder: object, block: object) -> bytes:
        waiting.append(len(given) - next(taken))
        return encoded_by_lame(encoder, block)  # type: ignore[arg-type]

    monkeypatch.setattr(Analysis, "add", counted)
    monkeypatch.setattr(preview, "_encoded", slow)
    fails(origin.answer("/a", without_length(file[:-100])), storage, SourceFault)
    assert len(given) > 50
    assert max(waiting) <= analysis_module._QUEUED_BLOCKS + 2
