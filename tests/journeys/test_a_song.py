"""Songs from the click to the play button, through real HTTP and every process."""

import io

import av
import httpx
import numpy as np
import pytest

from tests.journeys.stack import RunningStudio

SONG = {"prompt": "a calm piano piece at night", "num_songs": 1, "output_format": "wav"}


def start(client: httpx.Client, **inputs: object) -> dict[str, object]:
    answer = client.post("/api/generations", json=SONG | inputs)
    assert answer.status_code == 201, answer.text
    body: dict[str, object] = answer.json()
    return body


def samples_of(audio: bytes) -> np.ndarray:
    with av.open(io.BytesIO(audio), "r") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(frames, axis=-1).astype(np.float64)


def test_a_described_song_can_be_heard_and_is_paid_once(studio: RunningStudio, ada: httpx.Client) -> None:
    bill_before = studio.sim.bill()["total_micros"]
    spent_before = ada.get("/api/credits/balance").json()["spent"]
    started = start(ada)
    assert started["state"] == "QUEUED"
    assert started["cost"] == "0.0750"
    done = studio.wait_for_state(ada, str(started["id"]), "READY", "FAILED")
    assert done["state"] == "READY", done
    assert done["charged"] == "0.0750"
    [track] = done["tracks"]
    assert track["duration_seconds"] > 1
    preview = ada.get(track["preview_url"])
    assert preview.headers["Content-Type"] == "audio/mpeg"
    assert np.abs(samples_of(preview.content)).max() > 0.05
    peaks = ada.get(track["peaks_url"], params={"format": "json"}).json()
    assert peaks["length"] * 2 == len(peaks["data"])
    master = ada.get(f"/api/tracks/{track['id']}/master")
    assert len(master.content) == track["master"]["bytes"]
    assert 'filename="' in master.headers["Content-Disposition"]
    assert studio.sim.bill()["total_micros"] - bill_before == 75_000
    assert float(ada.get("/api/credits/balance").json()["spent"]) - float(spent_before) == pytest.approx(0.075)


def test_two_variations_cost_one_and_a_half_songs_and_both_play(studio: RunningStudio, ada: httpx.Client) -> None:
    started = start(ada, num_songs=2)
    done = studio.wait_for_state(ada, str(started["id"]), "READY", "FAILED")
    assert [track["variation"] for track in done["tracks"]] == [0, 1]
    assert done["charged"] == "0.1125"
    first, second = (ada.get(track["preview_url"]).content for track in done["tracks"])
    assert first != second


def test_the_timeline_says_started_once_and_before_the_outcome(studio: RunningStudio, ada: httpx.Client) -> None:
    done = studio.wait_for_state(ada, str(start(ada)["id"]), "READY", "FAILED")
    names = [moment["event"] for moment in done["timeline"]]
    assert names[0] == "job_queued"
    assert names[-1] == "job_succeeded"
    assert names.count("job_started") == 1


def test_a_callback_that_overtakes_the_answer_still_finds_its_song(studio: RunningStudio, ada: httpx.Client) -> None:
    studio.sim.set_mood(webhook_early=True)
    done = studio.wait_for_state(ada, str(start(ada)["id"]), "READY", "FAILED")
    assert done["state"] == "READY"
    assert [moment["event"] for moment in done["timeline"]].count("job_started") == 1


def test_a_refusal_by_the_model_costs_nothing_and_says_why(studio: RunningStudio, ada: httpx.Client) -> None:
    before = ada.get("/api/credits/balance").json()
    studio.sim.set_mood(fail="content_policy_violation")
    done = studio.wait_for_state(ada, str(start(ada)["id"]), "READY", "FAILED")
    assert done["state"] == "FAILED"
    assert done["reason"]["code"]
    assert done["reason"]["message"]
    assert done["tracks"] == []
    after = ada.get("/api/credits/balance").json()
    assert (after["held"], after["spent"]) == (before["held"], before["spent"])


def test_the_ledger_equals_the_bill_when_all_is_done(studio: RunningStudio, ada: httpx.Client) -> None:
    done = studio.wait_for_state(ada, str(start(ada)["id"]), "READY")
    assert done["state"] == "READY"
    assert studio.open_holds() == 0
    assert studio.ledger_total_micros() == studio.sim.bill()["total_micros"]
