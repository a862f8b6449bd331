"""Generated requests against the API's own description: whatever is sent, the answer is one that is documented."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.journeys.stack import ROOT, RunningStudio, running_studio

SONG = {"tags": ["piano"], "lyrics": "", "num_songs": 2, "seed": "7"}
# Everybody may ask as often as the fuzzer does, and has the money for it.
GENEROUS = {
    "NEOAPEX_USER_RATE": "1000000/minute",
    "NEOAPEX_USER_WAITING": "100000",
    "NEOAPEX_MONTHLY_BUDGET": "100000.00",
}


@pytest.fixture(scope="module")
def studio() -> Iterator[RunningStudio]:
    with running_studio(GENEROUS, song_seconds=1) as running:
        yield running


@pytest.fixture(scope="module")
def client(studio: RunningStudio) -> Iterator[httpx.Client]:
    """A person with a finished song, so that there is something to find."""
    with studio.client() as client:
        started = client.post("/api/generations", json=SONG).raise_for_status().json()
        studio.wait_for_state(client, started["id"], "READY")
        yield client


def fuzz(studio: RunningStudio, client: httpx.Client, *, seed: int, seconds: int) -> str:
    """Schemathesis's whole output; every failure in it comes with the request that shows it again."""
    print(f"\nfuzz: SEED={seed}, {seconds} s", flush=True)
    command = [str(Path(sys.executable).parent / "schemathesis"), "--config-file", "tests/fuzz/schemathesis.toml"]
    command += ["run", f"{studio.url}/api/openapi.json", "--header", f"Authorization:{client.headers['Authorization']}"]
    command += ["--seed", str(seed), "--max-time", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 180, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-4_000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_answer_to_a_generated_request_is_a_documented_one(studio: RunningStudio, client: httpx.Client) -> None:
    fuzz(studio, client, seed=4, seconds=20)


@pytest.mark.fuzz
@pytest.mark.timeout(1200)
def test_every_answer_to_minutes_of_generated_requests_is_a_documented_one(
    studio: RunningStudio, client: httpx.Client
) -> None:
    print(fuzz(studio, client, seed=int(os.environ.get("SEED") or random.randrange(10**6)), seconds=300)[-2_000:])
