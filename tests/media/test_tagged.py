"""Credits go into what is served: the sound stays what it was, and any part of the file fits the whole."""

import io
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutagen import id3
from mutagen.flac import FLAC
from mutagen.oggopus import OggOpus

from simulator import encoding
from studio.media import riff
from studio.media.credits import Credits, riff_info
from studio.media.tagged import MAX_HEAD_BYTES, Tagged, tagged
from tests.media import waves
from tests.media.kept import Kept, decoded, told_by

ABOUT = Credits(
    title="Ærø – kayōkyoku 夜",
    made_on="2026-11-24",
    attribution="Made with Sonauto v2 (sonauto.ai) on fal.ai",
    seed="4242424242424242424",
    recipe='{"endpoint":"text-to-music","seed":"4242424242424242424"}',
    genre="indie folk, warm",
    lyrics="[Verse]\nThe kettle hums",
)
TONE = waves.tone(2.0)
KINDS = ("wav", "flac", "mp3", "ogg")


def encoded(kind: str) -> bytes:
    return encoding.encode(TONE, kind)


def served(body: bytes, kind: str, about: Credits = ABOUT) -> tuple[Any, bytes]:
    made = tagged(Kept(body), kind, about)
    return made, b"".join(made.slice(0, made.size_bytes))


@pytest.mark.parametrize("kind", KINDS)
def test_the_sound_is_what_it_was_and_the_file_says_what_it_is(kind: str) -> None:
    body = encoded(kind)
    made, whole = served(body, kind)
    assert isinstance(made, Tagged)
    assert len(whole) == made.size_bytes
    assert np.array_equal(decoded(whole), decoded(body))
    told = told_by(whole)
    assert told["TITLE"] == ABOUT.title
    assert told["ARTIST"] == "Sonauto v2"
    assert told["COPYRIGHT"] == ABOUT.attribution
    assert told["GENRE"] == ABOUT.genre
    assert ABOUT.seed in told["COMMENT"]
    assert ABOUT.recipe in (told["COMMENT"] if kind == "wav" else told["RECIPE"])


@pytest.mark.parametrize("kind", [*KINDS, "m4a"])
def test_what_is_stored_is_only_read(kind: str) -> None:
    body = encoded(kind)
    kept = Kept(body)
    tagged(kept, kind, ABOUT).close()
    assert kept.body == body
    assert kept.closed == 1


