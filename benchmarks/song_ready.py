"""From the callback to a song that plays, against nothing but decoding and encoding the same file."""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.ratios import Ratio
from tests.journeys.stack import RunningStudio, running_studio

ROUNDS = 5
SONG_SECONDS = 95

# What nobody can do without: read the samples, make the MP3. In a process that has its libraries loaded already.
BARE = """
import sys, time, wave, lameenc
def encode(path):
    with wave.open(path) as source:
        encoder = lameenc.Encoder()
        encoder.set_bit_rate(128); encoder.set_in_sample_rate(source.getframerate())
        encoder.set_channels(source.getnchannels()); encoder.set_quality(3); encoder.silence()
        out = bytearray()
        while block := source.readframes(65536):
            out += encoder.encode(block)
        out += encoder.flush()
    return len(out)
began = time.perf_counter(); encode(sys.argv[1]); print(time.perf_counter() - began)
"""


def run() -> list[Ratio]:
    """Seconds from the delivery's arrival to READY, over the bare encoder's for the same file; interleaved, median."""
    ready, bare = [], []
    with running_studio(song_seconds=SONG_SECONDS) as studio, tempfile.TemporaryDirectory() as folder:
        with studio.client() as client:
            for _ in range(ROUNDS):
                answer = client.post("/api/generations", json={"tags": ["rock"], "lyrics": "la la", "num_songs": 1})
                done = studio.wait_for_state(client, answer.json()["id"], "READY", "FAILED", seconds=120)
                assert done["state"] == "READY", done
                master = Path(folder) / "master.wav"
                master.write_bytes(client.get(f"/api/tracks/{done['tracks'][0]['id']}/master").content)
                ready.append(_callback_to_ready(studio, done["id"]))
                bare.append(_bare_seconds(master))
    ratios = [mine / theirs for mine, theirs in zip(ready, bare, strict=True)]
    return [
        Ratio(
            name=f"webhook to READY of a {SONG_SECONDS} s song, over bare decode-and-encode",
            ratios=ratios,
            aim="<= 1.30",
            detail=f"{median(ready):.2f} s against {median(bare):.2f} s",
        )
    ]


def _callback_to_ready(studio: RunningStudio, generation_id: str) -> float:
    code = (
        "from webhooks.models import Delivery; from studio.models import Generation;"
        f"d = Delivery.objects.get(generation_id='{generation_id}'); g = Generation.objects.get(pk='{generation_id}');"
        "print((g.finished_at - d.received_at).total_seconds())"
    )
    return float(studio.shell(code))


def _bare_seconds(master: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(master)], capture_output=True, text=True, check=True, timeout=120
    )
    return float(done.stdout)
