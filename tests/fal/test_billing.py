"""Reading fal's bill: exactly, tolerant of what is left out, and never taking rubbish for nought."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from studio.fal import billing
from studio.fal.billing import BilledEvent, BillUnreadable
from studio.fal.client import FalClient
from studio.fal.errors import Unreachable
from tests.fal.server import FalServer

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


def event_with(server: FalServer, client: FalClient, json: str) -> BilledEvent:
    """One that went over HTTP as it stands."""
    text = f'{{"billing_events": [{{"request_id": "r", "endpoint_id": "e", {json}}}], "has_more": false}}'
    server.answers(200, text.encode())
    [[event]] = billing.events(client.read_api, MARCH, APRIL)
    return event


@pytest.mark.parametrize(
    ("json", "nanos"),
    [
        ('"cost_estimate_nano_usd": 75000000', 75_000_000),
        ('"cost_estimate_nano_usd": 112500000, "cost_total": 9', 112_500_000),
        ('"cost_estimate_nano_usd": 0, "cost_total": 0.075', 0),
        ('"cost_estimate_nano_usd": null, "cost_total": 0.1125', 112_500_000),
        ('"cost_total": 7.5e-2', 75_000_000),
        ('"cost_total": 123456.123456789', 123_456_123_456_789),
        ('"cost_total": 999999.9999999995', 1_000_000_000_000_000),
        ('"cost_total": "0.075"', 75_000_000),
        ('"cost_total": -0.075', -75_000_000),
        ('"cost_total": 1E-400', 0),
    ],
)
def test_a_cost_is_read_to_the_last_digit(server: FalServer, client: FalClient, json: str, nanos: int) -> None:
    assert event_with(server, client, json).cost_nanos == nanos


@pytest.mark.parametrize(
    "json",
    [
        '"x": 1',
        '"cost_estimate_nano_usd": NaN',
        '"cost_estimate_nano_usd": -Infinity',
        '"cost_estimate_nano_usd": 1e400',
        '"cost_estimate_nano_usd": 1000000000000001',
        '"cost_estimate_nano_usd": false',
        '"cost_total": "1,000"',
        '"cost_total": "1e2"',
        '"cost_total": {}',
        '"cost_total": 1000000.01',
        '"cost_total": ' + "9" * 4000,
    ],
    ids=lambda json: json[:40],
)
def test_what_is_no_cost_is_an_error_that_names_the_line(server: FalServer, client: FalClient, json: str) -> None:
    with pytest.raises(BillUnreadable, match="request r, e") as caught:
        assert event_with(server, client, json).cost_nanos
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("json", ['"cost_total": 1e999999999999999999999', '"cost_total": ' + "9" * 5000, '"a": [' * 5])
def test_numbers_that_no_program_reads_are_an_answer_that_was_not_understood(
    server: FalServer, client: FalClient, json: str
) -> None:
    with pytest.raises(Unreachable, match="not understood"):
        event_with(server, client, json)


@pytest.mark.parametrize(
    ("json", "nanos"),
    [
        ('"percent_discount": 10, "cost_subtotal": 0.075', 75_000_000),
        ('"cost_discount": 0.0075, "cost_subtotal": 0.075', 75_000_000),
        ('"percent_discount": null, "cost_discount": 0.0, "cost_subtotal": 0.09', 67_500_000),
        ('"percent_discount": 10', 67_500_000),
        ('"percent_discount": 10, "cost_subtotal": "?"', 67_500_000),
    ],
)
def test_a_discount_is_known_by_what_it_took_off(server: FalServer, client: FalClient, json: str, nanos: int) -> None:
    event = event_with(server, client, f'"cost_estimate_nano_usd": 67500000, {json}')
    assert event.undiscounted_nanos == nanos


@pytest.mark.parametrize(
    ("nanos", "micros"), [(75_000_499, 75_000), (75_000_500, 75_001), (-500, 0), (-501, -1), (0, 0)]
)
def test_nanos_are_rounded_to_the_nearest_micros(nanos: int, micros: int) -> None:
    assert billing.nanos_as_micros(nanos) == micros


def test_moments_are_given_in_utc_and_the_cursor_as_it_came(server: FalServer, client: FalClient) -> None:
    one = {"request_id": "r", "endpoint_id": "e"}
    server.answers(200, {"billing_events": [one], "next_cursor": "Mg==", "has_more": True})
    server.answers(200, {"billing_events": [one, one], "next_cursor": None, "has_more": False})
    pages = list(billing.events(client.read_api, MARCH, APRIL, ["a", "b"]))
    assert [len(page) for page in pages] == [1, 2]
    first, second = (parse_qs(urlsplit(seen.path).query) for seen in server.seen)
    assert first["start"] == ["2026-03-01T00:00:00Z"]
    assert first["end"] == ["2026-04-01T00:00:00Z"]
    assert first["request_id"] == ["a", "b"]
    assert second == first | {"cursor": ["Mg=="]}


@pytest.mark.parametrize(
    "end", [{"next_cursor": None}, {"has_more": False}, {"next_cursor": "x", "has_more": False}, {}], ids=str
)
def test_a_page_is_the_last_where_it_does_not_say_more(server: FalServer, client: FalClient, end: Any) -> None:
    server.answers(200, {"billing_events": [{"request_id": "r"}]} | end)
    assert len(list(billing.events(client.read_api, MARCH, APRIL))) == 1
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"billing_events": None},
        {"billing_events": {}},
        {"billing_events": ["x"]},
        {"billing_events": [{}], "has_more": True},
        {"billing_events": [{}], "has_more": True, "next_cursor": ""},
        {"billing_events": [{}], "has_more": True, "next_cursor": 2},
        {"billing_events": [], "has_more": True, "next_cursor": "Mg=="},
        {"billing_events": [{}], "has_more": True, "next_cursor": "always the same"},
    ],
    ids=str,
)
def test_pages_that_lead_nowhere_are_an_error_and_no_end(server: FalServer, client: FalClient, page: Any) -> None:
    server.answers(200, page)
    with pytest.raises(BillUnreadable, match="can't be read"):
        list(billing.events(client.read_api, MARCH, APRIL))
    assert len(server.seen) <= 2


def test_a_thousand_lines_fit_into_what_is_read_of_one_answer(server: FalServer, client: FalClient) -> None:
    line = {"request_id": "r" * 200, "endpoint_id": "e" * 200, "cost_total": 0.1, "more": "x" * 500}
    server.answers(200, {"billing_events": [line] * billing.EVENTS_A_PAGE, "has_more": False})
    [page] = billing.events(client.read_api, MARCH, APRIL)
    assert len(page) == 1000


def test_prices_are_read_by_endpoint(server: FalServer, client: FalClient) -> None:
    server.answers(200, {"prices": [{"endpoint_id": "a/b", "unit_price": 0.075, "unit": "song", "currency": "USD"}]})
    assert billing.prices_micros(client.read_api, ["a/b", "a/c"]) == {"a/b": 75_000}
    assert parse_qs(urlsplit(server.seen[0].path).query) == {"endpoint_id": ["a/b", "a/c"]}


@pytest.mark.parametrize("body", [{}, {"prices": "x"}, {"prices": [5]}, {"prices": [{"unit_price": True}]}], ids=str)
def test_prices_that_are_none_are_an_error(server: FalServer, client: FalClient, body: Any) -> None:
    server.answers(200, body)
    with pytest.raises(BillUnreadable):
        billing.prices_micros(client.read_api, ["a/b"])


@pytest.mark.parametrize("status", [401, 500, 503])
def test_only_a_429_is_asked_again(server: FalServer, client: FalClient, status: int) -> None:
    server.answers(status, {"detail": "no"})
    waits: list[float] = []
    with pytest.raises(Unreachable):
        billing.patient(client.read_api, waits.append)("models/pricing", {})
    assert (len(server.seen), waits) == (1, [])