def test_a_kind_without_a_place_for_them_is_served_as_it_is() -> None:
    body = encoded("m4a")
    assert served(body, "m4a")[1] == body


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(where=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_any_part_fits_the_whole(kind: str, where: tuple[float, float]) -> None:
    kept = Kept(BODIES[kind])
    whole = WHOLES[kind]
    start, end = sorted(round(at * len(whole)) for at in where)
    made = tagged(kept, kind, ABOUT)
    kept.reads.clear()
    assert b"".join(made.slice(start, end)) == whole[start:end]
    # No more is read than is sent.
    assert kept.bytes_read <= end - start


BODIES = {kind: encoded(kind) for kind in KINDS}
WHOLES = {kind: served(body, kind)[1] for kind, body in BODIES.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("border", ["before", "after"])
def test_parts_around_the_seams_fit(kind: str, border: str) -> None:
    made = tagged(Kept(BODIES[kind]), kind, ABOUT)
    seam = len(made._before) if border == "before" else made.size_bytes - len(made._after)
    for start in range(seam - 2, seam + 2):
        for length in range(4):
            end = min(start + length, made.size_bytes)
            part = tagged(Kept(BODIES[kind]), kind, ABOUT).slice(start, end)
            assert b"".join(part) == WHOLES[kind][start:end]


def test_the_etag_is_of_this_very_file() -> None:
    same, again = (served(BODIES["wav"], "wav")[0].etag for _ in range(2))
    other = served(BODIES["wav"], "wav", replace(ABOUT, title="Another"))[0].etag
    assert same == again
    assert len({same, other, Kept(b"").etag}) == 3
    assert same.startswith('"')
    assert same.endswith('"')
    assert same.count('"') == 2


def test_closing_a_part_closes_the_stored_file() -> None:
    kept = Kept(BODIES["wav"])
    part = tagged(kept, "wav", ABOUT).slice(0, 4)
    assert b"".join(part) == b"RIFF"
    part.close()
    assert kept.closed


# --- WAV -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_a_wav_stays_one_by_its_own_sizes(bits: int) -> None:
    odd = waves.packed(TONE[: 1001 if bits == 8 else 1000], bits).file
    reader = riff.WavReader()
    assert sum(len(part) for part in reader.feed(served(odd, "wav")[1])) > 0
    assert reader.finish().bits == bits


@pytest.mark.parametrize("left", [0, -1, +1])
def test_a_pad_byte_left_out_or_one_too_many_does_no_harm(left: int) -> None:
    mono = waves.packed(waves.tone(0.1, channels=1)[:1001], 8).file
    body = mono[:-1] if left < 0 else mono + b"\0" * left
    reader = riff.WavReader()
    [part.tobytes() for part in reader.feed(served(body, "wav")[1])]
    reader.finish()


def test_a_large_wav_keeps_its_64_bit_sizes_true() -> None:
    whole = served(waves.rf64(TONE), "wav")[1]
    reader = riff.WavReader()
    assert b"".join(part.tobytes() for part in reader.feed(whole)) == TONE.tobytes()
    reader.finish()
    assert b"INFO" in whole


def test_a_wav_that_a_tag_would_make_too_large_is_served_as_it_is() -> None:
    class Huge(Kept):
        size_bytes = 0

    kept = Huge(waves.riff(waves.chunk(b"fmt ", waves.fmt()), size=0xFFFFFFF0))
    kept.size_bytes = 0xFFFFFFF8
    assert tagged(kept, "wav", ABOUT) is kept


def test_what_sonauto_wrote_itself_stays() -> None:
    theirs = waves.chunk(b"LIST", b"INFO" + waves.chunk(b"IENG", b"Sonauto\0"))
    body = waves.riff(waves.chunk(b"fmt ", waves.fmt()), theirs, waves.chunk(b"data", TONE.tobytes()))
    assert theirs in served(body, "wav")[1]
    assert riff_info(ABOUT)[:4] == b"LIST"


# --- MP3, FLAC, Ogg --------------------------------------------------------------------------------------------------


def test_an_mp3_tag_that_was_there_is_carried_on() -> None:
    theirs = id3.ID3(io.BytesIO(WHOLES["mp3"]))
    theirs.add(id3.TENC(encoding=3, text="Sonauto"))
    theirs.add(id3.TIT2(encoding=3, text="Before"))
    before = io.BytesIO(BODIES["mp3"])
    theirs.save(before)
    once = served(before.getvalue(), "mp3")[1]
    found = id3.ID3(io.BytesIO(once))
    assert [str(text) for text in found.getall("TENC")] == ["Sonauto"]
    assert [str(text) for text in found.getall("TIT2")] == [ABOUT.title]
    assert str(found["USLT::und"]) == ABOUT.lyrics
    assert once.count(b"ID3") == 1


def test_a_flac_keeps_its_first_block_and_its_picture() -> None:
    cover = (6 << 24 | 100).to_bytes(4, "big") + b"p" * 100
    body = BODIES["flac"][:42] + cover + BODIES["flac"][42:]
    body = body[:4] + bytes([body[4] & 0x7F]) + body[5:]
    whole = served(body, "flac")[1]
    assert whole[:42] == body[:42]
    assert b"p" * 100 in whole
    read = FLAC(io.BytesIO(BODIES["flac"]))
    again = FLAC(io.BytesIO(served(BODIES["flac"], "flac")[1]))
    assert again["RECIPE"] == [ABOUT.recipe]
    assert again.info.total_samples == read.info.total_samples
    assert again.info.md5_signature == read.info.md5_signature


def test_an_ogg_has_as_many_pages_as_before() -> None:
    whole = served(BODIES["ogg"], "ogg")[1]
    assert whole.count(b"OggS") == BODIES["ogg"].count(b"OggS")
    assert OggOpus(io.BytesIO(whole))["LYRICS"] == [ABOUT.lyrics]


@pytest.mark.parametrize(("characters", "kept"), [(10_000, True), (200_000, False)])
def test_lyrics_that_an_ogg_page_has_no_room_for_are_left_out(characters: int, kept: bool) -> None:
    whole = served(BODIES["ogg"], "ogg", replace(ABOUT, lyrics="la " * (characters // 3)))[1]
    assert ("LYRICS" in OggOpus(io.BytesIO(whole))) is kept
    assert OggOpus(io.BytesIO(whole))["RECIPE"] == [ABOUT.recipe]
    assert np.array_equal(decoded(whole), decoded(BODIES["ogg"]))


# --- What is odd is served all the same ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"RIFF",
        b"fLaC",
        b"OggS" + b"\xff" * 40,
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
    ],
    ids=repr,
)
def test_a_head_that_makes_no_sense_is_served_as_it_is(kind: str, body: bytes) -> None:
    made, whole = served(body, kind)
    assert whole.endswith(body) or made.size_bytes == len(body)
    if kind != "mp3":
        assert whole == body


def test_no_more_than_a_megabyte_is_looked_at() -> None:
    body = b"fLaC" + b"".join(struct.pack(">I", 2 << 24 | 0xFFFFFF) + b"\0" * 0xFFFFFF for _ in range(2))
    kept = Kept(body)
    assert tagged(kept, "flac", ABOUT) is kept
    assert kept.bytes_read <= MAX_HEAD_BYTES + 64 * 1024
