"""What a request will cost and what a part of it is worth: pure functions over integers of micros.

Where a half doesn't come out even it is rounded up, everywhere alike: so the price of two songs is what fal bills for
one and a half, and one readable of the two costs exactly what one song costs.
"""

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from studio import endpoints


def price_micros(endpoint_key: str, num_songs: int, at: datetime | None = None) -> int:
    """The price of one request at a time (now unless given), in micros of a US dollar; two songs cost one and a half.

    Raises UnknownEndpoint, and ValueError for a number of songs that the endpoint does not make.
    """
    endpoint = endpoints.get(endpoint_key)
    if not 1 <= num_songs <= endpoint.max_songs:
        raise ValueError(f"{endpoint.title} makes 1 to {endpoint.max_songs} songs a request, not {num_songs}.")
    unit = _unit_price_micros(endpoint, at or datetime.now(UTC))
    return (unit * _half_songs(num_songs) + 1) // 2


def _unit_price_micros(endpoint: endpoints.Endpoint, at: datetime) -> int:
    valid = [price.micros for price in endpoint.prices if price.since <= at]
    return valid[-1] if valid else endpoint.prices[0].micros


def units_micros(endpoint_key: str, units: Decimal, at: datetime) -> int:
    """What fal bills for so many of its units in a request of that time: one unit is one song in a request of one."""
    unit = _unit_price_micros(endpoints.get(endpoint_key), at)
    return int((units * unit).to_integral_value(ROUND_HALF_UP))


def units(num_songs: int) -> Decimal:
    """How many of its units fal bills for a request of so many songs."""
    return Decimal(_half_songs(num_songs)) / 2


def share_micros(cost_micros: int, readable: int, asked: int) -> int:
    """What the readable part of a request is worth: of two songs, one readable costs what one song costs.

    Rounds down, in the person's favour. Raises ValueError unless 0 <= readable <= asked and something was asked for.
    """
    if cost_micros < 0 or asked < 1 or not 0 <= readable <= asked:
        raise ValueError(f"{readable} readable of {asked} asked for at {cost_micros} micros makes no sense.")
    return cost_micros * _half_songs(readable) // _half_songs(asked)


def _half_songs(songs: int) -> int:
    """A request's price counted in halves of a single song's: the first costs two, each further one costs one."""
    return songs + 1 if songs else 0
