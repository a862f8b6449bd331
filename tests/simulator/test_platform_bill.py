"""Billing events in pages, and a bill and a price list that can be told what no song did."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.simulator.conftest import finish
from tests.simulator.server import RunningSimulator, running_simulator

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC).timestamp()
MARCH = {"start": "2026-03-01", "end": "2026-04-01T00:00:00Z"}


@pytest.fixture(scope="module")
def own_simulator() -> Iterator[RunningSimulator]:
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture
def own(own_simulator: RunningSimulator) -> RunningSimulator:
    """Its bill is empty: other tests' songs are billed elsewhere."""
    for line in own_simulator.bill()["requests"]:
        own_simulator.call("DELETE", f"/_sim/bill?request_id={line['request_id']}")
    return own_simulator


def add(sim: RunningSimulator, request_id: str, **line: object) -> None:
    body = {"request_id": request_id, "billed_at": NOON} | line
    sim.call("POST", "/_sim/bill", json=body).raise_for_status()


def page(sim: RunningSimulator, **asked: object) -> dict[str, Any]:
    answer = sim.call("GET", "/v1/models/billing-events", params=MARCH | asked).raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


def ids(body: dict[str, Any]) -> list[str]:
    return [event["request_id"] for event in body["billing_events"]]


def test_events_come_newest_first_and_page_by_page(own: RunningSimulator) -> None:
    for number in range(5):
        add(own, f"r{number}", billed_at=NOON + number)
    first = page(own, limit=2)
    second = page(own, limit=2, cursor=first["next_cursor"])
    third = page(own, limit=2, cursor=second["next_cursor"])
    assert [ids(one) for one in (first, second, third)] == [["r4", "r3"], ["r2", "r1"], ["r0"]]
    assert [one["has_more"] for one in (first, second, third)] == [True, True, False]
    assert third["next_cursor"] is None


def test_the_start_is_in_the_span_and_the_end_is_not(own: RunningSimulator) -> None:
    add(own, "first", billed_at=datetime(2026, 3, 1, tzinfo=UTC).timestamp())
    add(own, "next", billed_at=datetime(2026, 4, 1, tzinfo=UTC).timestamp())
    assert ids(page(own)) == ["first"]


def test_without_a_start_only_the_last_day_is_shown(own: RunningSimulator) -> None:
    add(own, "old")
    add(own, "new", billed_at=datetime.now(UTC).timestamp() - 60)
    body = own.call("GET", "/v1/models/billing-events").json()
    assert ids(body) == ["new"]


def test_events_can_be_asked_for_by_request_and_by_endpoint(own: RunningSimulator) -> None:
    for request_id, endpoint_id in (("a", "sonauto/v2/inpaint"), ("b", "sonauto/v2/extend"), ("c", "fal-ai/flux/dev")):
        add(own, request_id, endpoint_id=endpoint_id)
    assert ids(page(own, request_id=["a", "c"])) == ["a", "c"]
    assert ids(page(own, request_id="a,b")) == ["a", "b"]
    assert ids(page(own, endpoint_id="sonauto/v2/extend")) == ["b"]
    assert ids(page(own, endpoint_id="sonauto/v2/extend", request_id="a")) == []


@pytest.mark.parametrize(
    "asked",
    [
        {"end": "2026-06-01"},
        {"start": "2026-04-01"},
        {"start": "yesterday"},
        {"limit": 0},
        {"limit": 10_001},
        {"limit": "many"},
        {"cursor": "?"},
        {"cursor": "MA=="},
        {"request_id": ",".join(map(str, range(51)))},
    ],
    ids=str,
)
def test_what_fal_would_not_take_is_a_400(own: RunningSimulator, asked: dict[str, object]) -> None:
    assert own.call("GET", "/v1/models/billing-events", params=MARCH | asked).status_code == 400


