"""A clip is the master itself between its fades, and costs about as many bytes as it lasts."""

import io
import wave

import av
import numpy as np
import pytest

from simulator import encoding
from studio.media import clips
from studio.media.errors import AudioUnreadable
from studio.media.wavfile import find_samples
from tests.media import waves
from tests.media.kept import Kept, decoded

RATE = 44_100
FADE = clips.FADE_MS * RATE // 1000
SONG = (waves.tone(20.0, hertz=300) // 2 + np.random.default_rng(3).integers(-2000, 2000, (20 * RATE, 2))).astype(
    np.int16
)


def samples_of(clip: clips.Clip) -> np.ndarray:
    return np.frombuffer(clip.audio.raw_data, np.int16).reshape(-1, clip.audio.channels)


def cut(kept: Kept, kind: str = "wav", start_ms: int = 9_000, end_ms: int = 12_000, **more: float) -> clips.Clip:
    return clips.cut(kept.read, kept.size_bytes, kind, start_ms=start_ms, end_ms=end_ms, **more)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_away_from_the_fades_a_clip_is_the_master(bits: int) -> None:
    packed = waves.packed(SONG, bits)
    clip = cut(Kept(packed.file))
    assert (clip.start_ms, clip.end_ms) == (7_000, 14_000)
    found, there = samples_of(clip), packed.expected[7 * RATE : 14 * RATE]
    assert len(found) == len(there)
    assert np.array_equal(found[FADE + 1 : -FADE - 1], there[FADE + 1 : -FADE - 1])


def test_it_fades_in_and_out() -> None:
    found = np.abs(samples_of(cut(Kept(waves.wav(np.full_like(SONG, 10_000))))).astype(int))
    assert found[0].max() < 200
    assert found[-1].max() < 200
    assert np.all(np.diff(found[:FADE, 0]) >= -1)


def test_where_the_song_begins_or_ends_nothing_fades() -> None:
    body = waves.wav(SONG)
    first, last = cut(Kept(body), start_ms=500, end_ms=2_000), cut(Kept(body), start_ms=17_000, end_ms=19_500)
    assert (first.start_ms, last.end_ms) == (0, 20_000)
    assert np.array_equal(samples_of(first)[:FADE], SONG[:FADE])
    assert np.array_equal(samples_of(last)[-FADE:], SONG[-FADE:])


def test_a_clip_of_ten_seconds_does_not_move_the_whole_master() -> None:
    kept = Kept(waves.wav(np.tile(SONG, (5, 1))))
    cut(kept, start_ms=40_000, end_ms=50_000)
    assert kept.bytes_read < 14 * RATE * 4 + 5_000
    assert kept.bytes_read < kept.size_bytes / 6
    assert len(kept.reads) == 2


def test_chunks_before_the_samples_are_stepped_over_not_read() -> None:
    junk = waves.chunk(b"JUNK", b"\0" * 500_000)
    body = waves.riff(junk, waves.chunk(b"fmt ", waves.fmt()), junk, waves.chunk(b"data", SONG.tobytes()))
    kept = Kept(body)
    assert np.array_equal(samples_of(cut(kept))[FADE + 1 : -FADE - 1], SONG[7 * RATE : 14 * RATE][FADE + 1 : -FADE - 1])
    assert kept.bytes_read < 7 * RATE * 4 + 20_000


@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg", "m4a"])
def test_other_formats_are_cut_at_the_same_place(kind: str) -> None:
    body = encoding.encode(SONG, kind)
    whole = decoded(body)
    if whole.dtype != np.int16:
        whole = (np.clip(whole, -1, 1) * 32767).astype(np.int16)
    rate = 48_000 if kind == "ogg" else RATE
    found = samples_of(cut(Kept(body), kind))
    there = whole[7 * rate : 7 * rate + len(found)]
    assert abs(len(found) - 7 * rate) <= 1
    middle = slice(2 * rate, 5 * rate)
    if kind == "flac":
        assert np.array_equal(found[middle], there[middle])
    else:
        # Lossy ones start in the middle with less to go by: the same to the ear, and in place to the sample.
        assert np.corrcoef(found[middle, 0], there[middle, 0])[0, 1] > 0.995


def test_seeking_in_a_long_flac_reads_a_part_of_it() -> None:
    kept = Kept(encoding.encode(np.tile(SONG, (4, 1)), "flac"))
    cut(kept, "flac", start_ms=60_000, end_ms=62_000)
    assert kept.bytes_read < kept.size_bytes / 2


def test_the_louder_one_is_turned_down_and_never_the_softer_one_up() -> None:
    assert clips.cut_db(-12.0, -15.5) == 3.5
    assert clips.cut_db(-15.5, -12.0) == 0.0
    assert clips.cut_db(None, -12.0) == clips.cut_db(-12.0, None) == 0.0
    assert clips.cut_db(0.0, -90.0) == clips.MAX_CUT_DB
    kept = waves.wav(SONG)
    loud, soft = (samples_of(cut(Kept(kept), cut_db=db)).astype(float) for db in (0.0, 6.0))
    middle = slice(FADE * 2, -FADE * 2)
    assert np.sqrt(np.mean(loud[middle] ** 2)) / np.sqrt(np.mean(soft[middle] ** 2)) == pytest.approx(1.995, abs=0.01)


def test_it_comes_as_wav_and_as_mp3_and_no_file_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_file(*_: object, **__: object) -> None:
        raise AssertionError("a file was made")

    clip = cut(Kept(waves.wav(SONG)))
    monkeypatch.setattr("tempfile.NamedTemporaryFile", no_file)
    with wave.open(io.BytesIO(clip.encoded("wav"))) as read:
        assert (read.getframerate(), read.getnchannels(), read.getnframes()) == (RATE, 2, 7 * RATE)
        assert read.readframes(read.getnframes()) == clip.audio.raw_data
    with av.open(io.BytesIO(clip.encoded("mp3")), mode="r", format="mp3") as container:
        assert abs(sum(frame.samples for frame in container.decode(audio=0)) - 7 * RATE) < 4 * 1152


@pytest.mark.parametrize(
    "body", [b"", b"RIFF....WAVE", b"<html>" * 20, waves.wav(SONG)[:40]], ids=lambda body: repr(body[:8])
)
def test_what_is_no_wav_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(AudioUnreadable):
        cut(Kept(body))


def test_nothing_is_to_be_heard_behind_the_end() -> None:
    with pytest.raises(AudioUnreadable):
        cut(Kept(waves.wav(SONG)), start_ms=90_000, end_ms=91_000)


def test_a_file_of_nothing_but_chunks_is_given_up_soon() -> None:
    body = waves.riff(*[waves.chunk(b"JUNK", b"\0" * 9000) for _ in range(200)])
    kept = Kept(body)
    with pytest.raises(AudioUnreadable):
        find_samples(kept.read, kept.size_bytes)
    assert len(kept.reads) <= 70
