"""Only listed hosts are fetched from, only on the open internet, however the address is written."""

import socket
from collections.abc import Callable

import pytest
from pytest_django import Settings

from studio.media import addresses
from studio.media.errors import HostRefused, SourceUnavailable

PUBLIC = "93.184.216.34"
Resolve = Callable[..., None]


@pytest.fixture(autouse=True)
def listed(settings: Settings) -> None:
    settings.NEOAPEX_ENV = "embedded"
    settings.NEOAPEX_MEDIA_HOSTS = ["fal.media", "CDN.sonauto.ai", "files.example.com:8443", "127.0.0.1:9000"]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Makes every name resolve to the given addresses; none at first."""

    def to(*found: str) -> None:
        answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in found]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)

    to(PUBLIC)
    return to


@pytest.mark.usefixtures("resolve")
@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://fal.media/files/a.wav?x=1#y", ("https", "fal.media", 443, "/files/a.wav?x=1", (PUBLIC,))),
        ("https://FAL.media:443", ("https", "fal.media", 443, "/", (PUBLIC,))),
        ("https://cdn.sonauto.ai/a", ("https", "cdn.sonauto.ai", 443, "/a", (PUBLIC,))),
        ("https://files.example.com:8443/a", ("https", "files.example.com", 8443, "/a", (PUBLIC,))),
        ("http://127.0.0.1:9000/a", ("http", "127.0.0.1", 9000, "/a", ("127.0.0.1",))),
    ],
)
def test_what_is_listed_may_be_fetched(url: str, target: tuple[object, ...]) -> None:
    found = addresses.check(url)
    assert (found.scheme, found.host, found.port, found.path, found.addresses) == target


@pytest.mark.usefixtures("resolve")
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a.wav",
        "https://fal.media.evil.example/a",
        "https://evil.example/fal.media",
        "https://v9.fal.media/a",
        "https://fal.media./a",
        "https://fal.media@evil.example/a",
        "https://user:pass@fal.media/a",
        "https://@fal.media/a",
        "https://fal.media:80/a",
        "https://fal.media:99999/a",
        "https://fal.media:x/a",
        "https://evil.example\\@fal.media/a",
        "https://fal.media\\.evil.example/a",
        "https://fal.media/a\r\nX-Evil: 1",
        "https://fal.media/a b",
        "https://fal.média/a",
        "http://fal.media/a",
        "HTTP://fal.media/a",
        "ftp://fal.media/a",
        "file:///etc/passwd",
        "//fal.media/a",
        "fal.media/a",
        "",
        "https://",
        "https://[::1]/a",
        "https://[fal.media/a",
        "https://127.0.0.1:9000/a",
        "http://127.0.0.1:9001/a",
        "http://127.0.0.1/a",
        "http://127.1:9000/a",
        "http://2130706433:9000/a",
        "http://0x7f000001:9000/a",
        "http://localhost:9000/a",
        "http://[::ffff:127.0.0.1]:9000/a",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(HostRefused):
        addresses.check(url)


@pytest.mark.usefixtures("resolve")
def test_loopback_is_for_embedded_studios_only(settings: Settings) -> None:
    settings.NEOAPEX_ENV = "production"
    for url in ("http://127.0.0.1:9000/a", "https://127.0.0.1:9000/a"):
        with pytest.raises(HostRefused):
            addresses.check(url)


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:93.184.216.34",
    "2002:7f00:1::", "64:ff9b::7f00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_a_listed_name_that_resolves_inside_is_refused(resolve: Resolve, address: str) -> None:
    resolve(address)
    with pytest.raises(HostRefused):
        addresses.check("https://fal.media/a")
    resolve(PUBLIC, address)
    with pytest.raises(HostRefused):
        addresses.check("https://fal.media/a")


def test_open_addresses_of_both_families_are_fine(resolve: Resolve) -> None:
    both = (PUBLIC, "2606:2800:220:1:248:1893:25c8:1946")
    resolve(*both, *both)
    assert addresses.check("https://fal.media/a").addresses == both


def test_a_name_without_an_address_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(SourceUnavailable):
        addresses.check("https://fal.media/a")
