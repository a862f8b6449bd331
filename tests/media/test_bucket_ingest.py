"""A song goes from its link into the bucket in one pass: whole or not at all, and never over this machine's disk."""

import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.media import bucket_client, bucket_sink
from studio.media.bucket import BucketStorage
from studio.media.errors import HouseFault, MediaError, SourceFault, StorageBusy, StorageRefused
from studio.media.ingest import Ingested, ingest
from studio.media.multipart import PART_BYTES as REAL_PART_BYTES
from studio.media.peaks import Peaks
from tests.media.encoded import encoded
from tests.media.origin import Origin, head, whole, without_length
from tests.media.s3_server import KEY_ID, SECRET, Proxy, S3Server, objects_in, unfinished_in
from tests.media.waves import chunk, fmt, riff, tone, wav

ROOT = Path(__file__).resolve().parents[2]
PART_BYTES = 100_000
SONG = tone(3.0)
FILES = {"wav": wav(SONG), **{kind: encoded(SONG, kind) for kind in ("flac", "mp3", "ogg", "m4a")}}
# Loud and without pattern, so that each format's file is of many parts.
NOISE = np.random.default_rng(5).integers(-20_000, 20_000, (44_100 * 20, 2), np.int16)
KINDS = pytest.mark.parametrize("kind", list(FILES))


@pytest.fixture(autouse=True)
def short_pauses_and_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_client, "FIRST_PAUSE_SECONDS", 0.005)
    monkeypatch.setattr(bucket_sink, "PART_BYTES", PART_BYTES)


def read(storage: BucketStorage, key: str) -> bytes:
    return b"".join(storage.open_range(key))


def assert_whole(storage: BucketStorage, done: Ingested, file: bytes) -> None:
    assert objects_in(storage) == {done.master_key, done.preview_key, done.peaks_key, done.overview_key}
    assert unfinished_in(storage) == []
    assert read(storage, done.master_key) == file
    assert done.sha256 == hashlib.sha256(file).hexdigest()
    assert read(storage, done.preview_key)[:2] == b"\xff\xfb"


def assert_nothing(storage: BucketStorage) -> None:
    assert objects_in(storage) == set()
    assert unfinished_in(storage) == []


@pytest.mark.slow
@KINDS
def test_every_format_is_kept_to_the_byte_and_measured(bucket: BucketStorage, origin: Origin, kind: str) -> None:
    done = ingest(origin.answer("/song", whole(FILES[kind])), track_id=7, storage=bucket)
    assert done.format == kind
    assert_whole(bucket, done, FILES[kind])
    assert done.duration_ms == pytest.approx(3000, abs=60)
    # Lossy formats overshoot where the tone sets in.
    assert done.true_peak_dbtp == pytest.approx(-6, abs=0.1 if kind in {"wav", "flac"} else 4)
    content = bucket.client.head_object(Bucket=bucket.bucket_name, Key=done.preview_key)["ContentType"]
    assert content == "audio/mpeg"


@pytest.mark.slow
@KINDS
def test_a_file_of_many_parts_is_kept_to_the_byte(
    bucket: BucketStorage, origin: Origin, proxy: Proxy, kind: str
) -> None:
    file = wav(NOISE) if kind == "wav" else encoded(NOISE, kind)
    done = ingest(origin.answer("/song", whole(file)), track_id=7, storage=bucket)
    assert_whole(bucket, done, file)
    assert proxy.count("UploadPart") >= len(file) // PART_BYTES
    peaks = Peaks(44_100)
    peaks.add(NOISE)
    assert kind not in {"wav", "flac"} or read(bucket, done.peaks_key) == peaks.finish()


