"""Which addresses a song may be fetched from, and what they really resolve to."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from studio.media.errors import HostRefused, SourceUnavailable

MAX_ADDRESSES = 3

_PLAIN = re.compile(r"[!-\[\]-~]+")  # visible ASCII without the backslash, which some parsers read as a slash
_LOOPBACK_ENTRY = re.compile(r"127\.0\.0\.1:\d{1,5}")
_DEFAULT_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Origin = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect: only to `addresses`, which were checked; `host` is for TLS and the Host header."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]


def check(url: str) -> Target:
    """Resolves once; raises HostRefused for anything off the list, SourceUnavailable when the name has no address."""
    origin, path = _parse(url)
    if origin not in _allowed_origins(settings.NEOAPEX_MEDIA_HOSTS, embedded=settings.NEOAPEX_ENV == "embedded"):
        raise HostRefused("{}://{}:{} is not on the list".format(*origin))
    scheme, host, port = origin
    # A loopback origin is on the list only by its exact address and port, so it has nothing to resolve.
    addresses = (host,) if scheme == "http" else _resolve_public(host, port)
    return Target(scheme, host, port, path, addresses)


def check_public(url: str) -> Target:
    """The same for any https address of the open internet; embedded also for a port of this machine, by http.

    Raises HostRefused for all else, SourceUnavailable when the name has no address.
    """
    (scheme, host, port), path = _parse(url)
    if scheme == "http" and host == "127.0.0.1" and settings.NEOAPEX_ENV == "embedded":
        return Target(scheme, host, port, path, (host,))
    if scheme != "https" or not host:
        raise HostRefused("not an https address")
    return Target(scheme, host, port, path, _resolve_public(host, port))


def _parse(url: str) -> tuple[Origin, str]:
    if not _PLAIN.fullmatch(url):
        raise HostRefused("not a plain URL")
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise HostRefused(str(error)) from error
    if "@" in parts.netloc:
        raise HostRefused("user information in the URL")
    query = f"?{parts.query}" if parts.query else ""
    return (parts.scheme, parts.hostname or "", port), f"{parts.path or '/'}{query}"


def _allowed_origins(hosts: Iterable[str], *, embedded: bool) -> set[Origin]:
    """An entry is `host`, `host:port`, or, when embedded, `127.0.0.1:port`, the only one that is reached by http."""
    origins: set[Origin] = set()
    for entry in hosts:
        host, _, port = entry.lower().partition(":")
        if not _LOOPBACK_ENTRY.fullmatch(entry):
            origins.add(("https", host, int(port or 443)))
        elif embedded:
            origins.add(("http", host, int(port)))
    return origins


def _resolve_public(host: str, port: int) -> tuple[str, ...]:
    try:
        # The wait is bounded by the resolver's own configuration: getaddrinfo takes no timeout.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise SourceUnavailable(f"{host} has no address: {error}") from error
    addresses = tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    for address in addresses:
        if not is_public(address):
            raise HostRefused(f"{host} resolves to {address}")
    return addresses[:MAX_ADDRESSES]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet and not a way of writing another one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo or ip in _NAT64):
        return False
    return ip.is_global and not ip.is_multicast
