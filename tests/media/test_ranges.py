"""A player may ask for any part of a file and gets exactly that."""

from typing import cast

import pytest
from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from django.test import RequestFactory

from studio.media.disk import DiskStorage
from studio.media.ranges import ranged_response

# Closing an answer looks after the database's connections, where an earlier test has opened one.
pytestmark = pytest.mark.django_db

KEY = "previews/1.mp3"
BODY = bytes(range(250)) * 4


@pytest.fixture
def filled(storage: DiskStorage) -> DiskStorage:
    with storage.sink(KEY) as sink:
        sink.write(BODY)
        sink.commit()
    return storage


def ask(storage: DiskStorage, method: str = "GET", **headers: str) -> HttpResponseBase:
    request = RequestFactory().generic(method, "/x", headers={k.replace("_", "-"): v for k, v in headers.items()})
    return ranged_response(request, KEY, "audio/mpeg", "Song – ü.mp3", storage=storage)


def body(response: HttpResponseBase) -> bytes:
    content = b"".join(cast("list[bytes]", response)) if response.streaming else response.content  # type: ignore[attr-defined]
    response.close()
    return content


def test_without_a_range_the_whole_file_comes(filled: DiskStorage) -> None:
    response = ask(filled)
    assert (response.status_code, body(response)) == (200, BODY)
    assert response["Content-Length"] == "1000"
    assert response["Accept-Ranges"] == "bytes"
    assert response["Content-Type"] == "audio/mpeg"
    assert response["Content-Disposition"].startswith('inline; filename="Song  u.mp3"; filename*=UTF-8')


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 1000),
        ("bytes=10-19", 10, 20),
        ("bytes=990-5000", 990, 1000),
        ("bytes=999-999", 999, 1000),
        ("bytes=-10", 990, 1000),
        ("bytes=-5000", 0, 1000),
        ("Bytes = 5-6 ", 5, 7),
    ],
)
def test_one_range_gets_206_and_exactly_its_bytes(filled: DiskStorage, asked: str, start: int, end: int) -> None:
    response = ask(filled, range=asked)
    assert (response.status_code, body(response)) == (206, BODY[start:end])
    assert response["Content-Range"] == f"bytes {start}-{end - 1}/1000"
    assert response["Content-Length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999-"])
def test_a_range_outside_the_file_gets_416_and_the_size(filled: DiskStorage, asked: str) -> None:
    response = ask(filled, range=asked)
    assert (response.status_code, response["Content-Range"], body(response)) == (416, "bytes */1000", b"")


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "bytes=a-b", "items=0-1", "bytes=٣-٤", "bytes=" + "9" * 30 + "-"]
)
def test_what_is_no_single_range_gets_the_whole_file(filled: DiskStorage, asked: str) -> None:
    request = RequestFactory().get("/x")
    request.META["HTTP_RANGE"] = asked
    response = ranged_response(request, KEY, "audio/mpeg", "a.mp3", storage=filled)
    assert (response.status_code, body(response)) == (200, BODY)


def test_head_describes_the_file_and_sends_nothing(filled: DiskStorage) -> None:
    response = ask(filled, "HEAD", range="bytes=0-9")
    assert (response.status_code, response["Content-Length"], body(response)) == (200, "1000", b"")


def test_a_range_of_the_former_file_gets_the_whole_new_one(filled: DiskStorage) -> None:
    first = ask(filled)
    etag, date = first["ETag"], first["Last-Modified"]
    first.close()
    for same in (etag, date):
        assert body(ask(filled, range="bytes=0-9", if_range=same)) == BODY[:10]
    for other in ('"another"', f"W/{etag}", "Wed, 21 Oct 2015 07:28:00 GMT", "rubbish"):
        assert body(ask(filled, range="bytes=0-9", if_range=other)) == BODY


def test_a_browser_that_has_the_file_gets_304(filled: DiskStorage) -> None:
    first = ask(filled)
    first.close()
    response = ask(filled, if_none_match=f'"old", W/{first["ETag"]}')
    assert (response.status_code, body(response)) == (304, b"")
    assert response["ETag"] == first["ETag"]


def test_a_new_file_under_the_same_key_has_another_etag(filled: DiskStorage) -> None:
    before = ask(filled)
    before.close()
    with filled.sink(KEY) as sink:
        sink.write(BODY[:-1])
        sink.commit()
    after = ask(filled)
    after.close()
    assert before["ETag"] != after["ETag"]


def test_an_answer_under_way_keeps_the_file_it_began_with(filled: DiskStorage) -> None:
    response = ask(filled)
    with filled.sink(KEY) as sink:
        sink.write(b"new")
        sink.commit()
    assert body(response) == BODY


def test_closing_an_answer_closes_its_file(filled: DiskStorage) -> None:
    response = ask(filled)
    assert isinstance(response, StreamingHttpResponse)
    response.close()
    assert list(response) == []


def test_an_empty_file_has_no_range_to_give(storage: DiskStorage) -> None:
    with storage.sink(KEY) as sink:
        sink.commit()
    assert body(ask(storage)) == b""
    assert ask(storage, range="bytes=0-").status_code == 416


def test_a_missing_file_is_404(storage: DiskStorage) -> None:
    with pytest.raises(Http404):
        ask(storage)


def test_an_attachment_keeps_its_name(filled: DiskStorage) -> None:
    response = ranged_response(
        RequestFactory().get("/x"), KEY, "audio/mpeg", 'a "b".mp3', as_attachment=True, storage=filled
    )
    response.close()
    assert response["Content-Disposition"] == "attachment; filename=\"a _b_.mp3\"; filename*=UTF-8''a%20%22b%22.mp3"