@pytest.mark.slow
def test_an_m4a_with_its_index_at_the_end_is_read_again_from_the_bucket_only(
    bucket: BucketStorage, origin: Origin, proxy: Proxy
) -> None:
    file = encoded(tone(20.0), "m4a")
    assert file.index(b"moov") > file.index(b"mdat")
    assert len(file) > PART_BYTES
    done = ingest(origin.answer("/song", whole(file)), track_id=7, storage=bucket)
    assert_whole(bucket, done, file)
    assert len(origin.requests) == 1
    assert proxy.count("Copy") == 1
    assert not any(key.startswith("masters/") for operation, key in proxy.seen if operation == "Create")


@pytest.mark.slow
def test_a_second_ingest_replaces_the_first_and_a_failed_one_does_not(bucket: BucketStorage, origin: Origin) -> None:
    done = ingest(origin.answer("/song", whole(FILES["wav"])), track_id=7, storage=bucket)
    with pytest.raises(SourceFault):
        ingest(origin.answer("/cut", without_length(FILES["wav"][:-100])), track_id=7, storage=bucket)
    assert_whole(bucket, done, FILES["wav"])
    other = wav(tone(2.0))
    assert_whole(bucket, ingest(origin.answer("/other", whole(other)), track_id=7, storage=bucket), other)


# --- Bad sources -----------------------------------------------------------------------------------------------------

MISLABELLED = riff(chunk(b"fmt ", fmt(bits=24, block_align=4)), chunk(b"data", SONG.tobytes()))
ENDLESS = head(connection="close") + FILES["wav"] + bytes(3_000_000)
BAD = {
    "cut without a length": without_length(FILES["wav"][: len(FILES["wav"]) // 2]),
    "a page": whole(b"<!DOCTYPE html><html><body>Sign in</body></html>", content_type="audio/wav"),
    "endless": ENDLESS,
    "of a wrong RIFF size": whole(riff(chunk(b"fmt ", fmt()), chunk(b"data", SONG.tobytes()), size=1_000_000)),
    "24 bit that are none": whole(MISLABELLED),
    "a header of silence": whole(riff(chunk(b"fmt ", fmt()), chunk(b"data", b""))),
    "empty": whole(b""),
    "a zip": whole(b"PK\x03\x04" + bytes(200_000)),
    "ten gigabytes": head(content_length=10 * 1024**3) + FILES["wav"],
}


@pytest.mark.parametrize("bad", list(BAD))
def test_a_bad_source_leaves_nothing_in_the_bucket(
    bucket: BucketStorage, origin: Origin, settings: Any, bad: str
) -> None:
    settings.NEOAPEX_MEDIA_MAX_BYTES = 2_000_000
    with pytest.raises(SourceFault) as caught:
        ingest(origin.answer("/song", BAD[bad]), track_id=7, storage=bucket)
    assert caught.value.detail
    assert_nothing(bucket)


@KINDS
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_file_that_is_cut_leaves_nothing_in_the_bucket(
    bucket: BucketStorage, origin: Origin, kind: str, part: float
) -> None:
    file = FILES[kind]
    with pytest.raises(SourceFault):
        ingest(origin.answer("/song", without_length(file[: int(len(file) * part)])), track_id=7, storage=bucket)
    assert_nothing(bucket)


# --- A bucket in trouble ---------------------------------------------------------------------------------------------


@pytest.fixture
def ends_soon() -> Iterator[None]:
    began = time.monotonic()
    yield
    # Well below what any of the waits would take; a part that the slow bucket takes whole lasts longer, too.
    assert time.monotonic() - began < 15


def fails(bucket: BucketStorage, origin: Origin, kind: str = "wav") -> MediaError:
    with pytest.raises(MediaError) as caught:
        ingest(origin.answer("/song", whole(FILES[kind])), track_id=7, storage=bucket)
    return caught.value


@pytest.mark.slow
@pytest.mark.usefixtures("ends_soon")
@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        *itertools.product(["wav", "flac", "m4a"], ["Create", "UploadPart", "Complete", "Put", "Head"]),
        # Only an m4a is read again before it shows.
        *itertools.product(["m4a"], ["Copy", "Get"]),
    ],
)
def test_a_bucket_that_refuses_ends_everything_and_is_the_houses_fault(
    bucket: BucketStorage, origin: Origin, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, kind: str, operation: str
) -> None:
    # So small that each of the formats is of several parts.
    monkeypatch.setattr(bucket_sink, "PART_BYTES", 20_000)
    proxy.trouble(operation, "denied", times=99)
    assert fails(bucket, origin, kind).fault == "house"
    assert unfinished_in(bucket) == []
    assert not any(key.startswith(("masters/", "incoming/")) for key in objects_in(bucket))
    proxy.troubles.clear()
    assert_whole(bucket, ingest(origin.answer("/song", whole(FILES[kind])), track_id=7, storage=bucket), FILES[kind])


