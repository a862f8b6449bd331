"""Result files: Range, formats, and the same bytes again when the cache forgot them."""

import io
import wave
from pathlib import Path

import av
import pytest

from tests.simulator.conftest import SONG, download, finish
from tests.simulator.server import RunningSimulator, running_simulator


@pytest.fixture(scope="module")
def module_file(shared_simulator: RunningSimulator) -> tuple[str, bytes]:
    shared_simulator.clear_moods()
    file = finish(shared_simulator)["audio"][0]
    return file["url"].removeprefix(shared_simulator.url), download(shared_simulator, file)


def test_a_song_is_stereo_wav_of_44100_hertz_and_16_bits(module_file: tuple[str, bytes]) -> None:
    with wave.open(io.BytesIO(module_file[1])) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 44_100, 2)
        assert len(module_file[1]) == 44 + file.getnframes() * 4


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-99", 0, 100), ("bytes=1000-", 1000, None), ("bytes=-50", -50, None), ("bytes=10-99999999", 10, None)],
)
def test_a_range_gets_its_part_of_the_file(
    sim: RunningSimulator, module_file: tuple[str, bytes], asked: str, start: int, stop: int | None
) -> None:
    path, whole = module_file
    response = sim.call("GET", path, headers={"Range": asked})
    first = start % len(whole)
    last = (len(whole) if stop is None else stop) - 1
    assert (response.status_code, response.content) == (206, whole[start:stop])
    assert response.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"


def test_a_range_beyond_the_end_is_416(sim: RunningSimulator, module_file: tuple[str, bytes]) -> None:
    path, whole = module_file
    response = sim.call("GET", path, headers={"Range": f"bytes={len(whole)}-"})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(whole)}"


def test_head_tells_length_type_and_etag_without_a_body(sim: RunningSimulator, module_file: tuple[str, bytes]) -> None:
    path, whole = module_file
    head, get = sim.call("HEAD", path), sim.call("GET", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole))
    assert head.headers["content-type"] == "audio/wav"
    assert head.headers["etag"] == get.headers["etag"]
    assert head.headers["accept-ranges"] == "bytes"


def test_a_resumed_download_starts_over_when_the_etag_differs(
    sim: RunningSimulator, module_file: tuple[str, bytes]
) -> None:
    path, _ = module_file
    etag = sim.call("HEAD", path).headers["etag"]
    resumed = sim.call("GET", path, headers={"Range": "bytes=5-", "If-Range": etag})
    changed = sim.call("GET", path, headers={"Range": "bytes=5-", "If-Range": '"another"'})
    assert (resumed.status_code, changed.status_code) == (206, 200)


def test_files_need_no_key_and_unknown_ones_are_404(sim: RunningSimulator, module_file: tuple[str, bytes]) -> None:
    path, whole = module_file
    assert sim.call("GET", path, headers={"Authorization": ""}).content == whole
    for other in (path.replace("/0/", "/1/"), path.replace(".wav", ".mp3"), "/files/generations/x/0/sonauto.wav"):
        assert sim.call("GET", other).status_code == 404


@pytest.mark.parametrize(
    ("output_format", "content_type", "codec"),
    [
        ("flac", "audio/flac", "flac"),
        ("mp3", "audio/mpeg", "mp3float"),
        ("ogg", "audio/ogg", "opus"),
        ("m4a", "audio/mp4", "aac"),
    ],
)
def test_every_format_decodes_to_the_length_of_the_wav(
    sim: RunningSimulator, module_file: tuple[str, bytes], output_format: str, content_type: str, codec: str
) -> None:
    file = finish(sim, {**SONG, "output_format": output_format})["audio"][0]
    response = sim.call("GET", file["url"].removeprefix(sim.url))
    assert response.headers["content-type"] == content_type == file["content_type"]
    assert file["url"].endswith(f".{output_format}")
    assert len(response.content) == file["file_size"]
    with av.open(io.BytesIO(response.content), "r") as container:
        stream = container.streams.audio[0]
        frames = sum(frame.samples for frame in container.decode(stream))
        seconds = frames / stream.rate
    assert stream.codec_context.name in {codec, codec.removesuffix("float"), f"lib{codec}"}
    assert abs(seconds - len(module_file[1]) / 176_400) < 0.1


def test_a_bit_rate_is_kept_to(sim: RunningSimulator) -> None:
    sizes = [
        finish(sim, {**SONG, "output_format": "mp3", "output_bit_rate": rate})["audio"][0]["file_size"]
        for rate in (128, 320)
    ]
    assert 2.2 < sizes[1] / sizes[0] < 2.8


@pytest.mark.slow
def test_a_lost_cache_and_a_restart_lose_no_byte(tmp_path: Path) -> None:
    with running_simulator(home=tmp_path, song_seconds=1) as sim:
        wanted = [{**SONG, "output_format": name, "num_songs": 2} for name in ("wav", "mp3", "ogg", "m4a", "flac")]
        files = [file for arguments in wanted for file in finish(sim, arguments)["audio"]]
        before = [download(sim, file) for file in files]
        sim.kill()
        for cached in (tmp_path / "cache").iterdir():
            cached.unlink()
        sim.start()
        assert len(set(before)) == 10
        assert [download(sim, file) for file in files] == before


@pytest.mark.slow
def test_the_cache_keeps_to_its_bound_and_forgets_nothing_for_good(tmp_path: Path) -> None:
    with running_simulator(home=tmp_path, song_seconds=1, cache_bytes=400_000) as sim:
        files = [finish(sim, {**SONG, "seed": seed})["audio"][0] for seed in range(4)]
        kept_bytes = sum(path.stat().st_size for path in (tmp_path / "cache").iterdir())
        assert kept_bytes <= 400_000
        assert [len(download(sim, file)) for file in files] == [file["file_size"] for file in files]
