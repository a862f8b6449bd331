"""The stock Python SDK against the simulator, only its hosts changed."""

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import fal_client
import fal_client.client as sdk
import pytest

from tests.simulator.conftest import SONG
from tests.simulator.server import RunningSimulator

ENDPOINT = "sonauto/v2/text-to-music"


@pytest.fixture
def client(sim: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[fal_client.SyncClient]:
    for name in ("QUEUE_URL_FORMAT", "RUN_URL_FORMAT"):
        monkeypatch.setattr(sdk, name, f"{sim.url}/")
    for name in ("REST_URL", "CDN_URL"):
        monkeypatch.setattr(sdk, name, sim.url)
    client = fal_client.SyncClient(key=sim.key, default_timeout=20)
    yield client
    client._client.close()
    # The SDK never closes the clients of its uploads.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_submit_status_and_result_work(client: fal_client.SyncClient) -> None:
    handle = client.submit(ENDPOINT, SONG)
    seen = [type(event).__name__ for event in handle.iter_events(with_logs=True, interval=0.01)]
    result = client.result(ENDPOINT, handle.request_id)
    assert seen[-1] == "Completed"
    assert set(seen) <= {"Queued", "InProgress", "Completed"}
    assert isinstance(client.status(ENDPOINT, handle.request_id), fal_client.Completed)
    assert result["seed"] == SONG["seed"]
    assert len(result["audio"]) == 1


def test_subscribe_reports_its_way_to_the_result(client: fal_client.SyncClient) -> None:
    updates: list[object] = []
    result = client.subscribe(
        ENDPOINT, {**SONG, "num_songs": 2}, with_logs=True, interval=0.02, on_queue_update=updates.append
    )
    assert len(result["audio"]) == 2
    assert isinstance(updates[-1], fal_client.Completed)
    assert updates[-1].logs


def test_a_refused_input_is_raised_by_the_result(client: fal_client.SyncClient) -> None:
    with pytest.raises(fal_client.FalClientHTTPError) as raised:
        client.subscribe(ENDPOINT, {"tags": ["rock"]})
    assert raised.value.status_code == 422
    assert "tags alone are not enough" in str(raised.value)


def test_cancel_works_once(client: fal_client.SyncClient, sim: RunningSimulator) -> None:
    sim.set_mood(queue_seconds=60)
    handle = client.submit(ENDPOINT, SONG)
    handle.cancel()
    status = handle.status()
    assert isinstance(status, fal_client.Completed)
    assert status.error_type == "client_cancelled"
    with pytest.raises(fal_client.FalClientHTTPError) as raised:
        handle.cancel()
    assert raised.value.status_code == 400


def test_an_upload_comes_back_byte_for_byte(client: fal_client.SyncClient, sim: RunningSimulator) -> None:
    data = bytes(range(256)) * 10
    url = client.upload(data, "audio/wav", file_name="my take.wav")
    response = sim.call("GET", url.removeprefix(sim.url))
    assert (response.content, response.headers["content-type"]) == (data, "audio/wav")


def test_the_fallback_repository_takes_uploads_too(client: fal_client.SyncClient, sim: RunningSimulator) -> None:
    url = client.upload(b"hello", "audio/mpeg", repository="fal")
    assert sim.call("GET", url.removeprefix(sim.url)).content == b"hello"


def test_a_multipart_upload_is_joined_in_order(
    client: fal_client.SyncClient, sim: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk, "MULTIPART_THRESHOLD", 1000)
    data = b"".join(bytes([number]) * (5 << 20) for number in range(5))
    path = tmp_path / "long.flac"
    path.write_bytes(data)
    url = client.upload_file(path)
    assert sim.call("GET", url.removeprefix(sim.url)).content == data


def test_an_upload_needs_the_key(sim: RunningSimulator) -> None:
    for path in ("/storage/auth/token", "/storage/upload/initiate"):
        assert sim.call("POST", path, json={}, headers={"Authorization": ""}).status_code == 401
    assert sim.call("POST", "/files/upload", content=b"x").status_code == 401
    started = sim.call("POST", "/storage/upload/initiate", json={"file_name": "a", "content_type": "b"}).json()
    path = started["upload_url"].removeprefix(sim.url).replace("signature=", "signature=x")
    assert sim.call("PUT", path, content=b"x").status_code == 403
    assert sim.call("GET", started["file_url"].removeprefix(sim.url)).status_code == 404
