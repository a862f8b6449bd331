"""Tracks over HTTP: whole, in part, as their owner's only, under names that do no harm."""

import struct
from email.message import Message
from typing import Any

import pytest
from django.test import Client

from studio.media.storage import default_storage
from studio.models import Track, User
from tests import factories
from tests.neoapex.shapes import assert_structured

MASTER = bytes(range(256)) * 40
PREVIEW = b"\xff\xfb" + b"p" * 998
PEAKS = struct.pack("<iIiiI", 1, 1, 44_100, 256, 2) + bytes([0x81, 0x7F, 0xFF, 0x01])


def put(key: str, content: bytes) -> None:
    with default_storage().sink(key) as sink:
        sink.write(content)
        sink.commit()


def kept(person: User, **fields: Any) -> Track:
    """A READY track with its files."""
    generation = factories.make_generation(person=person, state="READY")
    track = factories.make_track(generation, **fields)
    for key, content in ((track.master_key, MASTER), (track.preview_key, PREVIEW), (track.peaks_key, PEAKS)):
        put(key, content)
    return track


@pytest.fixture
def track(ada: User) -> Track:
    return kept(ada)


def fetch(client: Client, track: Track, what: str = "master", **headers: str) -> Any:
    """The answer, read to its end, so that its file is closed; `sent` is what came."""
    answer: Any = client.get(f"/api/tracks/{track.pk}/{what}", headers=headers)
    answer.sent = b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)
    return answer


@pytest.mark.parametrize(
    ("what", "content", "content_type"),
    [("master", MASTER, "audio/wav"), ("preview", PREVIEW, "audio/mpeg"), ("peaks", PEAKS, "application/octet-stream")],
)
def test_each_file_comes_whole_in_part_and_as_a_head(
    program: Client, track: Track, what: str, content: bytes, content_type: str
) -> None:
    whole = fetch(program, track, what)
    assert (whole.status_code, whole.sent) == (200, content)
    assert whole.headers["Content-Type"] == content_type
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    part = fetch(program, track, what, Range="bytes=2-5")
    assert (part.status_code, part.sent) == (206, content[2:6])
    assert part.headers["Content-Range"] == f"bytes 2-5/{len(content)}"
    head = program.head(f"/api/tracks/{track.pk}/{what}")
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(content)), b"")


@pytest.mark.parametrize(
    ("asked", "status"), [("bytes=-4", 206), ("bytes=0-", 206), ("bytes=5-2", 200), ("lines=1-2", 200)]
)
def test_ranges_as_the_standard_has_them(program: Client, track: Track, asked: str, status: int) -> None:
    assert fetch(program, track, Range=asked).status_code == status


@pytest.mark.parametrize("asked", ["bytes=99999-", "bytes=10240-10241", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_in_shape(program: Client, track: Track, asked: str) -> None:
    answer = fetch(program, track, Range=asked)
    assert_structured(answer, 416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(MASTER)}"


def test_what_has_not_changed_is_not_sent_again(program: Client, track: Track) -> None:
    etag = fetch(program, track).headers["ETag"]
    answer = fetch(program, track, **{"If-None-Match": etag})
    assert (answer.status_code, answer.sent) == (304, b"")


def test_peaks_also_come_as_json(program: Client, track: Track) -> None:
    answer = program.get(f"/api/tracks/{track.pk}/peaks?format=json")
    assert answer.json()["data"] == [-127, 127, -1, 1]
    assert "private" in answer.headers["Cache-Control"]


def test_peaks_come_coarser_where_there_are_some(program: Client, ada: User) -> None:
    coarse = struct.pack("<iIiiI", 1, 1, 44_100, 4096, 1) + bytes([0x80, 0x7F])
    track = kept(ada)
    assert fetch(program, track, "peaks?samples_per_pixel=4096").sent == PEAKS
    put("peaks/coarse.4096.dat", coarse)
    Track.objects.filter(pk=track.pk).update(overview_key="peaks/coarse.4096.dat")
    assert fetch(program, track, "peaks?samples_per_pixel=4096").sent == coarse
    assert fetch(program, track, "peaks").sent == PEAKS
    assert_structured(fetch(program, track, "peaks?samples_per_pixel=100"), 422)


@pytest.mark.parametrize("what", ["master", "preview", "peaks", "peaks?format=json"])
def test_only_the_owner_hears_it(stranger: Client, ben: User, track: Track, what: str, token_client: Any) -> None:
    assert_structured(fetch(stranger, track, what), 401)
    assert_structured(fetch(token_client(ben), track, what), 404, "not_found")
    assert stranger.head(f"/api/tracks/{track.pk}/{what}").status_code == 401


@pytest.mark.parametrize("state", ["PENDING", "UNREADABLE"])
@pytest.mark.parametrize("what", ["master", "preview", "peaks", "peaks?format=json"])
def test_what_is_not_ready_says_so(program: Client, ada: User, state: str, what: str) -> None:
    generation = factories.make_generation(person=ada, state="INGESTING")
    track = factories.make_track(generation, state=state)
    assert_structured(fetch(program, track, what), 409, "track_not_ready")


@pytest.mark.parametrize("what", ["master", "preview", "peaks", "peaks?format=json"])
def test_a_file_that_is_gone_is_not_there(program: Client, ada: User, what: str) -> None:
    track = factories.make_track(factories.make_generation(person=ada, state="READY"))
    assert_structured(fetch(program, track, what), 404, "master_gone" if what == "master" else "not_found")


@pytest.mark.parametrize(
    "title",
    [
        'a "quoted" title', "a\r\nSet-Cookie: x=1", "a\nb", "../../etc/passwd", "..", "", "🎹🌧️", "\u202egnp.exe",
        "مرحبا بالعالم", "夜のピアノ", "x" * 120, "a;filename=b.exe", "a\\b", "%0d%0aX: y", "CON", "a\x7fb",
    ],
    ids=repr,
)  # fmt: skip
def test_no_title_makes_a_dangerous_file_name(program: Client, ada: User, title: str) -> None:
    answer = fetch(program, kept(ada, title=title))
    disposition = answer.headers["Content-Disposition"]
    assert "\n" not in disposition
    assert "\r" not in disposition
    parsed = Message()
    parsed["Content-Disposition"] = disposition
    name = parsed.get_filename()
    assert parsed.get_content_disposition() == "attachment"
    assert name
    assert name.endswith(".wav")
    assert not set(name) & set('/\\"<>:|?*;%\n\r\0\x7f\u202e')
    assert not name.startswith(".")
    assert len(name) < 120


def test_a_preview_plays_in_place(program: Client, track: Track) -> None:
    assert fetch(program, track, "preview").headers["Content-Disposition"].startswith("inline")
