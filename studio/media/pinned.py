"""A connection to a checked address, watched: what goes over it may neither dribble nor take for ever.

It stands on httpcore, the engine below httpx, because only there the address to connect to and every single read are
ours to decide. That layer also follows no redirect, decodes no body and reads no proxy from the environment.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

import httpcore

from studio.media.errors import SourceTooSlow


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
    max_resumes: int = 10


class Watch:
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


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to the checked addresses whatever the name would resolve to now; TLS still sees the name."""

    def __init__(self, pinned: tuple[str, ...], watch: Watch) -> None:
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

    def __init__(self, stream: httpcore.NetworkStream, watch: Watch) -> None:
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
