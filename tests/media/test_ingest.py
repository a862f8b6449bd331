"""One pass makes a master, a preview, peaks and the facts, whatever the format."""

import hashlib
import itertools
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from pytest_django import Settings

from studio.media import decode
from studio.media.disk import DiskStorage
from studio.media.errors import AudioEmpty, NotAudio, SourceFault, SourceTooLong, SourceTruncated
from studio.media.ingest import Ingested, ingest
from studio.media.peaks import Peaks
from tests.media.conftest import stored_files
from tests.media.encoded import encoded
from tests.media.origin import Origin, chunked, head, whole, without_length
from tests.media.waves import Samples, chunk, fmt, packed, rf64, riff, tone, wav

SONG = tone(2.0)
FILE = wav(SONG)


def taken(origin: Origin, storage: DiskStorage, file: bytes, *, path: str = "/song.wav") -> Ingested:
    return ingest(origin.answer(path, whole(file)), track_id=7, storage=storage)


def refused(origin: Origin, storage: DiskStorage, answer: bytes, fault: type[SourceFault] = SourceFault) -> SourceFault:
    with pytest.raises(fault) as caught:
        ingest(origin.answer("/song.wav", answer), track_id=7, storage=storage)
    assert stored_files(storage) == set()
    return caught.value


def read(storage: DiskStorage, key: str) -> bytes:
    return b"".join(storage.open_range(key))


def files_of(done: Ingested) -> set[str]:
    return {done.master_key, done.preview_key, done.peaks_key, done.overview_key}


def peaks_of(samples: Samples, samples_per_pixel: int = 256) -> bytes:
    peaks = Peaks(44_100, samples_per_pixel)
    peaks.add(samples)
    return peaks.finish()


@pytest.mark.parametrize("answer", [whole(FILE), chunked(FILE), without_length(FILE)])
def test_a_wav_is_kept_to_the_byte_and_measured(origin: Origin, storage: DiskStorage, answer: bytes) -> None:
    done = ingest(origin.answer("/song.wav", answer), track_id=7, storage=storage)
    assert done == Ingested(
        format="wav",
        master_key="masters/7.wav",
        preview_key="previews/7.mp3",
        peaks_key="peaks/7.256.dat",
        overview_key="peaks/7.4096.dat",
        bytes=len(FILE),
        sha256=hashlib.sha256(FILE).hexdigest(),
        duration_ms=2000,
        sample_rate=44_100,
        channels=2,
        loudness_lufs=done.loudness_lufs,
        true_peak_dbtp=done.true_peak_dbtp,
        silent=False,
    )
    assert done.true_peak_dbtp == pytest.approx(-6.0, abs=0.2)
    assert done.loudness_lufs == pytest.approx(-7.1, abs=0.6)
    assert read(storage, done.master_key) == FILE
    assert read(storage, done.peaks_key) == peaks_of(SONG)
    assert read(storage, done.overview_key) == peaks_of(SONG, 4096)
    assert stored_files(storage) == files_of(done)


def test_the_preview_sounds_and_lasts_as_long_as_the_song(origin: Origin, storage: DiskStorage) -> None:
    done = taken(origin, storage, FILE)
    with av.open(storage.path(done.preview_key), mode="r", format="mp3") as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert sound.shape[1] / 44_100 == pytest.approx(2.0, abs=0.1)
    assert np.abs(sound).max() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("kind", "channels"),
    [("ogg", 2), *itertools.product(["flac", "mp3", "opus", "m4a"], [1, 2])],
)
def test_every_format_is_kept_as_it_came(origin: Origin, storage: DiskStorage, kind: str, channels: int) -> None:
    rate = 48_000 if kind == "opus" else 44_100
    file = encoded(tone(2.0, rate=rate, channels=channels), kind, rate=rate)
    done = taken(origin, storage, file, path="/named.wav")
    expected = {"opus": "ogg"}.get(kind, kind)
    assert (done.format, done.master_key) == (expected, f"masters/7.{expected}")
    assert (done.sample_rate, done.channels, done.silent) == (rate, channels, False)
    assert done.duration_ms == pytest.approx(2000, abs=60)
    assert read(storage, done.master_key) == file
    assert done.loudness_lufs == pytest.approx(-7 if channels == 2 else -9.5, abs=1)
    assert stored_files(storage) == files_of(done)


