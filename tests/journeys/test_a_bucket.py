"""A whole studio that keeps its songs in a bucket: what people hear comes from there, and nothing lies on the disk."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from studio.media.bucket import BucketStorage
from tests.journeys.stack import RunningStudio, running_studio
from tests.journeys.test_a_song import start
from tests.media.s3_server import KEY_ID, SECRET, S3Server, new_bucket, objects_in, unfinished_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bucket() -> Iterator[BucketStorage]:
    with S3Server() as server:
        yield new_bucket(server.url)


@pytest.fixture(scope="module")
def bucket_studio(bucket: BucketStorage) -> Iterator[RunningStudio]:
    settings = {
        "AWS_STORAGE_BUCKET_NAME": bucket.bucket_name,
        "AWS_S3_ENDPOINT_URL": str(bucket.endpoint_url),
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        # The stand-in for fal is on this machine, too: it can follow a link that fal itself could not.
        "NEOAPEX_SOURCE_BY": "link",
    }
    with running_studio(settings) as running:
        yield running


def test_a_song_is_heard_from_the_bucket(bucket_studio: RunningStudio, bucket: BucketStorage) -> None:
    with bucket_studio.client() as ada:
        done = bucket_studio.wait_for_state(ada, str(start(ada)["id"]), "READY", "FAILED")
        assert done["state"] == "READY", done
        [track] = done["tracks"]
        files = {f"masters/{track['id']}.wav", f"previews/{track['id']}.mp3"}
        files |= {f"peaks/{track['id']}.{zoom}.dat" for zoom in (256, 4096)}
        assert objects_in(bucket) == files
        assert unfinished_in(bucket) == []
        assert track["true_peak_dbtp"] < 1
        assert_redirected(ada, track["preview_url"], bucket, "audio/mpeg")
        assert_redirected(ada, f"/api/tracks/{track['id']}/master", bucket, "audio/wav")
        waveform = assert_redirected(ada, track["peaks_url"], bucket, "application/octet-stream")
        peaks = ada.get(track["peaks_url"], params={"format": "json"}).json()
        assert len(waveform) == 20 + 2 * peaks["length"]
        coarse = ada.get(track["peaks_url"], params={"format": "json", "samples_per_pixel": 4096}).json()
        assert coarse["length"] == -(-peaks["length"] // 16)
        assert not list((bucket_studio.home / "media").rglob("*"))


def test_what_is_made_from_a_track_is_fetched_by_a_link_into_the_bucket(
    bucket_studio: RunningStudio, bucket: BucketStorage
) -> None:
    with bucket_studio.client() as ada:
        [track] = bucket_studio.wait_for_state(ada, str(start(ada)["id"]), "READY")["tracks"]
        asked = {"track": track["id"], "side": "right", "extend_duration": 2}
        made = ada.post("/api/extensions", json=asked).raise_for_status().json()
        assert bucket_studio.wait_for_state(ada, made["id"], "READY", "FAILED")["state"] == "READY"
        [sent] = [told for told in bucket_studio.sim.requests() if told["endpoint_id"].endswith("/extend")]
        link = sent["arguments"]["audio_url"]
        assert link.startswith(f"{bucket.endpoint_url}/{bucket.bucket_name}/masters/{track['id']}.wav?")
        assert "X-Amz-Expires=5400" in link
        assert link not in json.dumps(made)


def assert_redirected(client: httpx.Client, url: str, bucket: BucketStorage, content_type: str) -> bytes:
    answer = client.get(url)
    assert answer.status_code == 302
    assert answer.headers["Cache-Control"].startswith("private")
    link = answer.headers["Location"]
    assert link.startswith(f"{bucket.endpoint_url}/{bucket.bucket_name}/")
    file = httpx.get(link, trust_env=False)
    assert (file.status_code, file.headers["Content-Type"]) == (200, content_type)
    part = httpx.get(link, headers={"Range": "bytes=0-99"}, trust_env=False)
    assert (part.status_code, part.content) == (206, file.content[:100])
    head = client.head(url)
    assert head.status_code == 302
    assert httpx.head(head.headers["Location"], trust_env=False).headers["Content-Length"] == str(len(file.content))
    return file.content


def test_pages_let_the_player_reach_the_bucket_and_nothing_else_new(
    bucket_studio: RunningStudio, bucket: BucketStorage
) -> None:
    policy = httpx.get(f"{bucket_studio.url}/accounts/login/", trust_env=False).headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";") if " " in rule.strip())
    address = urlsplit(str(bucket.endpoint_url))
    assert rules["media-src"] == f"'self' blob: {address.scheme}://{address.netloc}"
    assert rules["connect-src"] == "'self'"


def test_no_log_holds_a_key_or_a_signature(bucket_studio: RunningStudio) -> None:
    logs = "".join(path.read_text(errors="replace") for path in bucket_studio.home.rglob("*.log"))
    assert "ingest" in logs or "job_" in logs
    for secret in (SECRET, KEY_ID, "X-Amz-Signature", "AWSAccessKeyId"):
        assert secret not in logs


def test_a_studio_whose_bucket_is_gone_is_not_ready(bucket_studio: RunningStudio, bucket: BucketStorage) -> None:
    bucket.delete(*objects_in(bucket))
    bucket.client.delete_bucket(Bucket=bucket.bucket_name)
    answer = httpx.get(f"{bucket_studio.url}/readyz", timeout=30, trust_env=False)
    assert (answer.status_code, answer.json()["missing"]) == (503, ["storage"])
