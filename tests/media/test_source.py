"""A source gives exactly what the server has, or says in one word what is wrong with it."""

import itertools
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import certifi
import httpcore
import pytest
from pytest_django import Settings

from studio.media.errors import (
    HostRefused,
    SourceEncoded,
    SourceFault,
    SourceMissing,
    SourceTooLarge,
    SourceTooSlow,
    SourceTruncated,
    SourceUnavailable,
)
from studio.media.pinned import SourceLimits
from studio.media.source import open_source
from tests.media.certificates import self_signed
from tests.media.origin import Answer, Origin, chunked, head, whole, without_length

BODY = bytes(range(256)) * 1000
QUICK = SourceLimits(
    max_bytes=1_000_000, read_seconds=0.3, total_seconds=5, rate_window_seconds=0.2, min_bytes_per_second=1000
)


def fetch(url: str, limits: SourceLimits = QUICK) -> bytes:
    with open_source(url, limits=limits) as source:
        return b"".join(source)


@pytest.mark.parametrize("answer", [whole(BODY), chunked(BODY), without_length(BODY)])
def test_the_body_comes_through_unchanged(origin: Origin, answer: bytes) -> None:
    with open_source(origin.answer("/a", answer)) as source:
        assert b"".join(source) == BODY
        assert source.received_bytes == len(BODY)


def test_the_request_carries_no_credentials_and_wants_no_coding(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fetch(origin.answer("/a?b=1", whole(b"x")))
    (request,) = origin.requests
    assert request.startswith("GET /a?b=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{origin.port}\r\n" in request
    assert "Accept-Encoding: identity\r\n" in request
    assert "authorization" not in request.lower()


@pytest.mark.parametrize("cut", [0, 1, 100_000, len(BODY) - 1])
def test_a_body_shorter_than_announced_is_truncated(origin: Origin, cut: int) -> None:
    for answer in (head(content_length=len(BODY)) + BODY[:cut], chunked(BODY[:cut], ends=False)):
        with pytest.raises(SourceTruncated):
            fetch(origin.answer("/a", answer))


def test_a_chunked_body_is_held_to_the_length_it_announces_too(origin: Origin) -> None:
    belied = chunked(BODY[:-1]).replace(b"\r\n", f"\r\nContent-Length: {len(BODY)}\r\n".encode(), 1)
    with pytest.raises(SourceTruncated, match="255999 of 256000 bytes"):
        fetch(origin.answer("/a", belied))


def test_a_connection_that_breaks_is_truncated(origin: Origin) -> None:
    def breaks(connection: socket.socket) -> None:
        connection.sendall(head(content_length=len(BODY)) + BODY[:1000])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with pytest.raises(SourceTruncated):
        fetch(origin.answer("/a", breaks))


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (head(404), SourceMissing),
        (head(410), SourceMissing),
        (head(403), SourceUnavailable),
        (head(500), SourceUnavailable),
        (head(206, content_length=4) + b"RIFF", SourceUnavailable),
        (head(204), SourceUnavailable),
        (head(304), SourceUnavailable),
        (head(302), SourceUnavailable),
        (b"rubbish\r\n\r\n", SourceUnavailable),
        (b"", SourceUnavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456", SourceUnavailable),
        (head(content_length="five") + b"12345", SourceUnavailable),
        (whole(b"\x1f\x8b", content_encoding="gzip"), SourceEncoded),
        (whole(b"x", content_encoding="br"), SourceEncoded),
        (whole(b"", content_length_limit=0, content_encoding="identity, gzip"), SourceEncoded),
    ],
)
def test_an_answer_that_is_no_plain_file_is_refused(origin: Origin, answer: bytes, fault: type[SourceFault]) -> None:
    with pytest.raises(fault) as caught:
        fetch(origin.answer("/a", answer))
    assert caught.value.fault == "source"


def test_identity_is_no_coding(origin: Origin) -> None:
    assert fetch(origin.answer("/a", whole(b"x", content_encoding="identity"))) == b"x"


def test_a_server_that_is_not_there_is_unavailable(origin: Origin, settings: Settings) -> None:
    settings.NEOAPEX_MEDIA_HOSTS = ["127.0.0.1:9"]
    with pytest.raises(SourceUnavailable):
        fetch("http://127.0.0.1:9/a")


def test_an_announced_size_beyond_the_limit_is_refused_before_the_body(origin: Origin) -> None:
    with pytest.raises(SourceTooLarge, match="announced"):
        fetch(origin.answer("/a", origin.then_stall(head(content_length=10**10))))


def test_an_endless_body_is_cut_off_at_the_limit(origin: Origin, settings: Settings) -> None:
    settings.NEOAPEX_MEDIA_MAX_BYTES = 3_000_000

    def endless(connection: socket.socket) -> None:
        connection.sendall(head(connection="close"))
        for _ in range(10_000):
            connection.sendall(BODY)

    url = origin.answer("/a", endless)
    blocks: list[int] = []
    with open_source(url) as source, pytest.raises(SourceTooLarge):
        blocks.extend(len(block) for block in source)
    assert 2_900_000 < sum(blocks) <= 3_000_000


def dribble(data: bytes, every_seconds: float, origin: Origin) -> Answer:
    def slowly(connection: socket.socket) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            if origin.released.wait(every_seconds):
                return

    return slowly


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200", head(content_length=10), head(content_length=10) + b"12345"])
def test_a_server_that_falls_silent_is_too_slow(origin: Origin, start: bytes) -> None:
    with pytest.raises(SourceTooSlow):
        fetch(origin.answer("/a", origin.then_stall(start)))


def test_a_pause_at_the_end_of_a_window_is_no_verdict_on_a_good_rate(origin: Origin) -> None:
    def with_a_pause(connection: socket.socket) -> None:
        connection.sendall(head(content_length=len(BODY)) + BODY[:-1])
        origin.released.wait(0.3)
        connection.sendall(BODY[-1:])

    patient = replace(QUICK, read_seconds=5, rate_window_seconds=0.2, min_bytes_per_second=1)
    assert fetch(origin.answer("/b", with_a_pause), patient) == BODY
    with pytest.raises(SourceTooSlow, match="0 bytes in"):
        fetch(origin.answer("/a", origin.then_stall(head(content_length=5) + b"1234")), patient)


@pytest.mark.parametrize("dribbled", [whole(BODY), chunked(BODY, size=1), head(x="y" * 10_000)])
def test_a_server_that_dribbles_is_too_slow(origin: Origin, dribbled: bytes) -> None:
    with pytest.raises(SourceTooSlow, match="bytes in"):
        fetch(origin.answer("/a", dribble(dribbled, 0.02, origin)))


def test_the_whole_transfer_has_a_limit_too(origin: Origin) -> None:
    patient = replace(QUICK, total_seconds=0.3, rate_window_seconds=10, min_bytes_per_second=1)
    with pytest.raises(SourceTooSlow, match=r"not done after 0\.3 s"):
        fetch(origin.answer("/a", dribble(whole(BODY), 0.02, origin)), patient)


def test_our_own_slowness_is_not_held_against_the_source(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=0)
    monkeypatch.setattr("studio.media.pinned.time.monotonic", lambda: next(clock))
    hasty = replace(QUICK, total_seconds=0.2, rate_window_seconds=0.2, min_bytes_per_second=10**9)
    with open_source(origin.answer("/a", whole(BODY)), limits=hasty) as source:
        for _ in source:
            # An hour passes here, outside of any read.
            clock = itertools.count(next(clock) + 3600, step=0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_within_the_list_are_followed(origin: Origin, status: int) -> None:
    origin.answer("/c", whole(BODY))
    origin.answer("/b", head(status, location=f"http://127.0.0.1:{origin.port}/c", content_length=0))
    assert fetch(origin.answer("/a", head(status, location="/b", content_length=0))) == BODY


def test_a_fourth_redirect_is_one_too_many(origin: Origin) -> None:
    for number in range(4):
        origin.answer(f"/{number}", head(302, location=f"/{number + 1}", content_length=0))
    origin.answer("/4", whole(b"x"))
    assert fetch(origin.answer("/start", head(302, location="/2", content_length=0))) == b"x"
    with pytest.raises(HostRefused, match="redirects"):
        fetch(origin.answer("/loop", head(302, location="/1", content_length=0)))


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://evil.example/a.wav",
        "//evil.example/a",
        "http://127.0.0.1:1/a",
        "http://user@127.0.0.1/a",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
    ],
)
def test_a_redirect_off_the_list_is_refused(origin: Origin, location: str) -> None:
    with pytest.raises(HostRefused):
        fetch(origin.answer("/a", head(302, location=location, content_length=0)))
    assert len(origin.requests) == 1