def test_flac_gives_the_same_peaks_as_the_wav_it_was_made_of(origin: Origin, storage: DiskStorage) -> None:
    done = taken(origin, storage, encoded(SONG, "flac"))
    assert read(storage, done.peaks_key) == peaks_of(SONG)
    assert done.duration_ms == 2000


@pytest.mark.parametrize(("bits", "floating"), [(8, False), (24, False), (32, False), (32, True)])
def test_every_width_of_wav_is_taken(origin: Origin, storage: DiskStorage, bits: int, floating: bool) -> None:
    what = packed(SONG, bits, floating=floating, in_extensible=True)
    done = taken(origin, storage, what.file)
    assert (done.format, done.duration_ms, done.channels) == ("wav", 2000, 2)
    assert read(storage, done.peaks_key) == peaks_of(what.expected)


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (192_000, 2), (44_100, 6)])
def test_every_rate_and_number_of_channels_is_taken(
    origin: Origin, storage: DiskStorage, rate: int, channels: int
) -> None:
    done = taken(origin, storage, wav(tone(0.5, rate=rate, channels=channels), rate=rate))
    assert (done.sample_rate, done.channels, done.duration_ms) == (rate, channels, 500)


def test_rf64_is_taken_as_wav(origin: Origin, storage: DiskStorage) -> None:
    assert taken(origin, storage, rf64(SONG)).format == "wav"


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "m4a"])
def test_digital_silence_is_taken_and_said(origin: Origin, storage: DiskStorage, kind: str) -> None:
    still = np.zeros((88_200, 2), np.int16)
    done = taken(origin, storage, wav(still) if kind == "wav" else encoded(still, kind))
    assert (done.silent, done.loudness_lufs, done.true_peak_dbtp) == (True, None, None)


def test_a_single_faint_sample_is_not_silence(origin: Origin, storage: DiskStorage) -> None:
    faint = np.zeros((88_200, 2), np.int16)
    faint[50_000, 1] = 1
    for file in (wav(faint), encoded(faint, "flac")):
        assert taken(origin, storage, file).silent is False


def test_a_second_ingest_of_a_track_replaces_the_first(origin: Origin, storage: DiskStorage) -> None:
    taken(origin, storage, FILE)
    done = taken(origin, storage, wav(tone(1.0)))
    assert done.duration_ms == 1000
    assert read(storage, done.master_key) == wav(tone(1.0))
    assert len(stored_files(storage)) == 4


def test_a_failed_second_ingest_leaves_the_first_as_it_was(origin: Origin, storage: DiskStorage) -> None:
    done = taken(origin, storage, FILE)
    with pytest.raises(SourceFault):
        taken(origin, storage, FILE[:-100])
    assert read(storage, done.master_key) == FILE
    assert len(stored_files(storage)) == 4


def test_the_settings_name_the_storage_when_nobody_else_does(
    origin: Origin, settings: Settings, tmp_path: Path
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "studio.media.disk.DiskStorage", "OPTIONS": {"location": str(tmp_path / "named")}},
    }
    done = ingest(origin.answer("/a", whole(FILE)), track_id=8)
    assert (tmp_path / "named" / done.master_key).exists()


@pytest.mark.parametrize("part", [0.0001, 0.01, 0.3, 0.5, 0.9, 0.9999])
@pytest.mark.parametrize("make", [whole, chunked, without_length])
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "m4a"])
def test_a_file_cut_anywhere_is_never_good(
    origin: Origin, storage: DiskStorage, kind: str, make: object, part: float
) -> None:
    file = FILE if kind == "wav" else encoded(tone(0.7), kind)
    refused(origin, storage, make(file[: int(len(file) * part)]))  # type: ignore[operator]


@pytest.mark.parametrize("part", [0.01, 0.5, 0.9])
def test_an_mp3_that_says_its_length_is_never_good_when_cut(origin: Origin, storage: DiskStorage, part: float) -> None:
    file = encoded(tone(5.0), "mp3")
    refused(origin, storage, without_length(file[: int(len(file) * part)]))


