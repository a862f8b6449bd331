"""The bill: what completed successfully, once, whatever happens to the process."""

import time
from pathlib import Path

import pytest

from tests.simulator.conftest import SONG, finish, status_of, submit, wait_until
from tests.simulator.server import RunningSimulator, running_simulator


def test_one_song_costs_75000_micros_and_two_112500(sim: RunningSimulator) -> None:
    one = finish(sim)["request_id"]
    two = finish(sim, {**SONG, "num_songs": 2})["request_id"]
    bill = sim.bill()
    costs = {line["request_id"]: line["cost_micros"] for line in bill["requests"]}
    assert (costs[one], costs[two]) == (75_000, 112_500)
    assert bill["total_micros"] == sum(costs.values())
    assert set(bill["requests"][0]) == {"request_id", "endpoint_id", "cost_micros"}
    assert sim.call("GET", f"/sonauto/v2/requests/{two}").headers["x-fal-billable-units"] == "1.5"


def test_nothing_is_billed_before_it_completes(sim: RunningSimulator) -> None:
    sim.set_mood(hang=True)
    request_id = submit(sim)["request_id"]
    assert request_id not in {line["request_id"] for line in sim.bill()["requests"]}
    sim.call("PUT", f"/sonauto/v2/requests/{request_id}/cancel")


@pytest.mark.slow
def test_kill_9_at_any_moment_bills_every_song_exactly_once(tmp_path: Path) -> None:
    with running_simulator(home=tmp_path, song_seconds=1, run_seconds=0.02, queue_seconds=0) as sim:
        ids = []
        for round_number in range(4):
            ids += [submit(sim, {**SONG, "seed": seed})["request_id"] for seed in range(5)]
            # Each round dies a little later in the life of its songs.
            time.sleep(0.02 * round_number)
            sim.kill()
            sim.start()
        wait_until(lambda: all(status_of(sim, request_id)["status"] == "COMPLETED" for request_id in ids), 30)
        billed = [line["request_id"] for line in sim.bill()["requests"]]
        assert "Traceback" not in sim.log()
        assert sorted(billed) == sorted(ids)
        assert sim.bill()["total_micros"] == 75_000 * len(ids)


def test_billing_events_say_the_same_as_the_bill(sim: RunningSimulator) -> None:
    request_id = finish(sim, {**SONG, "num_songs": 2})["request_id"]
    (event,) = sim.call("GET", f"/v1/models/billing-events?request_id={request_id}").json()["billing_events"]
    assert (event["request_id"], event["output_units"], event["unit_price"]) == (request_id, 1.5, 0.075)
    assert event["cost_total"] == 0.1125
    assert event["cost_estimate_nano_usd"] == 112_500_000
    everything = sim.call("GET", "/v1/models/billing-events").json()["billing_events"]
    assert sum(entry["cost_estimate_nano_usd"] for entry in everything) == sim.bill()["total_micros"] * 1000


def test_models_and_prices_are_those_of_sonauto(sim: RunningSimulator) -> None:
    (model,) = sim.call("GET", "/v1/models?endpoint_id=sonauto/v2/extend", headers={"Authorization": ""}).json()[
        "models"
    ]
    assert (model["endpoint_id"], model["metadata"]["status"]) == ("sonauto/v2/extend", "active")
    page = sim.call("GET", "/v1/models/pricing?endpoint_id=sonauto/v2/extend&endpoint_id=sonauto/v2/inpaint").json()
    assert [(price["endpoint_id"], price["unit_price"]) for price in page["prices"]] == [
        ("sonauto/v2/inpaint", 0.075),
        ("sonauto/v2/extend", 0.075),
    ]
    assert sim.call("GET", "/v1/models/pricing").status_code == 400
    assert sim.call("GET", "/v1/models/pricing", headers={"Authorization": "Key wrong"}).status_code == 401


def test_an_estimate_multiplies_units_by_the_price(sim: RunningSimulator) -> None:
    wanted = {"estimate_type": "unit_price", "endpoints": {"sonauto/v2/text-to-music": {"unit_quantity": 1.5}}}
    assert sim.call("POST", "/v1/models/pricing/estimate", json=wanted).json() == {
        "estimate_type": "unit_price",
        "total_cost": 0.1125,
        "currency": "USD",
    }


def test_meta_names_the_addresses_of_webhooks(sim: RunningSimulator) -> None:
    assert "127.0.0.1/32" in sim.call("GET", "/v1/meta").json()["webhook_ip_ranges"]


def test_a_retired_endpoint_is_deprecated_and_gone() -> None:
    with running_simulator(retired=["sonauto/v2/extend"]) as sim:
        page = sim.call("GET", "/v1/models?endpoint_id=sonauto/v2/extend").json()
        assert page["models"][0]["metadata"]["status"] == "deprecated"
        assert sim.call("POST", "/sonauto/v2/extend", json={}).status_code == 410


def test_hostile_text_comes_back_as_it_was(sim: RunningSimulator) -> None:
    body = b'{"prompt": 5, "tags": ["\\ud800", "\\u0000"], "lyrics_prompt": "\\ud83d"}'
    answer = sim.call("POST", "/sonauto/v2/text-to-music", content=body).json()
    wait_until(lambda: status_of(sim, answer["request_id"])["status"] == "COMPLETED")
    assert sim.call("GET", f"/sonauto/v2/requests/{answer['request_id']}").status_code == 422
    assert any(entry["request_id"] == answer["request_id"] for entry in sim.requests())
