"""Fetching a song's file: one GET to a checked address, streamed, with limits on size, time and rate.

It stands on httpcore, the engine below httpx, because only there the address to connect to and every single read are
ours to decide. That layer also follows no redirect, decodes no body and reads no proxy from the environment.
"""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from ssl import SSLContext
from typing import Any
from urllib.parse import urljoin

import httpcore
from django.conf import settings

from studio.media import addresses
from studio.media.errors import (
    HostRefused,
    SourceEncoded,
    SourceMissing,
    SourceTooLarge,
    SourceTooSlow,
    SourceTruncated,
    SourceUnavailable,
)

_HEADERS = [(b"Accept", b"audio/*, */*;q=0.5"), (b"Accept-Encoding", b"identity"), (b"User-Agent", b"neoapex")]
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Seconds count only what we waited for the source, so a slow disk of ours is never held against it."""

    max_bytes: int
    connect_seconds: float = 5
    read_seconds: float = 30
    total_seconds: float = 600
    min_bytes_per_second: float = 1024
    rate_window_seconds: float = 30
    max_redirects: int = 3


class Source:
    """An answer with a body: iterate it once for its blocks of bytes."""

    def __init__(self, response: httpcore.Response, limits: SourceLimits) -> None:
        self._response = response
        self._max_bytes = limits.max_bytes
        self.content_length = _content_length(response)
        self.received_bytes = 0
        if (self.content_length or 0) > self._max_bytes:
            raise SourceTooLarge(f"{self.content_length} bytes announced")

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks():
            self.received_bytes += len(block)
            if self.received_bytes > self._max_bytes:
                raise SourceTooLarge(f"more than {self._max_bytes} bytes")
            yield block
        if self.content_length not in {None, self.received_bytes}:
            raise SourceTruncated(f"{self.received_bytes} of {self.content_length} bytes")

    def _blocks(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_stream()
        except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            raise SourceTruncated(f"after {self.received_bytes} bytes: {error}") from error


@contextmanager
def open_source(url: str, *, limits: SourceLimits | None = None) -> Iterator[Source]:
    """Opens `url` after checking it and every redirect; raises the SourceFault that fits, here and while iterating."""
    limits = limits or SourceLimits(max_bytes=settings.NEOAPEX_MEDIA_MAX_BYTES)
    watch = _Watch(limits)
    for _ in range(limits.max_redirects + 1):
        with _get(addresses.check(url), limits, watch) as response:
            location = _redirected_to(response)
            if location is None:
                _refuse_unusable(response)
                yield Source(response, limits)
                return
        url = urljoin(url, location)
    raise HostRefused(f"more than {limits.max_redirects} redirects")


@contextmanager
def _get(target: addresses.Target, limits: SourceLimits, watch: "_Watch") -> Iterator[httpcore.Response]:
    url = httpcore.URL(
        scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
    )
    waits = {"connect": limits.connect_seconds, "read": limits.read_seconds, "write": limits.read_seconds}
    backend = _PinnedBackend(target.addresses, watch)
    with ExitStack() as stack:
        pool = stack.enter_context(httpcore.ConnectionPool(network_backend=backend, max_connections=1))
        try:
            answer = pool.stream("GET", url, headers=_HEADERS, extensions={"timeout": waits})
            response = stack.enter_context(answer)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            raise SourceUnavailable(f"{target.host}: {type(error).__name__} {error}") from error
        yield response


def _redirected_to(response: httpcore.Response) -> str | None:
    if response.status not in _REDIRECTS:
        return None
    location = _header(response, b"location")
    if not location:
        raise SourceUnavailable(f"HTTP {response.status} without a Location")
    return location


def _refuse_unusable(response: httpcore.Response) -> None:
    if response.status in _GONE:
        raise SourceMissing(f"HTTP {response.status}")
    if response.status != HTTPStatus.OK:
        raise SourceUnavailable(f"HTTP {response.status}")
    encoding = _header(response, b"content-encoding")
    if encoding and encoding.lower() != "identity":
        raise SourceEncoded(f"Content-Encoding: {encoding}")


def _content_length(response: httpcore.Response) -> int | None:
    # h11 has refused the answer already if this is not one decimal number.
    text = _header(response, b"content-length")
    return int(text) if text else None


def _header(response: httpcore.Response, name: bytes) -> str:
    return b", ".join(value for key, value in response.headers if key.lower() == name).decode("latin-1").strip()


class _Watch:
    """Adds up the time waited for the source and what came of it, over all redirects."""

    def __init__(self, limits: SourceLimits) -> None:
        self._limits = limits
        self._waited = 0.0
        self._window_waited = 0.0
        self._window_bytes = 0

    def patience(self) -> float:
        left_in_all = self._limits.total_seconds - self._waited
        left_in_window = self._limits.rate_window_seconds - self._window_waited
        return max(0.001, min(left_in_all, left_in_window))

    def note(self, seconds: float, count: int) -> None:
        self._waited += seconds
        self._window_waited += seconds
        self._window_bytes += count
        if self._waited >= self._limits.total_seconds:
            raise SourceTooSlow(f"not done after {self._limits.total_seconds:g} s")
        if self._window_waited >= self._limits.rate_window_seconds:
            self._judge_window()

    def _judge_window(self) -> None:
        if self._window_bytes < self._limits.min_bytes_per_second * self._window_waited:
            raise SourceTooSlow(f"{self._window_bytes} bytes in {self._window_waited:.1f} s")
        self._window_waited, self._window_bytes = 0.0, 0


class _PinnedBackend(httpcore.NetworkBackend):
    """Connects to the checked addresses whatever the name would resolve to now; TLS still sees the name."""

    def __init__(self, pinned: tuple[str, ...], watch: _Watch) -> None:
        self._pinned = pinned
        self._watch = watch
        self._real = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._pinned:
            try:
                stream = self._real.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _WatchedStream(stream, self._watch)
        raise failure


class _WatchedStream(httpcore.NetworkStream):
    """A connection whose reads are timed, so that neither headers nor body can be dribbled for ever."""

    def __init__(self, stream: httpcore.NetworkStream, watch: _Watch) -> None:
        self._stream = stream
        self._watch = watch

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = math.inf if timeout is None else timeout
        while left > 0:
            started = time.monotonic()
            data = self._read_within(max_bytes, min(left, self._watch.patience()))
            waited = time.monotonic() - started
            self._watch.note(waited, len(data or b""))
            if data is not None:
                return data
            left -= waited
        raise SourceTooSlow(f"nothing came for {timeout:g} s")

    def _read_within(self, max_bytes: int, seconds: float) -> bytes | None:
        """None when nothing came: the end of a window of the watch is no verdict yet."""
        try:
            return self._stream.read(max_bytes, seconds)
        except httpcore.ReadTimeout:
            return None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _WatchedStream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._watch)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
