"""A WAV is good only if every size in it is exactly what arrived."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.media import pcm
from studio.media.errors import AudioEmpty, AudioUnreadable, MediaError, SourceTruncated
from studio.media.riff import SampleKind, WavFormat, WavReader, parse_format
from tests.media.waves import Samples, chunk, extensible, fmt, packed, rf64, riff, tone, wav

SONG = tone(0.02)
FMT = chunk(b"fmt ", fmt())
DATA = chunk(b"data", SONG.tobytes())


def read(file: bytes, *, block: int = 1000) -> tuple[WavFormat, bytes]:
    reader = WavReader()
    samples = b"".join(bytes(part) for at in range(0, len(file), block) for part in reader.feed(file[at : at + block]))
    return reader.finish(), samples


@pytest.mark.parametrize("block", [1, 7, 44, 1000, 10**6])
def test_samples_come_out_whatever_the_size_of_the_pieces(block: int) -> None:
    assert read(wav(SONG), block=block) == (WavFormat(SampleKind.INTEGER, 16, 2, 44_100), SONG.tobytes())


@given(st.integers(0, len(wav(SONG)) - 1), st.integers(1, 999))
def test_a_wav_cut_anywhere_is_never_good(cut: int, block: int) -> None:
    with pytest.raises((SourceTruncated, AudioUnreadable)):
        read(wav(SONG)[:cut], block=block)


@given(st.binary(min_size=2, max_size=64))
def test_a_wav_with_more_behind_it_is_never_good(more: bytes) -> None:
    with pytest.raises(MediaError):
        read(wav(SONG) + more)


@given(st.integers(0, 0xFFFFFFFF).filter(lambda size: size != len(SONG.tobytes())))
def test_a_data_size_other_than_what_came_is_never_good(size: int) -> None:
    with pytest.raises(MediaError):
        read(riff(FMT, chunk(b"data", SONG.tobytes(), size=size)))


@given(st.integers(0, 0xFFFFFFFF).filter(lambda size: size not in {len(wav(SONG)) - 8, len(wav(SONG)) - 9}))
def test_a_file_size_other_than_what_came_is_never_good(size: int) -> None:
    with pytest.raises(MediaError):
        read(riff(FMT, DATA, size=size))


@given(st.binary(max_size=300), st.integers(1, 64))
def test_rubbish_ends_in_a_verdict_and_never_in_a_crash(rubbish: bytes, block: int) -> None:
    for file in (rubbish, b"RIFF\x64\0\0\0WAVE" + rubbish, riff(FMT, rubbish)):
        with pytest.raises(MediaError):
            read(file, block=block)


def test_extra_chunks_are_passed_over() -> None:
    extra = [chunk(name, b"x" * size) for name, size in [(b"bext", 602), (b"LIST", 27), (b"junk", 0), (b"id3 ", 1)]]
    file = riff(*extra, FMT, *extra, DATA, *extra)
    assert read(file)[1] == SONG.tobytes()


def test_a_large_chunk_is_not_held_in_memory() -> None:
    reader = WavReader()
    list(reader.feed(riff(FMT, b"junk" + struct.pack("<I", 100_000_000), size=100_000_000)))
    for _ in range(50):
        assert list(reader.feed(b"\0" * 1_000_000)) == []
    assert len(reader._held) == 0


def test_rf64_takes_its_sizes_from_ds64() -> None:
    assert read(rf64(SONG))[1] == SONG.tobytes()
    with pytest.raises(SourceTruncated):
        read(rf64(SONG)[:-4])
    with pytest.raises(MediaError):
        read(rf64(SONG, data_bytes=len(SONG.tobytes()) + 4))


def test_rf64_without_ds64_is_refused() -> None:
    with pytest.raises(AudioUnreadable, match="ds64"):
        read(riff(FMT, DATA, magic=b"RF64"))
    with pytest.raises(AudioUnreadable, match="ds64"):
        read(riff(chunk(b"ds64", b"short"), FMT, DATA, magic=b"RF64"))


def test_streamed_wavs_of_unknown_size_are_refused() -> None:
    with pytest.raises(AudioUnreadable, match="unknown size"):
        read(riff(FMT, chunk(b"data", SONG.tobytes(), size=0xFFFFFFFF)))
    with pytest.raises(AudioUnreadable, match="unknown size"):
        read(riff(FMT, DATA, size=0xFFFFFFFF))


def test_a_header_without_audio_is_empty_and_not_merely_short() -> None:
    with pytest.raises(AudioEmpty):
        read(riff(FMT, chunk(b"data", b"")))


def test_an_odd_number_of_bytes_may_lack_its_pad_at_the_very_end() -> None:
    odd = chunk(b"fmt ", fmt(channels=1, bits=8)), chunk(b"data", b"\x90" * 101)
    padded = riff(*odd)
    assert read(padded)[1] == b"\x90" * 101
    assert read(padded[:-1])[1] == b"\x90" * 101
    assert read(riff(*odd, size=len(padded) - 9))[1] == b"\x90" * 101
    with pytest.raises(SourceTruncated):
        read(padded[:-2])


@pytest.mark.parametrize(
    "body",
    [
        fmt(bits=24, block_align=4),
        fmt(bits=16, block_align=6),
        fmt(rate=0),
        fmt(rate=1_000_000),
        fmt(channels=0),
        fmt(channels=9),
        fmt(bits=12, block_align=4),
        fmt(bits=16, code=3),
        fmt(code=2),
        extensible()[:30],
        extensible()[:-1] + b"\0",
        fmt()[:15],
    ],
)
def test_a_format_that_contradicts_itself_is_refused(body: bytes) -> None:
    with pytest.raises(AudioUnreadable):
        parse_format(body)


@pytest.mark.parametrize(
    "chunks",
    [
        (DATA, FMT),
        (FMT, FMT, DATA),
        (FMT, DATA, DATA),
        (chunk(b"fmt ", b"x" * 5000), DATA),
        (FMT, chunk(b"data", b"123")),
    ],
)
def test_chunks_out_of_order_or_twice_are_refused(chunks: tuple[bytes, ...]) -> None:
    with pytest.raises(AudioUnreadable):
        read(riff(*chunks))


def test_silence_behind_a_data_size_that_is_too_small_is_no_chunk() -> None:
    with pytest.raises(AudioUnreadable, match="where a chunk should begin"):
        read(riff(FMT, DATA, b"\0" * 800))


def test_impossible_sizes_are_refused_before_their_bytes_come() -> None:
    data_beyond_the_file = riff(FMT, b"data" + struct.pack("<I", 4000), size=1000)
    with pytest.raises(SourceTruncated):
        list(WavReader().feed(data_beyond_the_file))
    with pytest.raises(AudioUnreadable):
        list(WavReader().feed(riff(b"fmt " + struct.pack("<I", 5000), size=10_000)))


def test_a_file_without_data_is_incomplete() -> None:
    with pytest.raises(SourceTruncated):
        read(riff(FMT))


@pytest.mark.parametrize(
    ("bits", "floating"), [(8, False), (16, False), (24, False), (32, False), (32, True), (64, True)]
)
@pytest.mark.parametrize("in_extensible", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_every_width_becomes_the_right_16_bits(bits: int, floating: bool, in_extensible: bool, channels: int) -> None:
    what = packed(tone(0.01, channels=channels), bits, floating=floating, in_extensible=in_extensible)
    form, data = read(what.file)
    samples, heard = pcm.from_wav(data, form)
    np.testing.assert_array_equal(samples, what.expected)
    assert heard


def from_bytes(data: bytes, **format_: int) -> tuple[Samples, bool]:
    return pcm.from_wav(data, parse_format(fmt(channels=1, **format_)))


def test_silence_is_judged_before_the_lower_bits_are_lost() -> None:
    assert from_bytes(b"\x01\0\0" * 4, bits=24)[1]
    assert not from_bytes(b"\0\0\0" * 4, bits=24)[1]
    assert not from_bytes(b"\x80" * 4, bits=8)[1]
    assert not from_bytes(struct.pack("<4f", 0, -0.0, 0, 0), bits=32, code=3)[1]
    assert from_bytes(struct.pack("<4f", 0, 1e-30, 0, 0), bits=32, code=3)[1]


def test_floats_beyond_full_scale_are_clipped_and_no_numbers_are_refused() -> None:
    samples, _ = from_bytes(struct.pack("<3f", 1.5, -7, 1e30), bits=32, code=3)
    assert samples[:, 0].tolist() == [32767, -32767, 32767]
    for bad in (float("nan"), float("inf")):
        with pytest.raises(AudioUnreadable):
            from_bytes(struct.pack("<2f", 0.5, bad), bits=32, code=3)
