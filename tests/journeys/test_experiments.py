"""Experiments through real HTTP, every process and a fal that is deterministic in just this way."""

import hashlib
from typing import Any

import httpx
import pytest

from tests.journeys.stack import RunningStudio, wait_for

SONG = {"tags": ["indie folk", "warm"], "lyrics": "[Verse]\nNeon on the water", "seed": "99", "num_songs": 1}


def make(studio: RunningStudio, client: httpx.Client, **inputs: Any) -> dict[str, Any]:
    answer = client.post("/api/generations", json=SONG | inputs)
    assert answer.status_code == 201, answer.text
    return studio.wait_for_state(client, answer.json()["id"], "READY", "FAILED")


def sha256_of(client: httpx.Client, track_id: str) -> str:
    return hashlib.sha256(client.get(f"/api/tracks/{track_id}/master").content).hexdigest()


def heard(client: httpx.Client, experiment_id: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def all_ready() -> bool:
        seen.update(client.get(f"/api/experiments/{experiment_id}").json())
        return all(arm["state"] == "READY" and arm["track"] for arm in seen["arms"])

    wait_for(all_ready, 60, lambda: str(seen))
    return seen


@pytest.fixture(scope="module")
def track_id(studio: RunningStudio, ada: httpx.Client) -> str:
    return str(make(studio, ada, vibe_strength=2.0)["tracks"][0]["id"])


def test_the_arm_of_the_song_s_own_value_is_the_song_itself_and_free(
    studio: RunningStudio, ada: httpx.Client, track_id: str
) -> None:
    bill = studio.sim.bill()["total_micros"]
    asked = {"track": track_id, "parameter": "vibe_strength", "values": [2.0, 3.0]}
    assert ada.post("/api/experiments/quotes", json=asked).json()["cost"] == "0.0750"
    started = ada.post("/api/experiments", json=asked)
    assert started.status_code == 201, started.text
    experiment = heard(ada, started.json()["id"])
    own, other = experiment["arms"]
    assert (own["track"], own["reused"], own["cost"]) == (track_id, True, "0.0000")
    assert sha256_of(ada, own["track"]) != sha256_of(ada, other["track"])
    assert studio.sim.bill()["total_micros"] - bill == 75_000
    verdict = ada.post(f"/api/experiments/{experiment['id']}/verdicts", json={"choice": own["id"], "note": "calmer"})
    assert verdict.status_code == 201


def test_the_same_inputs_make_the_same_bytes_and_a_batch_of_two_does_not(
    studio: RunningStudio, ada: httpx.Client, track_id: str
) -> None:
    again = make(studio, ada, vibe_strength=2.0)["tracks"][0]["id"]
    assert sha256_of(ada, again) == sha256_of(ada, track_id)
    pair = [track["id"] for track in make(studio, ada, vibe_strength=2.0, num_songs=2)["tracks"]]
    assert sha256_of(ada, track_id) not in {sha256_of(ada, one) for one in pair}
    asked = {"track": pair[0], "parameter": "vibe_strength", "values": [2.0, 3.1]}
    planned = ada.post("/api/experiments/quotes", json=asked).json()["arms"]
    assert planned[0]["existing"] not in pair


def test_arms_are_hidden_from_the_feed_and_can_be_heard(
    studio: RunningStudio, ada: httpx.Client, track_id: str
) -> None:
    asked = {"track": track_id, "parameter": "bpm", "values": [80, 140]}
    experiment = heard(ada, ada.post("/api/experiments", json=asked).json()["id"])
    for arm in experiment["arms"]:
        assert ada.get(f"/api/tracks/{arm['track']}/preview").status_code == 200
        assert arm["cost"] == "0.0750"


def test_a_failed_arm_is_given_back_and_made_once_more(studio: RunningStudio, ada: httpx.Client, track_id: str) -> None:
    studio.sim.set_mood(fail="content_policy_violation")
    asked = {"track": track_id, "parameter": "balance_strength", "values": [0.1, 0.9]}
    started = ada.post("/api/experiments", json=asked).json()
    for arm in started["arms"]:
        studio.wait_for_state(ada, arm["generation"], "READY", "FAILED")
    arms = ada.get(f"/api/experiments/{started['id']}").json()["arms"]
    [failed] = [arm for arm in arms if arm["state"] == "FAILED"]
    assert failed["cost"] == "0.0000" or failed["reason"]
    answer = ada.post(f"/api/experiments/{started['id']}/arms/{failed['id']}/retry", json={})
    assert answer.status_code == 200, answer.text
    heard(ada, started["id"])


def test_the_command_finds_that_fal_keeps_its_word(studio: RunningStudio, ada: httpx.Client, track_id: str) -> None:
    code, output, errors = studio.commands.run("verify_determinism", track_id, "--yes")
    assert code == 0, output + errors
    assert "Identical, byte for byte" in output
    assert "$0.075" in errors
    assert "$" not in output


def test_the_ledger_equals_the_bill_when_all_is_done(studio: RunningStudio, ada: httpx.Client) -> None:
    assert studio.open_holds() == 0
    assert studio.ledger_total_micros() == studio.sim.bill()["total_micros"]
