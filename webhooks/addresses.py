"""Where a callback came from, and whether that is one of fal's published addresses."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings

from webhooks.errors import AddressesUnreachable, NotVerified
from webhooks.models import Outcome
from webhooks.published import Published

Network = IPv4Network | IPv6Network
RANGES_MAX = 1000


def check(meta: Mapping[str, str], *, may_wait: bool = True) -> None:
    """Let pass what fal's own addresses sent, where that is asked for.

    :raises NotVerified: it came from elsewhere. :raises OutOfReach: fal doesn't tell its addresses now.
    """
    if settings.NEOAPEX_WEBHOOK_ADDRESSES == "off":
        return
    address = caller(meta)
    if address is None:
        raise NotVerified(Outcome.ADDRESS)
    known = ranges().current(may_wait=may_wait)
    if not _is_within(address, known) and not _is_within(address, ranges().newer(known, may_wait=may_wait)):
        raise NotVerified(Outcome.ADDRESS)


def caller(meta: Mapping[str, str]) -> IPv4Address | IPv6Address | None:
    """Who called; None where that can't be told.

    Behind a proxy it is the last entry of X-Forwarded-For, the one that the proxy adds itself. All before it is what
    the caller claims, and without a proxy so is the whole header.
    """
    if settings.NEOAPEX_BEHIND_PROXY:
        given = meta.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2]
    else:
        given = meta.get("REMOTE_ADDR", "")
    try:
        address = ip_address(given.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def parse_ranges(document: object) -> list[Network]:
    """The ranges of fal's metadata. :raises ValueError: there are none."""
    listed = document.get("webhook_ip_ranges") if isinstance(document, dict) else None
    networks: list[Network] = []
    for text in listed[:RANGES_MAX] if isinstance(listed, list) else []:
        # One that can't be read must not take the others away.
        with suppress(ValueError):
            networks.append(ip_network(str(text), strict=False))
    if not networks:
        raise ValueError("the metadata names no address")
    return networks


@cache
def ranges() -> Published[Network]:
    """fal's addresses, kept for the life of the process."""
    return Published(f"{settings.NEOAPEX_FAL_API_URL}/meta", parse_ranges, AddressesUnreachable)
