"""fal fails and comes back: one breaker for web and workers, nobody pays for it, and every song in line is made."""

import httpx
import pytest

from tests.journeys.stack import RunningStudio, running_studio, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
OPEN_SECONDS = "8"


def set_mood(studio: RunningStudio, **mood: object) -> None:
    httpx.post(f"{studio.sim.url}/_sim/moods", json=mood, trust_env=False).raise_for_status()


def clear_moods(studio: RunningStudio) -> None:
    httpx.delete(f"{studio.sim.url}/_sim/moods", trust_env=False).raise_for_status()


def ask(client: httpx.Client, prompt: str) -> httpx.Response:
    return client.post("/api/generations", json={"prompt": prompt})


def test_an_outage_from_the_first_failure_to_the_last_song() -> None:
    with running_studio({"NEOAPEX_BREAKER_SECONDS": OPEN_SECONDS, "NEOAPEX_FAL_SLOTS": "1"}) as studio:
        studio.add_person("ada@example.com")
        with studio.client("ada@example.com") as client:
            # nginx before fal: each song provably never arrives there.
            set_mood(studio, answer_status=503, nginx=True, with_request_id=False, next=1000)
            waiting = [ask(client, f"Number {number}").json()["id"] for number in range(3)]
            refused = _refused_once_it_is_open(client)
            assert refused.status_code == 503
            assert refused.json()["code"] == "fal_unavailable"
            assert refused.headers["Retry-After"] == str(refused.json()["retry_after"])
            quote = client.post("/api/quotes", json={"prompt": "x"}).json()
            assert [reason["code"] for reason in quote["reasons"]] == ["fal_unavailable"]
            # Another worker finds it as this one left it.
            studio.kill("worker")
            studio.start("worker")
            states = {client.get(f"/api/generations/{song}").json()["state"] for song in waiting}
            assert states == {"QUEUED"}
            clear_moods(studio)
            for song in waiting:
                done = studio.wait_for_state(client, song, "READY", "FAILED", seconds=120)
                assert done["state"] == "READY", done
            assert ask(client, "After it").status_code == 201
        _everything_ends(studio)
        assert studio.ledger_total_micros() == studio.sim.bill()["total_micros"]


def _refused_once_it_is_open(client: httpx.Client) -> httpx.Response:
    answers: list[httpx.Response] = []

    def refused() -> bool:
        answer = client.post("/api/quotes", json={"prompt": "x"})
        if not answer.json()["reasons"]:
            return False
        answers.append(ask(client, "Too late"))
        return answers[-1].status_code != 201

    wait_for(refused, 90, lambda: str([answer.text for answer in answers]))
    return answers[-1]


def _everything_ends(studio: RunningStudio) -> None:
    wait_for(lambda: studio.open_holds() == 0, 120, lambda: studio.log("worker")[-3000:])
