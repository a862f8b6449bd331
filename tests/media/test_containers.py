"""A file cut anywhere is told from a whole one, as far as its container lets anyone tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.media.containers import completeness
from studio.media.errors import AudioUnreadable, SourceTruncated
from tests.media.encoded import encoded
from tests.media.waves import tone

OGG = encoded(tone(1.0), "ogg")
M4A = encoded(tone(1.0), "m4a")


def judge(kind: str, file: bytes, block: int = 1000) -> None:
    check = completeness(kind)
    for at in range(0, len(file), block):
        check.feed(file[at : at + block])
    check.finish()


@pytest.mark.parametrize("block", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("kind", "file"), [("ogg", OGG), ("m4a", M4A), ("ogg", encoded(tone(0.5, rate=48_000), "opus", rate=48_000))]
)
def test_a_whole_file_passes_whatever_the_size_of_its_pieces(kind: str, file: bytes, block: int) -> None:
    judge(kind, file, block)


@given(st.integers(0, len(OGG) - 1), st.integers(500, 5000))
def test_an_ogg_cut_anywhere_is_truncated(cut: int, block: int) -> None:
    with pytest.raises(SourceTruncated):
        judge("ogg", OGG[:cut], block)


@pytest.mark.parametrize("page", [at for at in range(1, len(OGG)) if OGG[at : at + 4] == b"OggS"])
def test_an_ogg_cut_between_two_pages_is_truncated(page: int) -> None:
    with pytest.raises(SourceTruncated):
        judge("ogg", OGG[:page])


BOXES = [at for at in range(len(M4A)) if M4A[at + 4 : at + 8] in {b"ftyp", b"free", b"mdat", b"moov"}]


@given(st.integers(1, len(M4A) - 1).filter(lambda cut: cut not in BOXES), st.integers(500, 5000))
def test_an_mp4_cut_inside_a_box_is_truncated(cut: int, block: int) -> None:
    with pytest.raises(SourceTruncated):
        judge("m4a", M4A[:cut], block)


def box(body: bytes, *, size: int | None = None) -> bytes:
    return (len(body) + 8 if size is None else size).to_bytes(4, "big") + b"mdat" + body


def test_mp4_boxes_may_be_long_or_open_ended() -> None:
    long = box((16 + 5).to_bytes(8, "big") + b"12345", size=1)
    judge("m4a", box(b"a") + long + box(b""), 3)
    judge("m4a", box(b"a") + box(b"to the end", size=0), 3)
    with pytest.raises(SourceTruncated):
        judge("m4a", long[:-1])


@pytest.mark.parametrize("size", [2, 7])
def test_an_mp4_box_smaller_than_its_own_header_is_refused(size: int) -> None:
    with pytest.raises(AudioUnreadable):
        judge("m4a", box(b"rest", size=size))


def mp3(promised: int, came: int, *, tag: bytes = b"Info", flags: int = 3, id3: int = 0) -> bytes:
    frame = b"\xff\xfb\x90\x00" + b"\0" * 32 + tag + flags.to_bytes(4, "big")
    frame += (b"\0\0\0\x10" if flags & 1 else b"") + promised.to_bytes(4, "big")
    header = b"ID3\x04\0\0" + bytes([0, 0, id3 >> 7, id3 & 0x7F]) + b"x" * id3 if id3 else b""
    return header + frame.ljust(came, b"\x55")


@pytest.mark.parametrize("block", [1, 50, 10_000])
@pytest.mark.parametrize("id3", [0, 1000])
@pytest.mark.parametrize(("tag", "flags"), [(b"Info", 3), (b"Xing", 2)])
def test_an_mp3_is_held_to_the_length_in_its_first_frame(block: int, id3: int, tag: bytes, flags: int) -> None:
    judge("mp3", mp3(20_000, 20_000, tag=tag, flags=flags, id3=id3), block)
    with pytest.raises(SourceTruncated):
        judge("mp3", mp3(20_000, 16_000, tag=tag, flags=flags, id3=id3), block)


def test_an_mp3_that_promises_nothing_is_not_held_to_anything() -> None:
    judge("mp3", mp3(20_000, 500, flags=1))
    judge("mp3", mp3(20_000, 500, tag=b"None"))
    judge("mp3", b"\xff\xfb")


def test_an_index_that_no_song_needs_is_refused_before_it_is_read() -> None:
    boxes = completeness("m4a")
    with pytest.raises(AudioUnreadable, match="index"):
        boxes.feed((40 * 1024 * 1024).to_bytes(4, "big") + b"moov")
