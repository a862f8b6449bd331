"""How often a person, everybody together and a stranger's address may ask: moving windows in Redis.

Where Redis is away, what costs money is counted in the database, by the songs that were started; strangers are not
counted then, for they can start nothing. Slots, lines and budgets are the database's to guard in any case.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Final

from django.conf import settings
from django.utils import timezone
from limits import RateLimitItem, parse
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from studio.errors import AddressRateReached, OrganisationRateReached, RateReached, UserRateReached
from studio.models import Generation, GenerationQuerySet, User
from studio.redis_server import connection

logger = logging.getLogger(__name__)

# One household or office has a whole network of the new addresses to itself.
NETWORK_BITS: Final = 64
# Reports of browsers, from one address and from all: whoever breaks a page breaks it for everybody at once.
REPORTS_RATE: Final = parse("10/minute")
ALL_REPORTS_RATE: Final = parse("60/minute")


def count_start(person: User) -> None:
    """Count that somebody asks for a song.

    :raises UserRateReached: too often by one.
    :raises OrganisationRateReached: too often by all.
    """
    if refusal := _refusal_of_start(person, _windows().hit):
        raise refusal


def refusal_of_start(person: User) -> RateReached | None:
    """What `count_start` would raise now; nothing is counted."""
    return _refusal_of_start(person, _windows().test)


def count_stranger(address: str) -> None:
    """:raises AddressRateReached: too often from there."""
    rate = settings.NEOAPEX_ADDRESS_RATE
    if rate is None:
        return
    try:
        free = _windows().hit(rate, "address", network_of(address))
    except RedisError:
        logger.warning("strangers not counted")
        return
    if not free:
        raise AddressRateReached(_seconds_to_wait(rate, "address", network_of(address)))


def is_report_taken(address: str) -> bool:
    """Whether a report of a browser's is still looked at. Without Redis: none, for nothing but a log line is lost."""
    try:
        return _windows().hit(REPORTS_RATE, "report", network_of(address)) and _windows().hit(
            ALL_REPORTS_RATE, "report"
        )
    except RedisError:
        return False


def policy() -> list[tuple[str, RateLimitItem]]:
    """The rates that are on, by name, for who asks for songs."""
    rates = {"person": settings.NEOAPEX_USER_RATE, "organisation": settings.NEOAPEX_ORG_RATE}
    return [(name, rate) for name, rate in rates.items() if rate is not None]


def left(person: User) -> list[tuple[str, int, int]]:
    """Of each of those rates: how many may still be asked for, and in how many seconds there is more. Without Redis:
    nothing is told."""
    whose = {"person": ("user", str(person.pk)), "organisation": ("organisation",)}
    try:
        windows = [(name, _windows().get_window_stats(rate, *whose[name])) for name, rate in policy()]
    except RedisError:
        return []
    return [(name, window.remaining, max(0, ceil(window.reset_time - time.time()))) for name, window in windows]


def network_of(address: str) -> str:
    """The address, or where it is a new one the network that it is from; whoever has one has them all."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> NETWORK_BITS << NETWORK_BITS))


def _refusal_of_start(person: User, free: Callable[..., bool]) -> RateReached | None:
    theirs = Generation.objects.of(person)
    if wait := _wait(settings.NEOAPEX_USER_RATE, free, theirs, "user", str(person.pk)):
        return UserRateReached(wait)
    if wait := _wait(settings.NEOAPEX_ORG_RATE, free, Generation.objects.all(), "organisation"):
        return OrganisationRateReached(wait)
    return None


def _wait(rate: RateLimitItem | None, free: Callable[..., bool], started: GenerationQuerySet, *whose: str) -> int:
    """Seconds until there is room in the window; 0 where there is."""
    if rate is None:
        return 0
    try:
        return 0 if free(rate, *whose) else _seconds_to_wait(rate, *whose)
    except RedisError:
        logger.warning("counted in the database", extra={"whose": whose[0]})
        return _wait_by_songs(rate, started)


def _wait_by_songs(rate: RateLimitItem, started: GenerationQuerySet) -> int:
    window = timedelta(seconds=rate.get_expiry())
    now = timezone.now()
    moments = started.filter(created_at__gt=now - window).order_by("-created_at").values_list("created_at", flat=True)
    # The one that has to leave the window before another may come in.
    oldest = moments[rate.amount - 1 : rate.amount].first()
    return 0 if oldest is None else max(1, ceil((oldest + window - now).total_seconds()))


def _seconds_to_wait(rate: RateLimitItem, *whose: str) -> int:
    """Whole seconds until the oldest leaves the window."""
    window = _windows().get_window_stats(rate, *whose)
    if window.remaining > 0:
        return 1
    return min(max(1, ceil(window.reset_time - time.time())), rate.get_expiry())


@cache
def _windows() -> MovingWindowRateLimiter:
    pool = connection().connection_pool
    return MovingWindowRateLimiter(RedisStorage(settings.REDIS_URL, connection_pool=pool, key_prefix="neoapex:rate"))
