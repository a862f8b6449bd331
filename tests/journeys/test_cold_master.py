"""A whole studio with a bucket: a song is kept there, goes cold, is asked back, and is tidied up after."""

import io
import json
import zipfile
from typing import Any

import boto3
import httpx
import numpy as np
import pytest

from studio.management.commands.seed_demo import MUSICIAN
from tests.glacier import BUCKET, s3_url
from tests.journeys.stack import RunningStudio, running_studio
from tests.media.kept import decoded, told_by

__all__ = ["s3_url"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_the_life_of_a_master_in_a_bucket(s3_url: str) -> None:
    s3 = boto3.client(
        "s3", endpoint_url=s3_url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    s3.create_bucket(Bucket=BUCKET)
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    settings = {"AWS_STORAGE_BUCKET_NAME": BUCKET, "AWS_S3_ENDPOINT_URL": s3_url, **keys}
    with running_studio(settings, song_seconds=6, queue_seconds=0.1, run_seconds=0.3) as studio:
        _lifecycle(studio, s3)
        with studio.client(MUSICIAN) as client:
            made = client.post("/api/generations", json={"prompt": "Two of a kind", "num_songs": 2}).json()
            ready = studio.wait_for_state(client, made["id"], "READY", seconds=90)
            first, second = (track["id"] for track in ready["tracks"])
            _taken_along(client, first)
            _cold_and_back(studio, client, s3, first)
            _tidied(studio, client, s3, second)
    s3.close()


def _lifecycle(studio: RunningStudio, s3: Any) -> None:
    assert "neoapex-masters-to-glacier" in studio.manage("apply_lifecycle", "--dry-run")
    assert "has the rules now" in studio.manage("apply_lifecycle")
    assert studio.manage("apply_lifecycle") == f"{BUCKET} has the rules already."
    assert len(s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]) == 3


def _taken_along(client: httpx.Client, track: str) -> None:
    link = client.get(f"/api/tracks/{track}/master")
    assert link.status_code == 302
    master = decoded(httpx.get(link.headers["Location"]).content)
    for kind in ("wav", "flac"):
        got = client.get(f"/api/tracks/{track}/download?format={kind}").content
        assert np.array_equal(decoded(got), master)
        assert "Sonauto" in told_by(got)["COPYRIGHT"]
    whole = client.get(f"/api/tracks/{track}/download?format=wav").content
    part = client.get(f"/api/tracks/{track}/download?format=wav", headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole[1000:2000])


def _cold_and_back(studio: RunningStudio, client: httpx.Client, s3: Any, track: str) -> None:
    key = f"masters/{track}.wav"
    s3.copy_object(Bucket=BUCKET, Key=key, CopySource={"Bucket": BUCKET, "Key": key}, StorageClass="GLACIER")
    studio.shell("from studio import restores; restores.read_storage()")
    assert client.get(f"/api/tracks/{track}").json()["master"]["storage"] == "GLACIER"
    found = zipfile.ZipFile(io.BytesIO(client.get(f"/api/tracks/zip?track={track}").content))
    assert any(name.endswith(".txt") for name in found.namelist())
    assert found.testzip() is None
    asked = client.get(f"/api/tracks/{track}/master")
    assert (asked.status_code, asked.json()["storage"]) == (202, "RESTORING")
    # The stand-in has it back at once.
    studio.shell("from studio import restores; restores.follow(); restores.follow()")
    assert client.get(f"/api/tracks/{track}").json()["master"]["storage"] == "RESTORED"
    assert client.get(f"/api/tracks/{track}/master").status_code == 302
    [mail] = (studio.home / "mail").glob("*")
    assert f"/tracks/{track}/master/" in mail.read_text()


def _tidied(studio: RunningStudio, client: httpx.Client, s3: Any, track: str) -> None:
    assert client.delete(f"/api/tracks/{track}").status_code == 200
    studio.shell(
        "from datetime import timedelta as d; from studio.models import Track; from studio import trash; "
        f"t = Track.objects.get(pk='{track}'); t.trashed_at -= d(days=31); t.save(); trash.empty()"
    )
    left = [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert not any(track in key for key in left)
    assert "0 files without a track" in studio.manage("tidy_storage")
    entries = client.get("/api/ledger/entries").json()["entries"]
    assert "CHARGE" in json.dumps(entries)