@pytest.mark.parametrize("operation", ["Create", "UploadPart", "Complete", "Put"])
def test_a_bucket_that_is_busy_for_a_moment_costs_nothing(
    bucket: BucketStorage, origin: Origin, proxy: Proxy, operation: str
) -> None:
    proxy.trouble(operation, "busy", times=3)
    done = ingest(origin.answer("/song", whole(FILES["wav"])), track_id=7, storage=bucket)
    assert_whole(bucket, done, FILES["wav"])
    assert len(origin.requests) == 1


def test_a_bucket_that_stays_busy_and_keys_that_expire_say_which(
    bucket: BucketStorage, origin: Origin, proxy: Proxy
) -> None:
    proxy.trouble("UploadPart", "busy", times=99, spared=2)
    assert isinstance(fails(bucket, origin), StorageBusy)
    proxy.troubles.clear()
    proxy.trouble("UploadPart", "expired", times=99, spared=2)
    error = fails(bucket, origin)
    assert isinstance(error, StorageRefused)
    assert "administrator" in error.hint


@pytest.mark.slow
@pytest.mark.usefixtures("ends_soon")
def test_a_source_that_dies_does_not_wait_for_a_slow_bucket(
    bucket: BucketStorage, origin: Origin, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_sink, "PART_BYTES", REAL_PART_BYTES)
    proxy.bytes_per_second = 100_000
    proxy.trouble("UploadPart", "slow", times=99)
    song = wav(tone(60.0))
    with pytest.raises(SourceFault):
        ingest(origin.answer("/song", without_length(song[:-100_000])), track_id=7, storage=bucket)
    assert unfinished_in(bucket) == []


@pytest.mark.slow
def test_a_slow_bucket_slows_the_source_down_instead_of_filling_memory(
    bucket: BucketStorage, origin: Origin, proxy: Proxy
) -> None:
    proxy.bytes_per_second = 1_500_000
    proxy.trouble("UploadPart", "slow", times=10_000)
    song = wav(NOISE)
    sent: list[float] = []

    def counted(connection: Any) -> None:
        connection.sendall(head(content_length=len(song)))
        for start in range(0, len(song), 50_000):
            connection.sendall(song[start : start + 50_000])
            sent.append(proxy.count("UploadPart"))

    ingest(origin.answer("/song", counted), track_id=7, storage=bucket)
    # What is neither in the bucket nor at the source: three parts, and what lies in sockets and queues.
    ahead = max((index + 1) * 50_000 - parts * PART_BYTES for index, parts in enumerate(sent))
    assert ahead < 3 * PART_BYTES + 8_000_000


# --- In a process of its own -----------------------------------------------------------------------------------------

