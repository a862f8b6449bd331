"""Fetching a song's file: streamed from a checked address with limits on size, time and rate, and taken up again where
the connection breaks."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin

import httpcore
from django.conf import settings
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from studio.media import addresses
from studio.media.errors import (
    HostRefused,
    SourceEncoded,
    SourceMissing,
    SourceTooLarge,
    SourceTruncated,
    SourceUnavailable,
)
from studio.media.pinned import PinnedBackend, SourceLimits, Watch

_HEADERS = [(b"Accept", b"audio/*, */*;q=0.5"), (b"Accept-Encoding", b"identity"), (b"User-Agent", b"neoapex")]
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)", re.ASCII)
_BROKEN = (httpcore.NetworkError, httpcore.RemoteProtocolError)
# How often a server that is not there right after a connection broke is tried before the fetch is given up.
RECONNECTS: Final = 3


class Source:
    """A file at an address: iterate it once for its blocks of bytes."""

    def __init__(self, url: str, limits: SourceLimits) -> None:
        self._url = url
        self._limits = limits
        self._watch = Watch(limits)
        self._connection = ExitStack()
        self._digest = sha256()
        self._resumes = 0
        self._validator = ""
        self.received_bytes = 0
        self.content_length: int | None = None

    def open(self) -> None:
        self._response = self._connect({})
        self.content_length = _content_length(self._response)
        self._validator = _validator(self._response)
        if (self.content_length or 0) > self._limits.max_bytes:
            raise SourceTooLarge(f"{self.content_length} bytes announced")

    @property
    def sha256(self) -> str:
        """Of what has been received so far."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        for block in self._all_blocks():
            self.received_bytes += len(block)
            if self.received_bytes > self._limits.max_bytes:
                raise SourceTooLarge(f"more than {self._limits.max_bytes} bytes")
            self._digest.update(block)
            yield block
        if self.content_length not in {None, self.received_bytes}:
            raise SourceTruncated(f"{self.received_bytes} of {self.content_length} bytes")

    def close(self) -> None:
        self._connection.close()

    def _all_blocks(self) -> Iterator[bytes]:
        blocks = self._response.iter_stream()
        while True:
            before = self.received_bytes
            try:
                yield from blocks
            except _BROKEN as error:
                why = SourceTruncated(f"after {self.received_bytes} bytes: {error}")
                # A connection that brought nothing new will not do so the next time.
                if self._resumes == self._limits.max_resumes or (self._resumes and self.received_bytes == before):
                    raise why from error
            else:
                return
            blocks = self._rest(why)

    def _rest(self, why: SourceTruncated) -> Iterator[bytes]:
        """What is missing: from the server where it can begin in the middle, else out of the whole file once more."""
        self._resumes += 1
        wanted: dict[str, str] = {}
        if self._validator and self.received_bytes:
            wanted = {"Range": f"bytes={self.received_bytes}-", "If-Range": self._validator}
        response = self._reconnect(wanted)
        if response.status == HTTPStatus.OK:
            return self._after_the_same_beginning(response, why)
        self._refuse_another_part(response)
        return response.iter_stream()

    def _after_the_same_beginning(self, response: httpcore.Response, why: SourceTruncated) -> Iterator[bytes]:
        blocks = response.iter_stream()
        known, beginning = self.received_bytes, sha256()
        for block in blocks:
            beginning.update(block[:known])
            new = block[known:]
            known = max(0, known - len(block))
            if known == 0:
                if beginning.digest() != self._digest.digest():
                    raise SourceTruncated("another file after the connection broke")
                yield new
                yield from blocks
                return
        raise why

    def _refuse_another_part(self, response: httpcore.Response) -> None:
        text = _header(response, b"content-range")
        found = _CONTENT_RANGE.fullmatch(text)
        total = found[2] if found else ""
        if not found or int(found[1]) != self.received_bytes or total not in {"*", str(self.content_length or total)}:
            raise SourceTruncated(f"asked for the rest from byte {self.received_bytes}, got {text!r}")

    def _reconnect(self, headers: Mapping[str, str]) -> httpcore.Response:
        tries = Retrying(
            retry=retry_if_exception_type(SourceUnavailable),
            stop=stop_after_attempt(RECONNECTS),
            wait=wait_exponential_jitter(multiplier=0.1, max=1, jitter=0.1),
            reraise=True,
        )
        return tries(self._connect, headers)

    def _connect(self, headers: Mapping[str, str]) -> httpcore.Response:
        """Checks the address, and again that of every redirect; the connection before is closed."""
        url = self._url
        for _ in range(self._limits.max_redirects + 1):
            self._connection.close()
            response = self._get(addresses.check(url), headers)
            location = _redirected_to(response)
            if location is None:
                _refuse_unusable(response, is_part_wanted="Range" in headers)
                return response
            url = urljoin(url, location)
        raise HostRefused(f"more than {self._limits.max_redirects} redirects")

    def _get(self, target: addresses.Target, headers: Mapping[str, str]) -> httpcore.Response:
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        limits = self._limits
        waits = {"connect": limits.connect_seconds, "read": limits.read_seconds, "write": limits.read_seconds}
        backend = PinnedBackend(target.addresses, self._watch)
        pool = self._connection.enter_context(httpcore.ConnectionPool(network_backend=backend, max_connections=1))
        try:
            answer = pool.stream("GET", url, headers=[*_HEADERS, *_as_bytes(headers)], extensions={"timeout": waits})
            return self._connection.enter_context(answer)
        except (httpcore.TimeoutException, *_BROKEN) as error:
            raise SourceUnavailable(f"{target.host}: {type(error).__name__} {error}") from error


@contextmanager
def open_source(url: str, *, limits: SourceLimits | None = None) -> Iterator[Source]:
    """Opens `url` after checking it and every redirect; raises the SourceFault that fits, here and while iterating."""
    limits = limits or SourceLimits(max_bytes=settings.NEOAPEX_MEDIA_MAX_BYTES)
    source = Source(url, limits)
    try:
        source.open()
        yield source
    finally:
        source.close()


def _redirected_to(response: httpcore.Response) -> str | None:
    if response.status not in _REDIRECTS:
        return None
    location = _header(response, b"location")
    if not location:
        raise SourceUnavailable(f"HTTP {response.status} without a Location")
    return location


def _refuse_unusable(response: httpcore.Response, *, is_part_wanted: bool) -> None:
    if response.status in _GONE:
        raise SourceMissing(f"HTTP {response.status}")
    if response.status != HTTPStatus.OK and not (is_part_wanted and response.status == HTTPStatus.PARTIAL_CONTENT):
        raise SourceUnavailable(f"HTTP {response.status}")
    encoding = _header(response, b"content-encoding")
    if encoding and encoding.lower() != "identity":
        raise SourceEncoded(f"Content-Encoding: {encoding}")


def _content_length(response: httpcore.Response) -> int | None:
    # h11 has refused the answer already if this is not one decimal number.
    text = _header(response, b"content-length")
    return int(text) if text else None


def _validator(response: httpcore.Response) -> str:
    """What proves, byte for byte, that a later answer is of the same file; a weak ETag and a date do not."""
    etag = _header(response, b"etag")
    return etag if etag.startswith('"') and _header(response, b"accept-ranges").lower() != "none" else ""


def _as_bytes(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def _header(response: httpcore.Response, name: bytes) -> str:
    return b", ".join(value for key, value in response.headers if key.lower() == name).decode("latin-1").strip()