class Internet:
    """A name that resolves to an open address once and to our own machine ever after; TLS plays the open one."""

    open_address = "93.184.216.34"

    def __init__(self, monkeypatch: pytest.MonkeyPatch, origin: Origin, certificate: Path, key: Path) -> None:
        self.lookups = 0
        self.connected: list[str] = []
        self.names: list[str | None] = []
        self._lookup = socket.getaddrinfo
        self._connect = httpcore.SyncBackend.connect_tcp
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self._origin = origin
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)
        monkeypatch.setattr(certifi, "where", lambda: str(certificate))
        internet = self

        def connect(backend: httpcore.SyncBackend, host: str, port: int, *rest: object) -> httpcore.NetworkStream:
            internet.connected.append(f"{host}:{port}")
            return internet._connect(backend, "127.0.0.1", internet._origin.port, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)

    def _resolve(self, host: str, *rest: int, **named: int) -> object:
        if host == "127.0.0.1":
            return self._lookup(host, *rest, **named)
        self.lookups += 1
        address = self.open_address if self.lookups == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]

    def over_tls(self, answer: bytes) -> Answer:
        def reply(connection: socket.socket) -> None:
            with self._context.wrap_socket(connection, server_side=True) as secured:
                request = secured.recv(65536)
                self._origin.requests.append(request.decode())
                secured.sendall(answer)

        return reply


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch, origin: Origin, tmp_path: Path, settings: Settings) -> Internet:
    settings.NEOAPEX_MEDIA_HOSTS = ["cdn.example.com", "other.example.com"]
    running = Internet(monkeypatch, origin, *self_signed("cdn.example.com", tmp_path))
    monkeypatch.setattr(origin, "_reply", running.over_tls(whole(BODY)))
    return running


def test_the_checked_address_is_the_one_connected_to(internet: Internet, origin: Origin) -> None:
    assert fetch("https://cdn.example.com/a") == BODY
    assert internet.connected == ["93.184.216.34:443"]
    assert internet.lookups == 1
    assert internet.names == ["cdn.example.com"]
    assert "Host: cdn.example.com\r\n" in origin.requests[0]


def test_a_certificate_for_another_name_is_refused(internet: Internet) -> None:
    with pytest.raises(SourceUnavailable, match="certificate"):
        fetch("https://other.example.com/a")
    assert internet.names == ["other.example.com"]