WORKER = """
import os, sys
import django
django.setup()
from studio.media import bucket_sink
from studio.media.bucket import BucketStorage
from studio.media.ingest import ingest
bucket_sink.PART_BYTES = int(os.environ["PART_BYTES"])
storage = BucketStorage(bucket_name=os.environ["BUCKET"], endpoint_url=os.environ["S3"], access_key="k", secret_key="s")
storage.client
if "AUDIT" in os.environ:
    def hook(event, arguments):
        if event == "open":
            path, mode, flags = arguments
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                os.write(2, f"opened {path!r} {flags:#o}\\n".encode())
        elif event in {"os.mkdir", "os.rename", "os.truncate", "tempfile.mkstemp", "tempfile.mkdtemp"}:
            os.write(2, f"{event} {arguments!r}\\n".encode())
    sys.addaudithook(hook)
done = ingest(os.environ["SONG"], track_id=7, storage=storage)
print(done.sha256)
"""


def environment(bucket: BucketStorage, song_url: str, s3_url: str, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "neoapex.settings",
        "NEOAPEX_ENV": "embedded",
        "NEOAPEX_MEDIA_HOSTS": song_url.split("/")[2],
        "BUCKET": bucket.bucket_name,
        "S3": s3_url,
        "SONG": song_url,
        "PART_BYTES": str(PART_BYTES),
        "PYTHONDONTWRITEBYTECODE": "1",
        **more,
    }


def run(environ: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER]
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@KINDS
def test_an_ingest_into_a_bucket_opens_no_file_for_writing(
    bucket: BucketStorage, origin: Origin, s3_server: S3Server, kind: str
) -> None:
    file = encoded(tone(20.0), kind) if kind != "wav" else FILES["wav"]
    url = origin.answer("/song", whole(file))
    told, complained = run(environment(bucket, url, s3_server.url, AUDIT="1")).communicate(timeout=60)
    assert told.strip() == hashlib.sha256(file).hexdigest(), complained
    assert complained == ""


@pytest.mark.slow
def test_the_audit_would_see_a_file_that_is_opened_for_writing(
    bucket: BucketStorage, origin: Origin, s3_server: S3Server, tmp_path: Path
) -> None:
    spy = WORKER.replace("print(", f"open({str(tmp_path / 'x')!r}, 'wb').close(); print(")
    environ = environment(bucket, origin.answer("/song", whole(FILES["wav"])), s3_server.url, AUDIT="1")
    done = subprocess.run(
        [sys.executable, "-c", spy], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert "opened" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["wav", "m4a"])
def test_a_song_whose_worker_is_killed_anywhere_is_whole_in_the_end(
    bucket: BucketStorage, origin: Origin, proxy: Proxy, kind: str
) -> None:
    file = wav(tone(8.0)) if kind == "wav" else encoded(tone(30.0), "m4a")
    url = origin.answer("/song", whole(file))
    environ = environment(bucket, url, proxy.url)
    whole_run = run(environ)
    assert whole_run.communicate(timeout=60)[0].strip() == hashlib.sha256(file).hexdigest()
    requests = len(proxy.seen)
    assert requests > 12
    kill_at = sorted(random.Random(5).sample(range(1, requests + 1), k=20 if kind == "wav" else 4))
    for place in kill_at:
        bucket.delete(*objects_in(bucket))
        proxy.seen.clear()
        worker = run(environ)
        proxy.on_request = lambda number, worker=worker, place=place: number == place and worker.kill()
        worker.communicate(timeout=60)
        proxy.on_request = None
        assert worker.returncode == -signal.SIGKILL
        # What shows is whole, though a song of which only the preview shows is not a song yet.
        shown = objects_in(bucket)
        assert f"masters/7.{kind}" not in shown or read(bucket, f"masters/7.{kind}") == file
        done = ingest(url, track_id=7, storage=bucket)
        assert_whole(bucket, done, file)


def test_no_key_gets_into_a_log_or_an_error(
    bucket: BucketStorage, origin: Origin, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    proxy.trouble("UploadPart", "denied", times=99)
    proxy.trouble("Abort", "denied", times=99)
    error = fails(bucket, origin)
    assert isinstance(error, HouseFault)
    for told in (caplog.text, str(error), repr(error)):
        assert SECRET not in told
        assert KEY_ID not in told
