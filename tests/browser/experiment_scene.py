"""An experiment whose arms can be heard, made in the ordinary way."""

from studio.management.commands.seed_demo import MUSICIAN
from tests.journeys.stack import RunningStudio, wait_for

SONG = {"tags": ["indie folk", "warm"], "lyrics": "[Verse]\nNeon on the water", "seed": "4242", "num_songs": 1}


def make_experiment(studio: RunningStudio, values: list[float], parameter: str = "vibe_strength") -> str:
    with studio.client(MUSICIAN) as client:
        song = client.post("/api/generations", json=SONG).json()
        track = studio.wait_for_state(client, song["id"], "READY", seconds=60)["tracks"][0]["id"]
        asked = {"track": track, "parameter": parameter, "values": values}
        answer = client.post("/api/experiments", json=asked)
        assert answer.status_code == 201, answer.text
        path = f"/api/experiments/{answer.json()['id']}"

        def all_heard() -> bool:
            return all(arm["state"] == "READY" for arm in client.get(path).json()["arms"])

        wait_for(all_heard, 60, lambda: client.get(path).text)
        return str(answer.json()["id"])


def make_judged_experiment(studio: RunningStudio) -> None:
    experiment_id = make_experiment(studio, [1.4, 2.2, 3.1])
    with studio.client(MUSICIAN) as client:
        said = {"choice": "B", "note": "The voice is nearer, and the guitar still breathes."}
        assert client.post(f"/api/experiments/{experiment_id}/verdicts", json=said).status_code == 201
