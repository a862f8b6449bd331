"""Every fault of fal's, each met by one song of a running studio; in the end the ledger equals the bill."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from studio.fal import breaker
from tests.journeys.scenes import SCENES, Scene
from tests.journeys.stack import RunningStudio, running_studio, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HASTY = {
    "NEOAPEX_SWEEP_AFTER": "3",
    "NEOAPEX_LOST_AFTER": "8",
    "NEOAPEX_LOST_RELEASE": "16",
    "NEOAPEX_QUEUE_TIMEOUT": "240",
    "NEOAPEX_FAL_SLOTS": "40",
    "NEOAPEX_USER_SLOTS": "40",
    "NEOAPEX_USER_WAITING": "200",
    "NEOAPEX_USER_RATE": "100000/minute",
    "NEOAPEX_BREAKER_FAILURES": "1000",
    "NEOAPEX_MEDIA_MAX_BYTES": str(4 * 1024 * 1024),
}
PRICE_MICROS = 75_000
# For these the breaker opens at once, whatever is configured.
SHUTS_FAL_OUT = {401, 402, 403}
# Unreadable is said after three fetches, which take most of a minute.
LONGEST_SECONDS = 150.0


@dataclass(frozen=True)
class Stage:
    """A studio with a song for every scene, all of them started."""

    studio: RunningStudio
    client: httpx.Client
    songs: dict[str, str]

    def request_ids(self, scene: Scene) -> list[str]:
        """fal's ids of all that reached it for this scene."""
        song = self.songs[scene.must]
        return [request["request_id"] for request in self.studio.sim.requests() if song in str(request["webhook_url"])]

    def billed_micros(self, scene: Scene) -> int:
        mine = self.request_ids(scene)
        return sum(line["cost_micros"] for line in self.studio.sim.bill()["requests"] if line["request_id"] in mine)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    fal: dict[str, Any] = {"slots": 40, "song_seconds": 1.5, "webhook_retry_max_seconds": 4, "webhook_retries": 100}
    with running_studio(HASTY, **fal) as studio, studio.client() as client:
        songs = {}
        # Whoever cancels comes first, to do so before fal is done with it.
        for seed, scene in enumerate(sorted(SCENES, key=lambda scene: not scene.cancel_in)):
            for mood in scene.moods:
                studio.sim.set_mood(seed=seed, **mood)
            body = {"tags": ["piano"], "lyrics": "", "seed": str(seed)}
            song = songs[scene.must] = client.post("/api/generations", json=body).raise_for_status().json()["id"]
            if any(mood.get("answer_status") in SHUTS_FAL_OUT for mood in scene.moods):
                studio.wait_for_state(client, song, scene.state, seconds=60)
                close_breaker(studio)
            if scene.cancel_in:
                studio.wait_for_state(client, song, *scene.cancel_in.split(), seconds=60)
                client.post(f"/api/generations/{song}/cancel").raise_for_status()
        yield Stage(studio, client, songs)


def close_breaker(studio: RunningStudio) -> None:
    """The next scene is about another fault.

    All at once: an open breaker without its moment would send the next song as a probe, which a refusal spares.
    """
    with studio.servers["redis"].client() as redis:  # type: ignore[union-attr]
        if keys := list(redis.scan_iter(f"{breaker.NAMESPACE}:*")):
            redis.delete(*keys)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.must.replace(" ", "_"))
def test_a_song(stage: Stage, scene: Scene) -> None:
    done = stage.studio.wait_for_state(stage.client, stage.songs[scene.must], scene.state, seconds=LONGEST_SECONDS)
    reason = done["reason"]
    assert len(stage.request_ids(scene)) <= 1, "sent twice"
    assert (reason and reason["code"]) == scene.reason, reason
    if scene.whose:
        assert (reason["whose"], bool(reason["message"])) == (scene.whose, True)
    charged = {"person": "0.0750", "house": "0.0000"}.get(scene.payer) if scene.state == "READY" else None
    assert done["charged"] in ({charged} if charged else {None, "0.0000"})
    assert stage.billed_micros(scene) == (0 if scene.payer == "nobody" else PRICE_MICROS)
    if scene.state == "READY":
        [track] = done["tracks"]
        assert stage.client.get(track["preview_url"]).headers["Content-Type"] == "audio/mpeg"
        assert [m["event"] for m in done["timeline"]].count("job_started") == 1


def test_a_song_signed_by_a_key_that_is_new_today_is_kept(stage: Stage) -> None:
    """The old key is withdrawn at once: whatever the door believes then, the song comes."""
    stage.studio.sim.rotate_keys(keep=False)
    assert ended(stage, start(stage))["state"] == "READY"


def test_a_song_while_fals_keys_are_out_of_reach_is_kept(stage: Stage) -> None:
    stage.studio.sim.set_mood(call="jwks", answer_status=503, next=2)
    stage.studio.kill("web")
    stage.studio.start("web")
    stage.studio.wait_ready()
    assert ended(stage, start(stage))["state"] == "READY"


STUMBLES: list[dict[str, Any]] = [
    {"call": "status", "answer_status": 503},
    {"call": "status", "drop": "before"},
    {"call": "result", "answer_status": 500},
    {"call": "result", "answer_status": 502, "nginx": True, "with_request_id": False},
    {"call": "result", "answer_status": 429, "retry_after": 1},
    {"call": "file", "answer_status": 503},
    {"call": "file", "file": "truncated"},
    {"call": "file", "drop": "before"},
]


@pytest.fixture(scope="module")
def stumbling(stage: Stage) -> list[str]:
    """A song for each stumble, all of them started; which song meets which is left to the order of their calls."""
    for mood in STUMBLES:
        stage.studio.sim.set_mood(**mood)
    return [start(stage, webhook_lose=True) for _ in STUMBLES]


@pytest.mark.parametrize("place", range(len(STUMBLES)))
def test_a_song_that_fal_stumbles_over_for_a_moment_is_kept(stage: Stage, stumbling: list[str], place: int) -> None:
    """Its callback is lost too, so that it has to be asked for."""
    assert ended(stage, stumbling[place])["state"] == "READY"


def test_each_of_these_stumbles_was_met(stage: Stage, stumbling: list[str]) -> None:
    for song in stumbling:
        ended(stage, song)
    calls = {mood["call"] for mood in STUMBLES}
    assert [mood for mood in stage.studio.sim.moods() if mood.get("call") in calls and "seed" not in mood] == []


def start(stage: Stage, **mood: object) -> str:
    seed = time.time_ns()
    if mood:
        stage.studio.sim.set_mood(seed=seed, **mood)
    body = {"tags": ["piano"], "lyrics": "", "seed": str(seed)}
    return str(stage.client.post("/api/generations", json=body).raise_for_status().json()["id"])


def ended(stage: Stage, song: str) -> dict[str, Any]:
    return stage.studio.wait_for_state(stage.client, song, "READY", "FAILED", "CANCELLED", seconds=60)


def test_in_the_end_every_hold_has_ended_and_the_ledger_equals_the_bill(stage: Stage) -> None:
    for scene in SCENES:
        stage.studio.wait_for_state(stage.client, stage.songs[scene.must], scene.state, seconds=LONGEST_SECONDS)
    wait_for(lambda: stage.studio.open_holds() == 0, 30, lambda: "holds are open")
    assert stage.studio.ledger_total_micros() == stage.studio.sim.bill()["total_micros"]
    assert "0 drifts" in stage.studio.manage("audit_ledger")
    stage.studio.manage("reconcile_fal")