def test_a_song_s_line_can_be_removed_and_told_otherwise(own: RunningSimulator) -> None:
    request_id = finish(own)["request_id"]
    now = {"start": datetime.now(UTC).date().isoformat(), "end": "", "request_id": request_id}
    assert own.call("DELETE", f"/_sim/bill?request_id={request_id}").json()["total_micros"] == 0
    assert ids(page(own, **now)) == []
    for cost_micros in (50_000, 25_000):
        body = {"request_id": request_id, "cost_micros": cost_micros, "units": 0.5}
        own.call("POST", "/_sim/bill", json=body).raise_for_status()
    assert own.bill()["total_micros"] == 75_000
    costs = [event["cost_estimate_nano_usd"] for event in page(own, **now)["billing_events"]]
    assert sorted(costs) == [25_000_000, 50_000_000]


def test_fields_of_an_event_can_be_told_whatever_they_are(own: RunningSimulator) -> None:
    add(own, "odd", fields={"cost_total": "?", "cost_estimate_nano_usd": None, "percent_discount": 10})
    (event,) = page(own)["billing_events"]
    assert (event["cost_total"], event["cost_estimate_nano_usd"], event["percent_discount"]) == ("?", None, 10)
    assert event["unit_price"] == 0.075


@pytest.mark.parametrize("body", [b"", b"[]", b'{"cost_micros": 5}', b'{"request_id": "a", "cost": 5}'])
def test_a_line_that_is_none_is_refused(own: RunningSimulator, body: bytes) -> None:
    assert own.call("POST", "/_sim/bill", content=body).status_code == 422
    assert own.bill()["requests"] == []


def test_the_price_list_can_be_told_another_price_or_none(own: RunningSimulator) -> None:
    told = {"sonauto/v2/inpaint": {"unit_price": 0.08}, "sonauto/v2/extend": None}
    own.call("PUT", "/_sim/prices", json=told).raise_for_status()
    asked = "/v1/models/pricing?endpoint_id=sonauto/v2/inpaint,sonauto/v2/extend,sonauto/v2/text-to-music"
    prices = own.call("GET", asked).json()["prices"]
    assert {price["endpoint_id"]: price["unit_price"] for price in prices} == {
        "sonauto/v2/text-to-music": 0.075,
        "sonauto/v2/inpaint": 0.08,
    }
    assert own.call("PUT", "/_sim/prices", content=b"[]").status_code == 422
    own.call("PUT", "/_sim/prices", json={}).raise_for_status()
    assert {price["unit_price"] for price in own.call("GET", asked).json()["prices"]} == {0.075}


def test_with_an_admin_key_the_bill_is_shown_to_it_alone() -> None:
    with running_simulator(admin_key="admin:key") as sim:
        admin = {"Authorization": "Key admin:key"}
        pricing = "/v1/models/pricing?endpoint_id=sonauto/v2/extend"
        refused = sim.call("GET", "/v1/models/billing-events")
        assert (refused.status_code, "admin" in refused.text) == (403, True)
        assert sim.call("GET", "/v1/models/billing-events", headers=admin).status_code == 200
        assert [sim.call("GET", pricing, headers=one).status_code for one in ({}, admin)] == [200, 200]
        stranger = {"Authorization": "Key another:key"}
        assert sim.call("GET", "/v1/models/billing-events", headers=stranger).status_code == 401


def test_the_catalogue_can_be_told_another_status_or_none(own: RunningSimulator) -> None:
    told = {"sonauto/v2/inpaint": {"status": "deprecated"}, "sonauto/v2/extend": None}
    own.call("PUT", "/_sim/models", json=told).raise_for_status()
    models = own.call("GET", "/v1/models").json()["models"]
    assert {model["endpoint_id"]: model["metadata"]["status"] for model in models} == {
        "sonauto/v2/text-to-music": "active",
        "sonauto/v2/inpaint": "deprecated",
    }
    own.call("PUT", "/_sim/models", json={}).raise_for_status()
    assert len(own.call("GET", "/v1/models").json()["models"]) == 3
