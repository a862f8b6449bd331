"""Files appear whole or not at all, under keys made of ids."""

import errno
import os
import stat
from pathlib import Path
from uuid import UUID

import pytest

from studio.media.disk import DiskStorage
from studio.media.errors import StorageFailed, StorageFull, house_faults
from studio.media.storage import master_key, peaks_key, preview_key
from tests.media.conftest import stored_files


def test_keys_are_made_of_the_id_alone() -> None:
    track = UUID(int=7)
    assert master_key(track, "wav") == f"masters/{track}.wav"
    assert preview_key(42) == "previews/42.mp3"
    assert peaks_key("a1", 256) == "peaks/a1.256.dat"


@pytest.mark.parametrize("bad", ["", "..", "../x", "a/b", "a.b", ".hidden", "x" * 65, "a\n"])
def test_a_key_never_leaves_its_folder(bad: str) -> None:
    with pytest.raises(ValueError, match="Not usable"):
        master_key(bad, "wav")


def test_nothing_is_visible_before_the_commit(storage: DiskStorage) -> None:
    with storage.sink("masters/1.wav") as sink:
        sink.write(b"half")
        sink.seal()
        assert not storage.exists("masters/1.wav")
        sink.commit()
        assert b"".join(storage.open_range("masters/1.wav")) == b"half"
    assert stored_files(storage) == {"masters/1.wav"}


def test_leaving_without_a_commit_drops_the_file(storage: DiskStorage) -> None:
    with storage.sink("masters/1.wav") as sink:
        sink.write(b"half")
    assert stored_files(storage) == set()


def test_an_exception_drops_the_file_and_keeps_the_former_one(storage: DiskStorage) -> None:
    with storage.sink("masters/1.wav") as sink:
        sink.write(b"good")
        sink.commit()
    with pytest.raises(TypeError), storage.sink("masters/1.wav") as sink:
        sink.write("not bytes")  # type: ignore[arg-type]
    assert stored_files(storage) == {"masters/1.wav"}
    assert b"".join(storage.open_range("masters/1.wav")) == b"good"


def test_files_and_folders_are_private(storage: DiskStorage) -> None:
    with storage.sink("masters/1.wav") as sink:
        sink.write(memoryview(b"x"))
        sink.commit()
    path = Path(storage.path("masters/1.wav"))
    modes = [stat.S_IMODE(entry.stat().st_mode) for entry in (path, path.parent, path.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


def test_a_sink_counts_bytes_and_reads_them_back(storage: DiskStorage) -> None:
    with storage.sink("masters/1.m4a") as sink:
        assert sink.write(b"abc") == 3
        sink.write(bytearray(b"def"))
        assert sink.bytes_written == 6
        with sink.read_back() as file:
            assert file.read() == b"abcdef"


def test_a_range_is_half_open_and_ends_with_the_file(storage: DiskStorage) -> None:
    with storage.sink("a/b.bin") as sink:
        sink.write(bytes(range(100)))
        sink.commit()
    assert b"".join(storage.open_range("a/b.bin", 10, 20)) == bytes(range(10, 20))
    assert b"".join(storage.open_range("a/b.bin", 90, 1000)) == bytes(range(90, 100))
    assert b"".join(storage.open_range("a/b.bin", 500)) == b""
    with pytest.raises(FileNotFoundError):
        storage.open_range("a/none.bin")


def test_a_slice_closed_early_gives_nothing_more(storage: DiskStorage) -> None:
    with storage.sink("a/b.bin") as sink:
        sink.write(b"x" * 1_000_000)
        sink.commit()
    slice_ = storage.open_range("a/b.bin")
    assert next(slice_)
    slice_.close()
    assert list(slice_) == []


def test_the_cleaner_takes_abandoned_parts_and_leaves_living_ones(storage: DiskStorage) -> None:
    folder = Path(storage.path("masters"))
    with storage.sink("masters/1.wav") as sink:
        sink.write(b"still going")
        living = next(folder.glob(".*.part"))
        abandoned = folder / ".2.wav.0011.part"
        abandoned.write_bytes(b"its process was killed")
        young = folder / ".3.wav.0022.part"
        young.write_bytes(b"not locked yet")
        for old in (living, abandoned):
            os.utime(old, (0, 0))
        assert storage.clean_stale_parts() == 1
        assert sorted(folder.iterdir()) == sorted([living, young])
        sink.commit()
    assert storage.exists("masters/1.wav")


def test_the_cleaner_copes_with_a_storage_that_is_not_there_yet(storage: DiskStorage) -> None:
    assert storage.clean_stale_parts() == 0


def test_a_full_disk_is_told_apart_from_a_broken_one() -> None:
    with pytest.raises(StorageFull) as full, house_faults():
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(StorageFailed) as broken, house_faults():
        raise OSError(errno.EACCES, "Permission denied")
    assert (full.value.code, full.value.fault) == ("storage_full", "house")
    assert (broken.value.code, broken.value.fault) == ("storage_failed", "house")


def test_a_folder_that_cannot_be_made_is_the_houses_fault(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file where a folder should be")
    with pytest.raises(StorageFailed):
        DiskStorage(location=str(tmp_path / "media")).sink("masters/1.wav")
