"""What can be told to go wrong with a call, a request or a file."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.simulator.conftest import SONG, download, finish, status_of, submit, wait_until
from tests.simulator.server import RunningSimulator

TOLD_AS_TEXT = {"validation_text", "startup_timeout", "runner_disconnected"}


def post(sim: RunningSimulator) -> httpx.Response:
    return sim.call("POST", "/sonauto/v2/text-to-music", json=SONG)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "invalid key credentials"),
        (403, "User is locked. Reason: Exhausted balance."),
        (404, 'Application \\"v2\\" not found'),
        (410, "no longer available"),
        (422, "https://docs.fal.ai/errors#missing"),
        (429, "Too many requests"),
        (500, "internal_error"),
        (502, "runner_incomplete_response"),
        (503, "runner_scheduling_failure"),
        (504, "request_timeout"),
    ],
)
def test_a_submit_can_be_refused_in_fals_own_words(sim: RunningSimulator, status: int, text: str) -> None:
    before = len(sim.requests())
    sim.set_mood(answer_status=status)
    response = post(sim)
    assert response.status_code == status
    assert text in response.text
    assert "x-fal-request-id" in response.headers
    assert len(sim.requests()) == before
    assert post(sim).status_code == 200


@pytest.mark.parametrize("value", [7, "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_429_may_carry_retry_after_in_either_form(sim: RunningSimulator, value: object) -> None:
    sim.set_mood(answer_status=429, retry_after=value)
    sim.set_mood(answer_status=429)
    assert [post(sim).headers.get("retry-after") for _ in range(2)] == [str(value), None]


def test_a_503_may_come_from_nginx_and_without_a_request_id(sim: RunningSimulator) -> None:
    sim.set_mood(answer_status=503, nginx=True, with_request_id=False)
    response = post(sim)
    assert "nginx" in response.text
    assert "x-fal-request-id" not in response.headers


def test_a_422_may_be_a_plain_text(sim: RunningSimulator) -> None:
    sim.set_mood(answer_status=422, as_text=True)
    assert isinstance(post(sim).json()["detail"], str)


def test_an_ambiguous_answer_may_hide_an_accepted_request(sim: RunningSimulator) -> None:
    before = len(sim.requests())
    sim.set_mood(answer_status=502, accept_anyway=True)
    assert post(sim).status_code == 502
    assert len(sim.requests()) == before + 1


@pytest.mark.parametrize(("drop", "accepted"), [("before", 0), ("after", 1)])
def test_a_dropped_submit_gives_no_answer_at_all(sim: RunningSimulator, drop: str, accepted: int) -> None:
    before = len(sim.requests())
    sim.set_mood(drop=drop)
    with pytest.raises(httpx.TransportError):
        post(sim)
    assert len(sim.requests()) == before + accepted


def test_a_slow_submit_has_accepted_before_its_caller_gives_up(sim: RunningSimulator) -> None:
    before = len(sim.requests())
    sim.set_mood(delay_seconds=1)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{sim.url}/sonauto/v2/text-to-music",
            json=SONG,
            headers={"Authorization": f"Key {sim.key}"},
            timeout=0.3,
            trust_env=False,
        )
    assert len(sim.requests()) == before + 1


@pytest.mark.parametrize(
    ("call", "method", "path"),
    [
        ("status", "GET", "/sonauto/v2/requests/{}/status"),
        ("result", "GET", "/sonauto/v2/requests/{}"),
        ("cancel", "PUT", "/sonauto/v2/requests/{}/cancel"),
        ("jwks", "GET", "/.well-known/jwks.json"),
        ("upload", "POST", "/storage/auth/token"),
        ("platform", "GET", "/v1/models"),
    ],
)
def test_any_other_call_fails_as_often_as_told_and_then_recovers(
    sim: RunningSimulator, call: str, method: str, path: str
) -> None:
    request_id = finish(sim)["request_id"]
    sim.set_mood(call=call, answer_status=503, next=2)
    assert [sim.call(method, path.format(request_id)).status_code == 503 for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("fail", "status", "kind", "retry"),
    [
        ("validation_list", 422, "value_error", "0"),
        ("validation_text", 422, None, "0"),
        ("content_policy_violation", 422, "content_policy_violation", "0"),
        ("no_media_generated", 422, "no_media_generated", "0"),
        ("internal_server_error", 500, "internal_server_error", "1"),
        ("downstream_service_error", 500, "downstream_service_error", "1"),
        ("generation_timeout", 504, "generation_timeout", "1"),
        ("startup_timeout", 504, "startup_timeout", "1"),
        ("runner_disconnected", 503, "runner_disconnected", "1"),
    ],
)
def test_a_model_can_fail_in_every_documented_way(
    sim: RunningSimulator, fail: str, status: int, kind: str | None, retry: str
) -> None:
    sim.set_mood(fail=fail)
    request_id = finish(sim)["request_id"]
    response = sim.call("GET", f"/sonauto/v2/requests/{request_id}")
    assert response.status_code == status
    assert status_of(sim, request_id)["error_type"] == kind
    assert response.headers["x-fal-needs-retry"] == retry
    assert response.headers["x-fal-billable-units"] == "0"
    assert isinstance(response.json()["detail"], list) is (
        fail not in {"validation_text", "startup_timeout", "runner_disconnected"}
    )
    assert request_id not in {line["request_id"] for line in sim.bill()["requests"]}


def test_a_failure_can_be_billed_all_the_same(sim: RunningSimulator) -> None:
    sim.set_mood(fail="content_policy_violation", billable_units=1)
    request_id = finish(sim)["request_id"]
    assert sim.call("GET", f"/sonauto/v2/requests/{request_id}").headers["x-fal-billable-units"] == "1"
    assert [line["cost_micros"] for line in sim.bill()["requests"] if line["request_id"] == request_id] == [75_000]


def test_a_hanging_request_never_completes_until_cancelled(sim: RunningSimulator) -> None:
    sim.set_mood(hang=True, queue_seconds=0)
    request_id = submit(sim)["request_id"]
    wait_until(lambda: status_of(sim, request_id)["status"] == "IN_PROGRESS")
    assert finish(sim)["audio"]
    assert status_of(sim, request_id)["status"] == "IN_PROGRESS"
    sim.call("PUT", f"/sonauto/v2/requests/{request_id}/cancel")
    wait_until(lambda: status_of(sim, request_id)["status"] == "COMPLETED")


def spoiled(sim: RunningSimulator, fault: str, **more: Any) -> tuple[bytes, dict[str, Any]]:
    """The sound file as it should be, and the file entry of a request whose downloads are spoiled."""
    whole = download(sim, finish(sim)["audio"][0])
    sim.set_mood(file=fault, **more)
    return whole, finish(sim)["audio"][0]


@pytest.mark.parametrize(("fault", "declared"), [("truncated", True), ("cut", False)])
def test_half_a_file_looks_whole_to_http(sim: RunningSimulator, fault: str, declared: bool) -> None:
    whole, file = spoiled(sim, fault)
    response = sim.call("GET", file["url"].removeprefix(sim.url))
    assert response.content == whole[: len(whole) // 2]
    assert ("content-length" in response.headers) is declared


def test_a_wrong_length_breaks_off(sim: RunningSimulator) -> None:
    _, file = spoiled(sim, "wrong_length")
    with pytest.raises(httpx.TransportError):
        download(sim, file)


def test_html_missing_and_empty_are_no_audio(sim: RunningSimulator) -> None:
    _, page = spoiled(sim, "html")
    _, missing = spoiled(sim, "missing")
    _, empty = spoiled(sim, "empty")
    assert download(sim, page).startswith(b"<!doctype html>")
    assert sim.call("GET", missing["url"].removeprefix(sim.url)).status_code == 404
    assert download(sim, empty) == b""


def test_an_endless_file_does_not_end_with_the_song(sim: RunningSimulator) -> None:
    whole, file = spoiled(sim, "endless")
    received = 0
    with httpx.stream("GET", file["url"], trust_env=False) as response:
        assert "content-length" not in response.headers
        for block in response.iter_bytes():
            received += len(block)
            if received > 3 * len(whole):
                break
    assert received > 3 * len(whole)


def test_a_slow_file_trickles(sim: RunningSimulator) -> None:
    _, file = spoiled(sim, "slow", file_bytes_per_second=2000)
    with httpx.stream("GET", file["url"], trust_env=False) as response:
        block = next(response.iter_raw())
    assert 0 < len(block) <= 200


def test_a_file_mood_spoils_only_the_next_download(sim: RunningSimulator) -> None:
    file = finish(sim)["audio"][0]
    sim.set_mood(call="file", file="truncated")
    assert [len(download(sim, file)) == file["file_size"] for _ in range(2)] == [False, True]


def test_moods_are_listed_used_up_and_cleared(sim: RunningSimulator) -> None:
    sim.set_mood(next=2, answer_status=500)
    sim.set_mood(call="status", delay_seconds=0.01)
    post(sim)
    listed = sim.call("GET", "/_sim/moods").json()["moods"]
    assert listed == [{"next": 1, "answer_status": 500}, {"next": 1, "call": "status", "delay_seconds": 0.01}]
    sim.clear_moods()
    assert sim.call("GET", "/_sim/moods").json() == {"moods": []}


def test_a_mood_with_a_seed_waits_for_its_own_song(sim: RunningSimulator) -> None:
    sim.set_mood(answer_status=410, seed=8)
    sim.set_mood(answer_status=429, seed=7)
    statuses = [
        sim.call("POST", "/sonauto/v2/text-to-music", json=SONG | {"seed": seed}).status_code for seed in (7, 7, 8, 8)
    ]
    assert statuses == [429, 200, 410, 200]


def test_a_mood_with_a_seed_leaves_what_is_no_song_alone(sim: RunningSimulator) -> None:
    sim.set_mood(answer_status=410, seed=7)
    assert sim.call("POST", "/sonauto/v2/text-to-music", content=b"[7]").status_code == 400
    assert len(sim.call("GET", "/_sim/moods").json()["moods"]) == 1


def test_a_mood_with_a_chance_strikes_about_so_often_and_always_at_the_same_calls(sim: RunningSimulator) -> None:
    def struck() -> list[bool]:
        sim.clear_moods()
        sim.set_mood(call="platform", answer_status=503, chance=0.3, next=60)
        return [sim.call("GET", "/v1/models").status_code == 503 for _ in range(61)]

    first = struck()
    assert 6 <= sum(first) <= 32
    assert not first[60]
    assert struck() == first


def test_a_mood_that_does_not_strike_leaves_the_call_to_the_next(sim: RunningSimulator) -> None:
    sim.set_mood(call="platform", answer_status=503, chance=1e-9, next=9)
    sim.set_mood(call="platform", answer_status=502)
    assert [sim.call("GET", "/v1/models").status_code for _ in range(2)] == [502, 200]


def test_an_unknown_mood_is_refused(sim: RunningSimulator) -> None:
    assert sim.call("POST", "/_sim/moods", json={"answer_statu": 500}).status_code == 422


def test_a_request_can_be_told_its_own_pace(sim: RunningSimulator) -> None:
    sim.set_mood(queue_seconds=0.4)
    began = time.monotonic()
    finish(sim)
    assert time.monotonic() - began >= 0.4


def test_lists_can_be_empty_and_the_answer_whole_all_the_same(sim: RunningSimulator) -> None:
    sim.set_mood(call="jwks", empty=True)
    sim.set_mood(call="platform", empty=True)
    assert sim.call("GET", "/.well-known/jwks.json").json() == {"keys": []}
    assert sim.call("GET", "/v1/models").json() == {"models": [], "next_cursor": None, "has_more": False}
    assert sim.call("GET", "/.well-known/jwks.json").json()["keys"]


def test_the_clock_of_an_answer_can_be_off(sim: RunningSimulator) -> None:
    sim.set_mood(call="jwks", clock_offset_seconds=-3600)
    off, right = (
        parsedate_to_datetime(sim.call("GET", "/.well-known/jwks.json").headers["date"]).timestamp() for _ in range(2)
    )
    assert 3590 < right - off < 3610
    assert abs(right - time.time()) < 5
