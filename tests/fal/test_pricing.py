from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio import endpoints, pricing
from studio.endpoints import Endpoint, UnitPrice, UnknownEndpoint
from studio.fal.schemas import SonautoOutput, TextToMusicInput

KEYS = ["text-to-music", "inpaint", "extend"]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def offer(monkeypatch: pytest.MonkeyPatch, *prices: UnitPrice) -> None:
    """One endpoint alone, `x`, with these prices."""
    endpoint = Endpoint("x", "a/b", "X", TextToMusicInput, SonautoOutput, prices)
    monkeypatch.setattr(endpoints, "ENDPOINTS", {"x": endpoint})


def test_three_endpoints_are_offered_under_fals_ids() -> None:
    assert {key: endpoint.fal_id for key, endpoint in endpoints.ENDPOINTS.items()} == {
        "text-to-music": "sonauto/v2/text-to-music",
        "inpaint": "sonauto/v2/inpaint",
        "extend": "sonauto/v2/extend",
    }


@pytest.mark.parametrize("key", KEYS)
def test_an_endpoint_is_found_by_its_key(key: str) -> None:
    endpoint = endpoints.get(key)
    assert (endpoint.key, endpoint.prices[-1].micros, endpoint.max_songs) == (key, 75_000, 2)


@pytest.mark.parametrize("key", KEYS)
def test_an_endpoints_prices_stand_in_order_of_time(key: str) -> None:
    prices = endpoints.get(key).prices
    assert prices
    assert [price.since for price in prices] == sorted({price.since for price in prices})
    assert all(price.micros > 0 and price.since.tzinfo is not None for price in prices)


@pytest.mark.parametrize("key", ["", "sonauto/v2/extend", "Extend", "fal-ai/flux"])
def test_an_endpoint_off_the_list_is_refused_with_the_list(key: str) -> None:
    with pytest.raises(UnknownEndpoint) as caught:
        endpoints.get(key)
    assert caught.value.code == "unknown_endpoint"
    assert all(offered in str(caught.value.hint) for offered in KEYS)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("songs", "micros"), [(1, 75_000), (2, 112_500)])
def test_a_second_song_costs_half_as_much_again(key: str, songs: int, micros: int) -> None:
    assert pricing.price_micros(key, songs) == micros


@pytest.mark.parametrize("songs", [0, 3, -1])
def test_a_number_of_songs_that_is_not_made_has_no_price(songs: int) -> None:
    with pytest.raises(ValueError, match="songs a request"):
        pricing.price_micros("extend", songs)


def test_an_unknown_endpoint_has_no_price() -> None:
    with pytest.raises(UnknownEndpoint):
        pricing.price_micros("video", 1)


def test_an_old_request_keeps_its_old_price(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = (UnitPrice(datetime(2026, 1, 1, tzinfo=UTC), 60_000), UnitPrice(datetime(2026, 6, 1, tzinfo=UTC), 90_000))
    offer(monkeypatch, *prices)
    days = [datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 5, 31, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)]
    assert [pricing.price_micros("x", 2, day) for day in days] == [90_000, 90_000, 135_000]
    assert pricing.price_micros("x", 1) == 90_000


def test_a_price_is_the_one_of_its_moment_to_the_microsecond(monkeypatch: pytest.MonkeyPatch) -> None:
    rise = datetime(2026, 6, 1, tzinfo=UTC)
    offer(monkeypatch, UnitPrice(datetime(2026, 1, 1, tzinfo=UTC), 60_000), UnitPrice(rise, 90_000))
    before = rise - timedelta(microseconds=1)
    assert [pricing.price_micros("x", 1, at) for at in (before, rise)] == [60_000, 90_000]
    assert [pricing.units_micros("x", Decimal("1.5"), at) for at in (before, rise)] == [90_000, 135_000]


def test_a_price_that_is_still_to_come_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, UnitPrice(LONG_AGO, 60_000), UnitPrice(datetime.now(UTC) + timedelta(days=1), 90_000))
    assert pricing.price_micros("x", 1) == 60_000


@pytest.mark.parametrize(("unit", "two"), [(75_000, 112_500), (75_001, 112_502), (1, 2), (2, 3), (3, 5)])
def test_half_a_micro_is_rounded_up(monkeypatch: pytest.MonkeyPatch, unit: int, two: int) -> None:
    offer(monkeypatch, UnitPrice(LONG_AGO, unit))
    assert pricing.price_micros("x", 2) == two


@given(unit=st.integers(1, 10**10))
def test_quote_bill_and_share_agree_to_the_micro_at_every_price(unit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        offer(patch, UnitPrice(LONG_AGO, unit))
        one, two = pricing.price_micros("x", 1), pricing.price_micros("x", 2)
        assert (one, type(two)) == (unit, int)
        assert 2 * two - 3 * unit in (0, 1), "one and a half, and half a micro at most"
        assert pricing.units_micros("x", Decimal(1), LONG_AGO) == one
        assert pricing.units_micros("x", Decimal("1.5"), LONG_AGO) == two
        assert pricing.share_micros(two, 1, 2) == one, "one of two costs what one costs, and the house pays the rest"
        assert pricing.share_micros(two, 2, 2) == two


@pytest.mark.parametrize(
    ("cost", "readable", "asked", "share"),
    [
        (112_500, 2, 2, 112_500),
        (112_500, 1, 2, 75_000),
        (112_500, 0, 2, 0),
        (75_000, 1, 1, 75_000),
        (75_000, 0, 1, 0),
        (100, 1, 2, 66),
    ],
)
def test_people_pay_for_what_they_can_hear(cost: int, readable: int, asked: int, share: int) -> None:
    assert pricing.share_micros(cost, readable, asked) == share


@pytest.mark.parametrize("key", KEYS)
def test_one_readable_of_two_costs_what_one_costs(key: str) -> None:
    assert pricing.share_micros(pricing.price_micros(key, 2), 1, 2) == pricing.price_micros(key, 1)


@given(st.integers(0, 10**12), st.integers(1, 2), st.integers(0, 2))
def test_a_share_lies_between_nothing_and_the_whole(cost: int, asked: int, readable: int) -> None:
    readable = min(readable, asked)
    share = pricing.share_micros(cost, readable, asked)
    assert type(share) is int
    assert 0 <= share <= cost
    assert readable != asked or share == cost


@pytest.mark.parametrize(("cost", "readable", "asked"), [(1, 2, 1), (1, -1, 1), (1, 0, 0), (-1, 1, 1)])
def test_a_share_of_nonsense_is_refused(cost: int, readable: int, asked: int) -> None:
    with pytest.raises(ValueError, match="no sense"):
        pricing.share_micros(cost, readable, asked)
