"""A song with a retouch of it that has takes to judge, made in the ordinary way."""

from dataclasses import dataclass
from typing import Any

import httpx

from studio.management.commands.seed_demo import MUSICIAN
from tests.journeys.stack import RunningStudio, wait_for

WORDS: dict[str, Any] = {
    "tags": ["indie folk", "acoustic guitar", "female vocals"],
    "lyrics": "[Verse]\nThe kettle hums all day\nYour coat still keeps the rain\n\n[Chorus]\nStay a little longer",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Ids of the song's generation, its track and the retouch."""

    song: str
    track: str
    retouch: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (
            f"/tracks/{self.track}/retouch/",
            f"/tracks/{self.track}/extend/",
            f"/tracks/{self.track}/lineage/",
            f"/retouches/{self.retouch}/",
        )


def make_song(studio: RunningStudio, client: httpx.Client, **inputs: Any) -> dict[str, Any]:
    made = client.post("/api/generations", json=WORDS | {"bpm": 96, "seed": "21"} | inputs).raise_for_status().json()
    return studio.wait_for_state(client, made["id"], "READY", seconds=90)


def wait_for_take(client: httpx.Client, retouch_id: str) -> dict[str, Any]:
    """The retouch, once its latest take can be heard."""
    seen: dict[str, Any] = {}

    def ready() -> bool:
        seen.update(client.get(f"/api/retouches/{retouch_id}").json())
        return bool(seen["takes"][-1]["state"] == "READY")

    wait_for(ready, 90, lambda: str(seen))
    return seen


def make(studio: RunningStudio) -> Scene:
    """Two takes, of which the first was sent back; and an extension beside them."""
    with studio.client(MUSICIAN) as client:
        song = make_song(studio, client)
        track = song["tracks"][0]
        third = track["duration_seconds"] / 3
        asked = {"track": track["id"], "section": {"start": round(third, 1), "end": round(2 * third, 1)}, **WORDS}
        retouch = client.post("/api/retouches", json=asked).raise_for_status().json()
        wait_for_take(client, retouch["id"])
        client.post(f"/api/retouches/{retouch['id']}/takes", json={"reason": "GLITCH"}).raise_for_status()
        wait_for_take(client, retouch["id"])
        longer = client.post("/api/extensions", json={"track": track["id"], "side": "right", "extend_duration": 6})
        studio.wait_for_state(client, longer.raise_for_status().json()["id"], "READY", seconds=90)
        return Scene(song["id"], track["id"], retouch["id"])
