"""The queue as fal's clients see it."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.simulator.conftest import SONG, finish, status_of, submit, wait_until
from tests.simulator.server import RunningSimulator, running_simulator

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_a_submit_answers_with_absolute_urls_of_the_app_without_the_sub_path(sim: RunningSimulator) -> None:
    response = sim.call("POST", "/sonauto/v2/text-to-music", json=SONG)
    answer = response.json()
    base = f"{sim.url}/sonauto/v2/requests/{answer['request_id']}"
    assert response.status_code == 200
    assert UUID.fullmatch(answer["request_id"])
    assert answer == {
        "status": "IN_QUEUE",
        "request_id": answer["request_id"],
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
        "queue_position": 0,
    }
    assert response.headers["x-fal-request-id"] == answer["request_id"]


@pytest.mark.slow
def test_slots_bound_what_runs_and_positions_count_what_waits_before() -> None:
    with running_simulator(slots=1, run_seconds=60, queue_seconds=0) as sim:
        first, second, third = (submit(sim)["request_id"] for _ in range(3))
        wait_until(lambda: status_of(sim, first)["status"] == "IN_PROGRESS")
        assert [status_of(sim, waiting)["queue_position"] for waiting in (second, third)] == [0, 1]
        assert "queue_position" not in status_of(sim, first)
        limited = sim.call("POST", "/sonauto/v2/text-to-music?fal_max_queue_length=1", json=SONG)
        assert limited.status_code == 429
        assert sim.call("POST", "/sonauto/v2/text-to-music?fal_max_queue_length=9", json=SONG).status_code == 200
        sim.call("PUT", f"/sonauto/v2/requests/{first}/cancel")
        wait_until(lambda: status_of(sim, second)["status"] == "IN_PROGRESS")
        assert status_of(sim, third)["queue_position"] == 0


def test_a_request_goes_from_202_in_queue_over_202_in_progress_to_200_completed(sim: RunningSimulator) -> None:
    sim.set_mood(queue_seconds=0.3, run_seconds=0.4)
    request_id = submit(sim)["request_id"]
    seen: list[tuple[int, str]] = []

    def completed() -> bool:
        response = sim.call("GET", f"/sonauto/v2/requests/{request_id}/status")
        seen.append((response.status_code, response.json()["status"]))
        assert response.headers["x-fal-request-id"] == request_id
        return response.status_code == 200

    wait_until(completed)
    assert list(dict.fromkeys(seen)) == [(202, "IN_QUEUE"), (202, "IN_PROGRESS"), (200, "COMPLETED")]


def test_logs_are_null_unless_asked_for(sim: RunningSimulator) -> None:
    request_id = finish(sim)["request_id"]
    assert status_of(sim, request_id)["logs"] is None
    assert status_of(sim, request_id, "?logs=false")["logs"] is None
    for query in ("?logs=1", "?logs=true"):
        lines = status_of(sim, request_id, query)["logs"]
        assert {"message", "timestamp"} <= set(lines[0])
    assert status_of(sim, request_id)["metrics"]["inference_time"] >= 0


def test_the_stream_tells_every_status_and_closes_after_completed(sim: RunningSimulator) -> None:
    sim.set_mood(queue_seconds=0.2, run_seconds=0.2)
    url = f"{submit(sim)['status_url']}/stream"
    headers = {"Authorization": f"Key {sim.key}"}
    with httpx.stream("GET", url, headers=headers, timeout=10, trust_env=False) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line.startswith("data")]
    statuses = [event["status"] for event in events]
    assert list(dict.fromkeys(statuses)) == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]


def test_the_result_is_served_in_every_form_that_fal_gave_out(sim: RunningSimulator) -> None:
    request_id = finish(sim)["request_id"]
    forms = ("sonauto/v2", "sonauto/v2/text-to-music")
    paths = [f"/{form}/requests/{request_id}{suffix}" for form in forms for suffix in ("", "/response")]
    answers = [sim.call("GET", path) for path in paths]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert {answer.headers["x-fal-billable-units"] for answer in answers} == {"1"}


def test_a_result_lists_its_audio_and_repeats_seed_tags_and_lyrics(sim: RunningSimulator) -> None:
    result = finish(sim)
    (file,) = result["audio"]
    assert (result["seed"], result["tags"], result["lyrics"]) == (7, ["pop"], "sing a song")
    assert file["content_type"] == "audio/wav"
    assert file["file_name"] == "sonauto.wav"
    assert file["file_size"] > 44


def test_a_prompt_leads_to_tags_and_lyrics_that_make_the_same_song_again(sim: RunningSimulator) -> None:
    first = finish(sim, {"prompt": "a slow jazz song about rain", "seed": 5})
    assert "jazz" in first["tags"]
    assert "rain" in first["lyrics"]
    again = finish(sim, {"tags": first["tags"], "lyrics_prompt": first["lyrics"], "seed": 5})
    assert again["audio"][0]["file_size"] == first["audio"][0]["file_size"]
    files = [sim.call("GET", body["audio"][0]["url"].removeprefix(sim.url)).content for body in (first, again)]
    assert files[0] == files[1]


def test_a_prompt_for_an_instrumental_gets_no_lyrics(sim: RunningSimulator) -> None:
    assert finish(sim, {"prompt": "instrumental ambient"})["lyrics"] == ""


def test_an_absent_seed_is_drawn_anew_for_each_request(sim: RunningSimulator) -> None:
    seeds = {finish(sim, {"prompt": "rock"})["seed"] for _ in range(2)}
    assert len(seeds) == 2


def test_an_unfinished_result_says_so_with_a_400(sim: RunningSimulator) -> None:
    sim.set_mood(hang=True)
    request_id = submit(sim)["request_id"]
    response = sim.call("GET", f"/sonauto/v2/requests/{request_id}")
    assert (response.status_code, response.json()) == (400, {"detail": "Request is still in progress"})
    sim.call("PUT", f"/sonauto/v2/requests/{request_id}/cancel")


@pytest.mark.parametrize("app", ["sonauto/v2", "fal-ai/other"])
@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("GET", "/status"), ("PUT", "/cancel")])
def test_an_unknown_request_is_not_found(sim: RunningSimulator, app: str, method: str, suffix: str) -> None:
    response = sim.call(method, f"/{app}/requests/5f3c6f1c-5d0e-4b6e-9a0e-000000000000{suffix}")
    assert (response.status_code, response.json()) == (404, {"status": "NOT_FOUND"})


def test_a_request_is_not_found_under_another_app(sim: RunningSimulator) -> None:
    assert sim.call("GET", f"/fal-ai/other/requests/{submit(sim)['request_id']}").status_code == 404


def test_a_wrong_key_and_no_key_are_refused_before_anything_happens(sim: RunningSimulator) -> None:
    before = len(sim.requests())
    wrong = sim.call("POST", "/sonauto/v2/text-to-music", json=SONG, headers={"Authorization": "Key wrong"})
    missing = httpx.post(f"{sim.url}/sonauto/v2/text-to-music", json=SONG, trust_env=False)
    assert (wrong.status_code, missing.status_code) == (401, 401)
    assert "invalid key credentials" in wrong.json()["detail"]
    assert missing.json() == {"detail": "Authorization header is required"}
    assert len(sim.requests()) == before


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/fal-ai/musicgen", 404, 'Application "musicgen" not found'),
        ("/sonauto/v9/text-to-music", 404, 'Application "v9" not found'),
        ("/sonauto/v1/generate", 410, 'Application "v1" is no longer available'),
    ],
)
def test_an_application_that_is_not_there_is_refused_at_submit(
    sim: RunningSimulator, path: str, status: int, detail: str
) -> None:
    response = sim.call("POST", path, json=SONG)
    assert (response.status_code, response.json()["detail"]) == (status, detail)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_a_bad_request(sim: RunningSimulator, body: bytes) -> None:
    response = sim.call("POST", "/sonauto/v2/text-to-music", content=body)
    assert (response.status_code, response.headers["x-fal-error-type"]) == (400, "bad_request")


def test_a_path_that_the_app_does_not_have_fails_as_a_result(sim: RunningSimulator) -> None:
    request_id = finish(sim, endpoint="no-such-thing")["request_id"]
    response = sim.call("GET", f"/sonauto/v2/requests/{request_id}")
    assert (response.status_code, response.headers["x-fal-billable-units"]) == (404, "0")
    assert response.json() == {"detail": "Path /no-such-thing not found"}


def test_invalid_input_completes_and_shows_its_422_only_in_the_result(sim: RunningSimulator) -> None:
    request_id = finish(sim, {"prompt": "x", "prompt_strength": 9})["request_id"]
    status = status_of(sim, request_id)
    response = sim.call("GET", f"/sonauto/v2/requests/{request_id}")
    (entry,) = response.json()["detail"]
    assert (status["status"], status["error"]) == ("COMPLETED", "Invalid status code: 422")
    assert status["error_type"] == "less_than_equal"
    assert response.status_code == 422
    assert response.headers["x-fal-billable-units"] == "0"
    assert response.headers["x-fal-needs-retry"] == "0"
    assert entry["loc"] == ["body", "prompt_strength"]
    assert entry["url"] == "https://docs.fal.ai/errors#less_than_equal"


@pytest.mark.slow
def test_a_waiting_request_is_removed_by_cancel_and_a_finished_one_is_not() -> None:
    with running_simulator(slots=1, run_seconds=60, queue_seconds=0) as sim:
        running, waiting = submit(sim)["request_id"], submit(sim)["request_id"]
        wait_until(lambda: status_of(sim, running)["status"] == "IN_PROGRESS")
        answers = [sim.call("PUT", f"/sonauto/v2/requests/{waiting}/cancel") for _ in range(2)]
        assert [(a.status_code, a.json()["status"]) for a in answers] == [(200, "OK"), (400, "ALREADY_COMPLETED")]
        signalled = sim.call("PUT", f"/sonauto/v2/requests/{running}/cancel")
        assert (signalled.status_code, signalled.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
        wait_until(lambda: status_of(sim, running)["status"] == "COMPLETED")
        for request_id in (running, waiting):
            result = sim.call("GET", f"/sonauto/v2/requests/{request_id}")
            assert (result.status_code, result.json()["error_type"]) == (499, "client_cancelled")
            assert status_of(sim, request_id)["error_type"] == "client_cancelled"
        assert sim.bill() == {"requests": [], "total_micros": 0}


def test_the_older_cancel_answer_can_be_configured() -> None:
    with running_simulator(queue_seconds=60, cancel_answer="older") as sim:
        response = sim.call("PUT", f"/sonauto/v2/requests/{submit(sim)['request_id']}/cancel")
    assert (response.status_code, response.json()) == (202, {"status": "CANCELLATION_REQUESTED"})


def test_an_app_that_ignores_cancel_runs_to_its_end_and_is_billed(sim: RunningSimulator) -> None:
    sim.set_mood(queue_seconds=0, run_seconds=0.5, cancel_running="ignore")
    request_id = submit(sim)["request_id"]
    wait_until(lambda: status_of(sim, request_id)["status"] == "IN_PROGRESS")
    assert sim.call("PUT", f"/sonauto/v2/requests/{request_id}/cancel").status_code == 202
    wait_until(lambda: status_of(sim, request_id)["status"] == "COMPLETED")
    assert sim.call("GET", f"/sonauto/v2/requests/{request_id}").status_code == 200
    assert request_id in {line["request_id"] for line in sim.bill()["requests"]}


@pytest.mark.parametrize("header", ["X-Fal-Request-Timeout", "X-Fal-Request-Start-Timeout"])
def test_a_request_that_starts_too_late_times_out_unbilled(sim: RunningSimulator, header: str) -> None:
    sim.set_mood(queue_seconds=0.3)
    answer = sim.call("POST", "/sonauto/v2/text-to-music", json=SONG, headers={header: "0.2"}).json()
    wait_until(lambda: status_of(sim, answer["request_id"])["status"] == "COMPLETED")
    response = sim.call("GET", f"/sonauto/v2/requests/{answer['request_id']}")
    assert (response.status_code, response.json()["error_type"]) == (504, "request_timeout")
    assert response.headers["x-fal-request-timeout-type"] == "user"


@pytest.mark.slow
def test_results_expire(sim: RunningSimulator) -> None:
    with running_simulator(result_seconds=0.3) as short:
        request_id: Any = finish(short)["request_id"]
        wait_until(lambda: short.call("GET", f"/sonauto/v2/requests/{request_id}").status_code == 404)