@pytest.mark.parametrize("kind", ["flac", "ogg", "m4a"])
def test_a_damaged_file_is_never_good(origin: Origin, storage: DiskStorage, kind: str) -> None:
    file = bytearray(encoded(tone(2.0), kind))
    middle = len(file) // 2
    file[middle : middle + 2000] = np.random.default_rng(3).bytes(2000)
    refused(origin, storage, whole(bytes(file)))


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_a_single_flipped_bit_in_a_flac_is_noticed(origin: Origin, storage: DiskStorage, part: float) -> None:
    file = bytearray(encoded(tone(2.0), "flac"))
    file[int(len(file) * part)] ^= 0x10
    refused(origin, storage, whole(bytes(file)))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "HTML"),
        (b'\xef\xbb\xbf \n<?xml version="1.0"?>', "XML"),
        (b'{"detail": "expired"}', "JSON"),
        (b"PK\x03\x04" + b"\0" * 100, "zip"),
        (b"\x1f\x8b\x08" + b"\0" * 100, "gzip"),
        (b"RIFF\x24\0\0\0AVI LIST", "begins with"),
        (b"\xff\xf1\x50\x80" + b"\0" * 100, "begins with"),
        (b"\0" * 1000, "begins with"),
        (b"R", "begins with"),
        (b"#EXTM3U\nhttp://169.254.169.254/x.ts\n", "begins with"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "begins with"),
    ],
)
def test_what_is_not_audio_is_told_apart_before_a_file_is_made(
    origin: Origin, storage: DiskStorage, body: bytes, says: str
) -> None:
    error = refused(origin, storage, whole(body, content_type="audio/wav"), NotAudio)
    assert says in error.detail
    assert not Path(storage.location).exists()


@pytest.mark.parametrize("magic", [b"fLaC", b"OggS", b"ID3\x04", b"\xff\xfb\x90\x00", b"\0\0\0\x20ftypM4A "])
def test_a_magic_number_followed_by_rubbish_is_not_good(origin: Origin, storage: DiskStorage, magic: bytes) -> None:
    refused(origin, storage, whole(magic + np.random.default_rng(4).bytes(20_000)))


def test_a_header_of_silence_without_audio_is_empty(origin: Origin, storage: DiskStorage) -> None:
    refused(origin, storage, whole(riff(chunk(b"fmt ", fmt()), chunk(b"data", b""))), AudioEmpty)
    flac = encoded(tone(0.1), "flac")
    # The header alone, its number of samples (36 bits at byte 21) set to "not known".
    bare = flac[:21] + bytes([flac[21] & 0xF0, 0, 0, 0, 0]) + flac[26:42]
    refused(origin, storage, whole(bare))


def test_a_size_in_the_header_that_did_not_come_is_truncated(origin: Origin, storage: DiskStorage) -> None:
    promising = riff(chunk(b"fmt ", fmt()), b"data" + struct.pack("<I", 1000), size=1036)
    refused(origin, storage, whole(promising), SourceTruncated)


def test_audio_beyond_any_song_is_refused(origin: Origin, storage: DiskStorage, settings: Settings) -> None:
    settings.NEOAPEX_MEDIA_MAX_SECONDS = 1
    for file in (FILE, encoded(SONG, "flac")):
        assert "NEOAPEX_MEDIA_MAX_SECONDS" in refused(origin, storage, whole(file), SourceTooLong).hint


def test_a_cover_without_a_song_is_given_up_before_it_fills_memory(
    origin: Origin, storage: DiskStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MAX_PREAMBLE_BYTES", 1_000_000)
    # A tag says its length in four bytes of seven bits.
    size = bytes([0x7F, 0x7F, 0x7F, 0x7F])
    error = refused(origin, storage, head(connection="close") + b"ID3\x04\0\0" + size + bytes(8_000_000))
    assert "no sound in" in error.detail


@pytest.mark.slow
def test_a_bomb_of_silence_is_refused_by_what_it_unpacks_to(
    origin: Origin, storage: DiskStorage, settings: Settings
) -> None:
    settings.NEOAPEX_MEDIA_MAX_SECONDS = 60
    bomb = encoded(np.zeros((44_100 * 600, 2), np.int16), "flac")
    assert len(bomb) < 600 * 44_100 * 4 / 100
    refused(origin, storage, whole(bomb), SourceTooLong)
