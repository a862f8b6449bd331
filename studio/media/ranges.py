"""HTTP's byte ranges: what a player asks for when somebody clicks into the middle of a song."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal

from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.utils.http import http_date

from studio.downloads import disposition
from studio.media.storage import MediaStorage, Slice, StoredFile, default_storage

_ONE_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.ASCII | re.IGNORECASE)

# Well below a link's life: one that is taken from the browser's cache must still last for a song.
LINK_REUSED_SECONDS = 240

BLOCK_BYTES = 256 * 1024

Span = tuple[int, int]


def ranged_response(
    request: HttpRequest,
    key: str,
    content_type: str,
    filename: str,
    as_attachment: bool = False,
    storage: MediaStorage | None = None,
) -> HttpResponseBase:
    """Sends people to the bucket by a link of short life; what lies in a folder of ours is served here.

    GET and HEAD are then answered as RFC 9110 §14 has it: 200, 206 for one range, 304, 416; Http404 without the file.
    Several ranges in one request get the whole file: no player needs them and the RFC lets a server ignore them.
    """
    storage = storage or default_storage()
    link = storage.download_url(
        key, name=filename, content_type=content_type, as_attachment=as_attachment, method=str(request.method)
    )
    if link is not None:
        return _to_the_bucket(link)
    try:
        stored = storage.open_file(key)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise Http404 from error
    return opened_response(request, stored, content_type, disposition(filename, inline=not as_attachment))


def opened_response(
    request: HttpRequest, stored: StoredFile, content_type: str, content_disposition: str
) -> HttpResponseBase:
    """The same for a file that is open, or one that is made like it; it is closed when the answer is."""
    response = _respond(request, stored, content_type)
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = stored.etag
    response["Last-Modified"] = http_date(stored.modified_at.timestamp())
    response["Content-Disposition"] = content_disposition
    response["X-Content-Type-Options"] = "nosniff"
    return response


class HeldFile:
    """A file that was made in memory, with as much about it as whoever made it wants to tell."""

    def __init__(self, made: bytes, *, modified_at: datetime, etag: str) -> None:
        self._made = made
        self.size_bytes = len(made)
        self.modified_at = modified_at
        self.etag = etag

    def slice(self, start: int, end: int) -> Slice:
        return HeldSlice(self._made[start:end])

    def close(self) -> None:
        self._made = b""


class HeldSlice:
    def __init__(self, left: bytes) -> None:
        self._left = left

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block, self._left = self._left[:BLOCK_BYTES], self._left[BLOCK_BYTES:]
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        self._left = b""


def _to_the_bucket(link: str) -> HttpResponseBase:
    response = HttpResponseRedirect(link)
    # A player asks again and again; with the same link its browser need not load anew what it has.
    response["Cache-Control"] = f"private, max-age={LINK_REUSED_SECONDS}"
    return response


def _respond(request: HttpRequest, stored: StoredFile, content_type: str) -> HttpResponseBase:
    if _matches(request.headers.get("If-None-Match"), stored.etag):
        stored.close()
        return HttpResponse(status=HTTPStatus.NOT_MODIFIED)
    span = _requested_span(request, stored)
    if span == "unsatisfiable":
        stored.close()
        headers = {"Content-Range": f"bytes */{stored.size_bytes}"}
        return HttpResponse(status=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    return _body(request, stored, content_type, span)


def _body(request: HttpRequest, stored: StoredFile, content_type: str, span: Span | None) -> HttpResponseBase:
    start, end = span or (0, stored.size_bytes)
    response: HttpResponseBase
    if request.method == "HEAD":
        stored.close()
        response = HttpResponse(content_type=content_type)
    else:
        response = StreamingHttpResponse(stored.slice(start, end), content_type=content_type)
    response["Content-Length"] = str(end - start)
    if span:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = f"bytes {start}-{end - 1}/{stored.size_bytes}"
    return response


def _requested_span(request: HttpRequest, stored: StoredFile) -> Span | Literal["unsatisfiable"] | None:
    """The half-open span to send; None means the whole file."""
    found = _ONE_RANGE.fullmatch(request.headers.get("Range", ""))
    # RFC 9110 §14.2: Range has a meaning for GET only, so HEAD describes the whole file.
    if request.method != "GET" or not found or not _still_the_same(request.headers.get("If-Range"), stored):
        return None
    first, last = found.groups()
    size = stored.size_bytes
    if not first:
        return _suffix(last, size)
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    return (start, end) if start < size else "unsatisfiable"


def _suffix(last: str, size: int) -> Span | Literal["unsatisfiable"] | None:
    if not last:
        return None
    wanted = min(int(last), size)
    return (size - wanted, size) if wanted else "unsatisfiable"


def _still_the_same(if_range: str | None, stored: StoredFile) -> bool:
    """RFC 9110 §13.1.5: a strong ETag or the exact date; anything else means that the whole file is sent."""
    if if_range is None:
        return True
    if if_range.startswith('"'):
        return if_range == stored.etag
    try:
        stamp = parsedate_to_datetime(if_range)
    except ValueError:
        return False
    return _whole_seconds(stamp) == _whole_seconds(stored.modified_at)


def _whole_seconds(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _matches(if_none_match: str | None, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return "*" in tags or etag in tags
