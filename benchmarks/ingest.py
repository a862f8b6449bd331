"""From a link into the bucket: our one pass against bare work, against two passes, and at three sizes."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.ratios import Ratio
from neoapex.embedded import ports

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
SONG_SECONDS = 95
SAMPLE_RATE = 44_100
LARGE_BYTES = 1024**3
AT_ONCE = 2
BUCKET = "bench"

# Each side is a process of its own that loads its libraries first and is then told to begin; it answers with its
# seconds and the most memory that it had. What the peers do is what nobody can do without.
SIDES = {
    "ours": "ingest(url, track_id=1, storage=storage)",
    "without true peak": "analysis.TruePeak = Deaf; ingest(url, track_id=1, storage=storage)",
    "bare transfer": "transfer()",
    "bare encoding": "encode(httpx.get(url, trust_env=False).content)",
    "two passes": "transfer(); again()",
    "songs": "[ingest(url, track_id=number, storage=storage) for number in range(3)]",
}
SIDE = """
import io, os, resource, sys, time, wave
import django
django.setup()
import httpx, lameenc
from studio.media import analysis
from studio.media.analysis import Analysis
from studio.media.bucket import BucketStorage
from studio.media.decode import decoder_for
from studio.media.ingest import ingest
url, endpoint, act = sys.argv[1:]
storage = BucketStorage(bucket_name="bench", endpoint_url=endpoint, access_key="k", secret_key="s")
storage.client

class Deaf:
    def __init__(self, channels): pass
    def add(self, pcm): pass
    def finish(self): return None

def transfer():
    with httpx.stream("GET", url, trust_env=False) as answer, storage.sink("masters/9.wav") as sink:
        for block in answer.iter_bytes(65536):
            sink.write(block)
        sink.commit()

def encode(file):
    with wave.open(io.BytesIO(file)) as source:
        encoder = lameenc.Encoder()
        encoder.set_bit_rate(128); encoder.set_in_sample_rate(source.getframerate())
        encoder.set_channels(source.getnchannels()); encoder.set_quality(3); encoder.silence()
        out = bytearray()
        while block := source.readframes(65536):
            out += encoder.encode(block)
        out += encoder.flush()
    return bytes(out)

def again():
    with storage.sink("previews/9.mp3") as preview, Analysis(preview) as listening:
        with decoder_for("wav", listening, preview) as decoder:
            for block in storage.open_range("masters/9.wav"):
                decoder.feed(block)
            decoder.finish()
            listening.end()
            measured = listening.finish()
            for key, waveform in (("peaks/9.256.dat", measured.waveform), ("peaks/9.4096.dat", measured.overview)):
                with storage.sink(key) as sink:
                    sink.write(waveform); sink.commit()
            preview.commit()

