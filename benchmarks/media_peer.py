"""What a whole ingest costs over a bare decode and encode of the same song by the same encoder.

Run it from the project's folder: `python -m benchmarks.media_peer`. Rounds are interleaved; the ratio is their median.
"""

import statistics
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import lameenc
import numpy as np
from django.conf import settings
from django.test import override_settings

from studio.media.ingest import ingest
from studio.media.preview import BIT_RATE_KBPS, QUALITY
from studio.media.storage import MediaStorage

PORT = 18_941
ROUNDS = 7
SECONDS = 95
RATE = 44_100
GOAL = 1.3


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Standard output is for the figures."""


def make_song(path: Path) -> None:
    """Chords that pulse, with a little noise: LAME works on it as on music."""
    time_axis = np.arange(SECONDS * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * hertz * time_axis) for hertz in (110, 220, 277, 330, 440, 554))
    pulse = np.exp(-((time_axis * 2) % 1) * 3)
    noise = np.random.default_rng(1).standard_normal((len(time_axis), 2)) * 0.02
    samples = ((chord * pulse * 0.1)[:, None] + noise).clip(-1, 1) * 28_000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())


@contextmanager
def served(folder: Path) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", PORT), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield PORT
        server.shutdown()
        thread.join()


def bare(song: Path, mp3: Path) -> float:
    started = time.perf_counter()
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_bit_rate(BIT_RATE_KBPS)
    encoder.set_quality(QUALITY)
    encoder.set_in_sample_rate(RATE)
    encoder.set_channels(2)
    with wave.open(str(song)) as source, mp3.open("wb") as target:
        while block := source.readframes(65_536):
            target.write(encoder.encode(block))
        target.write(encoder.flush())
    return time.perf_counter() - started


def ours(url: str, storage: MediaStorage) -> float:
    started = time.perf_counter()
    ingest(url, track_id=1, storage=storage)
    return time.perf_counter() - started


def run() -> dict[str, object]:
    """One row of the table of benchmarks."""
    if not settings.configured:
        settings.configure()
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as port:
        song = Path(name, "song.wav")
        make_song(song)
        storage = MediaStorage(location=str(Path(name, "media")))
        hosts = [f"127.0.0.1:{port}"]
        with override_settings(NEOAPEX_ENV="embedded", NEOAPEX_MEDIA_HOSTS=hosts, NEOAPEX_MEDIA_MAX_BYTES=2**31):
            pairs = [
                (bare(song, Path(name, "bare.mp3")), ours(f"http://127.0.0.1:{port}/song.wav", storage))
                for _ in range(ROUNDS)
            ]
    ratios = [ingest_seconds / encode_seconds for encode_seconds, ingest_seconds in pairs]
    encode_median, ingest_median = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "name": "ingest over a bare decode and encode",
        "ratio": statistics.median(ratios),
        "range": (min(ratios), max(ratios)),
        "aim": f"at most {GOAL}",
        "detail": f"{ingest_median:.2f} s against {encode_median:.2f} s, {SECONDS} s of stereo",
    }


if __name__ == "__main__":
    print(run())
