"""Retouches and extensions through real HTTP and every process, measured on the audio that comes out."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av
import httpx
import numpy as np
import pytest

from tests.journeys.stack import RunningStudio, running_studio, wait_for

RATE = 44_100
# Half of it in silence would be no song to compare with.
WORDS = {"tags": ["folk", "piano"], "lyrics": "[Verse]\nwe walk along\nthe river wide\n[Chorus]\nand home again"}
SECTION = {"start": 3.0, "end": 6.0}
# Where two blends meet, a sample may be rounded.
SEAM = round(0.05 * RATE)


@pytest.fixture(scope="module")
def studio() -> Iterator[RunningStudio]:
    with running_studio(song_seconds=10) as running:
        running.add_person("ada@example.com")
        yield running


@pytest.fixture(scope="module")
def ada(studio: RunningStudio) -> Iterator[httpx.Client]:
    with studio.client("ada@example.com") as client:
        yield client


@pytest.fixture(scope="module")
def track(studio: RunningStudio, ada: httpx.Client) -> dict[str, Any]:
    """A song of some ten seconds."""
    made = ada.post("/api/generations", json=WORDS | {"seed": "11"}).raise_for_status().json()
    [found] = studio.wait_for_state(ada, made["id"], "READY")["tracks"]
    return dict(found)


def master(client: httpx.Client, track_id: str) -> np.ndarray:
    audio = client.get(f"/api/tracks/{track_id}/master", follow_redirects=True).raise_for_status().content
    with av.open(io.BytesIO(audio), "r") as container:
        frames = [frame.to_ndarray().reshape(-1, 2) for frame in container.decode(audio=0)]
    return np.concatenate(frames)


def begun(client: httpx.Client, track: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = client.post("/api/retouches", json={"track": track["id"], "section": SECTION, **WORDS, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def settled(studio: RunningStudio, client: httpx.Client, retouch: dict[str, Any]) -> dict[str, Any]:
    """The retouch when its last take has ended."""
    seen: dict[str, Any] = {}

    def ended() -> bool:
        seen.update(client.get(f"/api/retouches/{retouch['id']}").json())
        return seen["takes"][-1]["state"] in {"READY", "FAILED", "CANCELLED"}

    wait_for(ended, 60, lambda: str(seen))
    return seen


def retry(client: httpx.Client, retouch: dict[str, Any], **body: Any) -> httpx.Response:
    return client.post(f"/api/retouches/{retouch['id']}/takes", json={"reason": "GLITCH"} | body)


def test_a_retouch_changes_its_section_and_not_one_sample_else(
    studio: RunningStudio, ada: httpx.Client, track: dict[str, Any]
) -> None:
    retouch = settled(studio, ada, begun(ada, track))
    [take] = retouch["takes"]
    assert take["state"] == "READY", take
    before, after = master(ada, track["id"]), master(ada, take["track"])
    first, last = round(SECTION["start"] * RATE), round(SECTION["end"] * RATE)
    assert before.shape == after.shape
    assert np.array_equal(before[: first - 1], after[: first - 1])
    assert np.array_equal(before[last + 1 :], after[last + 1 :])
    inside = before[first + SEAM : last - SEAM].astype(float) - after[first + SEAM : last - SEAM]
    assert np.sqrt((inside**2).mean()) > 200, "something else is heard there"


def test_three_retries_and_no_more_then_one_is_accepted(
    studio: RunningStudio, ada: httpx.Client, track: dict[str, Any]
) -> None:
    retouch = begun(ada, track)
    for left in (3, 2, 1):
        assert settled(studio, ada, retouch)["retries_left"] == left
        # Twenty clicks at once: one take.
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: retry(ada, retouch), range(20)))
        assert [answer.status_code for answer in answers].count(201) == 1
        codes = {answer.json()["code"] for answer in answers if answer.status_code != 201}
        assert codes <= {"take_pending", "retries_exhausted"}
    retouch = settled(studio, ada, retouch)
    assert [take["state"] for take in retouch["takes"]] == ["READY"] * 4
    assert len({take["seed"] for take in retouch["takes"]}) == 4
    fourth = retry(ada, retouch)
    assert (fourth.status_code, fourth.json()["code"]) == (409, "retries_exhausted")
    chosen = retouch["takes"][2]
    accepted = ada.post(f"/api/retouches/{retouch['id']}/accept", json={"take": chosen["id"]}).json()
    assert accepted["state"] == "ACCEPTED"
    [root] = ada.get(f"/api/tracks/{chosen['track']}/lineage").json()["tracks"]
    assert root["id"] == track["id"]
    assert sum(child["edge"]["accepted"] for child in root["tracks"]) == 1


def test_takes_that_fail_or_are_cancelled_cost_nothing_and_leave_the_cap_as_it_was(
    studio: RunningStudio, ada: httpx.Client, track: dict[str, Any]
) -> None:
    spent = ada.get("/api/credits/balance").json()["spent"]
    studio.sim.set_mood(fail="internal_server_error")
    retouch = settled(studio, ada, begun(ada, track))
    assert retouch["takes"][0]["state"] == "FAILED"
    studio.sim.set_mood(hang=True)
    assert retry(ada, retouch).status_code == 201
    pending = ada.get(f"/api/retouches/{retouch['id']}").json()["takes"][-1]
    studio.wait_for_state(ada, pending["id"], "SUBMITTED", "RUNNING")
    assert retry(ada, retouch).json()["code"] == "take_pending"
    ada.post(f"/api/generations/{pending['id']}/cancel").raise_for_status()
    assert settled(studio, ada, retouch)["takes"][-1]["state"] == "CANCELLED"
    assert ada.get("/api/credits/balance").json()["spent"] == spent
    assert retry(ada, retouch).status_code == 201
    retouch = settled(studio, ada, retouch)
    assert (retouch["retries_left"], retouch["takes"][-1]["number"]) == (3, 1)
    assert ada.post(f"/api/retouches/{retouch['id']}/abandon").json()["state"] == "ABANDONED"


def test_an_upload_that_fails_is_tried_again_and_nothing_is_sent_twice(
    studio: RunningStudio, ada: httpx.Client, track: dict[str, Any]
) -> None:
    bill = len(studio.sim.bill()["requests"])
    studio.sim.set_mood(call="upload", answer_status=503)
    retouch = settled(studio, ada, begun(ada, track))
    assert retouch["takes"][0]["state"] == "READY"
    assert len(studio.sim.bill()["requests"]) == bill + 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_an_extension_adds_on_one_side_and_keeps_the_rest(
    studio: RunningStudio, ada: httpx.Client, track: dict[str, Any], side: str
) -> None:
    asked = {"track": track["id"], "side": side, "extend_duration": 4, "crop_duration": 1}
    made = ada.post("/api/extensions", json=asked, headers={"Idempotency-Key": f"more {side}"})
    assert made.status_code == 201, made.text
    assert ada.post("/api/extensions", json=asked, headers={"Idempotency-Key": f"more {side}"}).status_code == 200
    done = studio.wait_for_state(ada, made.json()["id"], "READY", "FAILED")
    [longer] = done["tracks"]
    before, after = master(ada, track["id"]), master(ada, longer["id"])
    assert abs(len(after) - len(before) - 3 * RATE) <= RATE // 10
    kept = before[: len(before) - RATE] if side == "right" else before[RATE:]
    assert np.array_equal(kept, after[: len(kept)] if side == "right" else after[-len(kept) :])


def test_when_all_is_done_the_ledger_equals_the_bill(studio: RunningStudio) -> None:
    assert studio.open_holds() == 0
    assert studio.ledger_total_micros() == studio.sim.bill()["total_micros"]