print("ready", flush=True)
sys.stdin.readline()
began = time.perf_counter()
exec(act)
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)
"""


class Side:
    """One side in a process of its own, begun and waited for apart so that several can run at once."""

    def __init__(self, name: str, url: str, endpoint: str) -> None:
        environ = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "neoapex.settings",
            "NEOAPEX_ENV": "embedded",
            "NEOAPEX_MEDIA_HOSTS": url.split("/")[2],
            "NEOAPEX_MEDIA_MAX_BYTES": str(2 * LARGE_BYTES),
            "REDIS_URL": os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0"),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", SIDE, url, endpoint, SIDES[name]],
            cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout
        assert self._process.stdout.readline().strip() == "ready"

    def begin(self) -> "Side":
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self

    def figures(self) -> tuple[float, int]:
        told, _ = self._process.communicate(timeout=900)
        seconds, memory_bytes = told.split()
        return float(seconds), int(memory_bytes)


def run() -> list[Ratio]:
    with tempfile.TemporaryDirectory(prefix="neoapex-bench-") as folder, _origin(Path(folder)) as base, _s3() as s3:
        _song(Path(folder) / "song.wav", SONG_SECONDS)
        run_side = partial(_run_side, f"{base}/song.wav", s3)
        rows = _walls(run_side)
        rows += _memory(Path(folder), base, s3)
        rows.append(_songs_a_minute(f"{base}/song.wav", s3))
        rows += _against_ffmpeg(Path(folder) / "song.wav")
    return rows


def _run_side(url: str, s3: str, name: str) -> tuple[float, int]:
    return Side(name, url, s3).begin().figures()


def _walls(run_side: Callable[[str], tuple[float, int]]) -> list[Ratio]:
    seconds: dict[str, list[float]] = {name: [] for name in SIDES if name != "songs"}
    for _ in range(ROUNDS):
        for name, found in seconds.items():
            found.append(run_side(name)[0])
    bare = [max(pair) for pair in zip(seconds["bare transfer"], seconds["bare encoding"], strict=True)]
    return [
        _over("ingest with all analysers, over the slower of bare transfer and bare encoding",
              seconds["ours"], bare, "<= 1.40"),
        _over("the same without true peak", seconds["without true peak"], bare, "<= 1.15"),
        _over("ingest, over upload and then reading back for the same analysers",
              seconds["ours"], seconds["two passes"], "<= 0.75"),
    ]  # fmt: skip


def _over(name: str, mine: list[float], theirs: list[float], aim: str) -> Ratio:
    ratios = [ours / peer for ours, peer in zip(mine, theirs, strict=True)]
    return Ratio(name, ratios, aim, f"{median(mine):.2f} s against {median(theirs):.2f} s")


def _memory(folder: Path, base: str, s3: str) -> list[Ratio]:
    peaks: list[int] = []
    for size_bytes in (16_000_000, 160_000_000, LARGE_BYTES):
        _song(folder / "long.wav", size_bytes // (SAMPLE_RATE * 4))
        peaks.append(_run_side(f"{base}/long.wav", s3, "ours")[1])
        (folder / "long.wav").unlink()
    mebibytes = [peak / 2**20 for peak in peaks]
    more = mebibytes[2] - mebibytes[0]
    return [
        Ratio("peak memory at 160 MB, over that at 16 MB", [peaks[1] / peaks[0]], "<= 1.05",
              f"{mebibytes[1]:.0f} MiB against {mebibytes[0]:.0f} MiB"),
        Ratio("peak memory at 1 GiB, over that at 16 MB", [peaks[2] / peaks[0]], "at most 64 MiB more",
              f"{mebibytes[2]:.0f} MiB, {more:.0f} MiB more"),
    ]  # fmt: skip


def _songs_a_minute(url: str, s3: str) -> Ratio:
    """Two workers, as many as this machine has cores, over one that has it to itself."""
    alone = _run_side(url, s3, "songs")[0] / 3
    sides = [Side("songs", url, s3) for _ in range(AT_ONCE)]
    began = time.perf_counter()
    for side in sides:
        side.begin()
    for side in sides:
        side.figures()
    together = (time.perf_counter() - began) / (3 * AT_ONCE)
    name = f"songs of {SONG_SECONDS} s ingested a minute by {AT_ONCE} workers, over one"
    return Ratio(name, [alone / together], "-", f"{60 / together:.0f} a minute against {60 / alone:.0f}")


def _against_ffmpeg(song: Path) -> list[Ratio]:
    """At equal LAME quality, each with its start; only where there is an ffmpeg."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        return []
    target = str(song.with_suffix(".mp3"))
    theirs = [ffmpeg, "-v", "error", "-y", "-i", str(song), "-b:a", "128k", target]
    mine = [sys.executable, "-c", OUR_ENCODER, str(song), target]
    seconds: dict[str, list[float]] = {"theirs": [], "mine": []}
    memory: dict[str, list[float]] = {"theirs": [], "mine": []}
    for _ in range(ROUNDS):
        for name, command in (("theirs", theirs), ("mine", mine)):
            took, peak = _measured(command)
            seconds[name].append(took)
            memory[name].append(peak)
    smaller = [ours / peer for ours, peer in zip(memory["mine"], memory["theirs"], strict=True)]
    detail = f"{median(memory['mine']) / 2**20:.0f} MiB against {median(memory['theirs']) / 2**20:.0f} MiB"
    return [
        _over("encoding the preview, over the ffmpeg binary", seconds["mine"], seconds["theirs"], "<= 0.90"),
        Ratio("its peak memory, over the ffmpeg binary's", smaller, "<= 0.30", detail),
    ]


OUR_ENCODER = """
import sys, wave, lameenc
with wave.open(sys.argv[1]) as source, open(sys.argv[2], "wb") as target:
    encoder = lameenc.Encoder()
    encoder.set_bit_rate(128); encoder.set_in_sample_rate(source.getframerate())
    encoder.set_channels(source.getnchannels()); encoder.set_quality(3); encoder.silence()
    while block := source.readframes(16384):
        target.write(encoder.encode(block))
    target.write(encoder.flush())
"""


def _measured(command: list[str]) -> tuple[float, float]:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - began, _peak_bytes(used)


def _peak_bytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss * 1024.0


def _song(path: Path, seconds: int) -> None:
    """Chords with noise over them: as much work for an encoder as music is."""
    rng = np.random.default_rng(1)
    at = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for _ in range(seconds):
            tones = sum(np.sin(2 * np.pi * hertz * at) for hertz in rng.uniform(80, 2000, 4)) / 6
            both = np.stack([tones, tones * 0.8], axis=1) + rng.normal(0, 0.05, (SAMPLE_RATE, 2))
            file.writeframes((np.clip(both, -1, 1) * 32767).astype("<i2").tobytes())


class _Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nobody reads it here."""


@contextmanager
def _origin(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", ports.random_free()), partial(_Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


# A bucket in a process of its own: it takes what it is sent and forgets it, but for what is read back.
S3 = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', sys.argv[1]])"


@contextmanager
def _s3() -> Iterator[str]:
    port = ports.random_free()
    endpoint = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        process = subprocess.Popen(
            [sys.executable, "-c", S3, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        stack.callback(process.wait, 10)
        stack.callback(process.terminate)
        _make_bucket(endpoint)
        yield endpoint


def _make_bucket(endpoint: str) -> None:
    code = (
        "import sys, boto3; from botocore.config import Config;"
        "boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='k',"
        "aws_secret_access_key='s', config=Config(retries={'max_attempts': 12})).create_bucket(Bucket=sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, endpoint, BUCKET], check=True, timeout=120)
