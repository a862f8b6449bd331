"""Inpainting and extending: only the section changes, only the side grows."""

import numpy as np
import pytest

from simulator.encoding import RATE, Pcm, decode, encode
from simulator.splicing import SEAM_SECONDS, extended, replaced
from tests.simulator.conftest import SONG, Receiver, download, finish
from tests.simulator.server import RunningSimulator

EDIT = {"tags": ["rock"], "lyrics_prompt": "a new line", "seed": 11}


@pytest.fixture(scope="module")
def song(shared_simulator: RunningSimulator) -> tuple[str, Pcm]:
    shared_simulator.clear_moods()
    file = finish(shared_simulator)["audio"][0]
    return file["url"], decode(download(shared_simulator, file))


def edited(sim: RunningSimulator, endpoint: str, url: str, **more: object) -> tuple[dict[str, object], Pcm]:
    result = finish(sim, {**EDIT, "audio_url": url, **more}, endpoint=endpoint)
    return result, decode(download(sim, result["audio"][0]))


def test_inpainting_changes_the_section_and_nothing_else(sim: RunningSimulator, song: tuple[str, Pcm]) -> None:
    url, before = song
    section = {"start": 0.5, "end": 1.25}
    result, after = edited(sim, "inpaint", url, sections=[section])
    start, end = round(0.5 * RATE), round(1.25 * RATE)
    assert set(result) == {"request_id", "audio", "seed"}
    assert np.array_equal(after[:start], before[:start])
    assert np.array_equal(after[end:], before[end:])
    assert np.abs(after[start:end].astype(int) - before[start:end]).mean() > 500


def test_another_seed_gives_another_take_and_the_same_seed_the_same(
    sim: RunningSimulator, song: tuple[str, Pcm]
) -> None:
    sections = [{"start": 0.2, "end": 1.0}]
    takes = [edited(sim, "inpaint", song[0], sections=sections, seed=seed)[1] for seed in (1, 1, 2)]
    assert np.array_equal(takes[0], takes[1])
    assert not np.array_equal(takes[0], takes[2])


def test_a_retouch_can_be_retouched_again(sim: RunningSimulator, song: tuple[str, Pcm]) -> None:
    result, first = edited(sim, "inpaint", song[0], sections=[{"start": 0.2, "end": 0.6}])
    url = result["audio"][0]["url"]  # type: ignore[index]
    _, second = edited(sim, "inpaint", url, sections=[{"start": 1.0, "end": 1.4}], seed=12)
    assert np.array_equal(second[: round(RATE)], first[: round(RATE)])
    assert not np.array_equal(second, first)


def test_selection_crop_gives_the_section_alone(sim: RunningSimulator, song: tuple[str, Pcm]) -> None:
    section = [{"start": 0.5, "end": 1.25}]
    _, whole = edited(sim, "inpaint", song[0], sections=section)
    _, cropped = edited(sim, "inpaint", song[0], sections=section, selection_crop=True)
    assert np.array_equal(cropped, whole[round(0.5 * RATE) : round(1.25 * RATE)])


def test_a_section_after_the_end_is_refused_and_one_over_the_end_is_cut(
    sim: RunningSimulator, song: tuple[str, Pcm]
) -> None:
    url, before = song
    refused = finish(sim, {**EDIT, "audio_url": url, "sections": [{"start": 900, "end": 901}]}, endpoint="inpaint")
    assert refused["detail"][0]["loc"] == ["body", "sections"]
    _, after = edited(sim, "inpaint", url, sections=[{"start": 1.0, "end": 900}])
    assert len(after) == len(before)


@pytest.mark.parametrize("side", ["left", "right"])
def test_extending_adds_to_one_side_and_keeps_the_rest(sim: RunningSimulator, song: tuple[str, Pcm], side: str) -> None:
    url, before = song
    result, after = edited(sim, "extend", url, side=side, extend_duration=0.8, crop_duration=0.3)
    added, cropped = round(0.8 * RATE), round(0.3 * RATE)
    assert result["extend_duration"] == 0.8
    assert result["tags"] == ["rock"]
    assert len(after) == len(before) - cropped + added
    kept, new = (after[added:], after[:added]) if side == "left" else (after[:-added], after[-added:])
    assert np.array_equal(kept, before[cropped:] if side == "left" else before[:-cropped])
    assert np.abs(new.astype(int)).mean() > 500


def test_an_extension_without_a_length_gets_one_and_says_which(sim: RunningSimulator, song: tuple[str, Pcm]) -> None:
    result, after = edited(sim, "extend", song[0], side="right")
    added = len(after) - len(song[1])
    assert added > 0
    assert result["extend_duration"] == pytest.approx(added / RATE, abs=1e-5)


def test_two_songs_of_an_edit_differ(sim: RunningSimulator, song: tuple[str, Pcm]) -> None:
    result = finish(
        sim,
        {**EDIT, "audio_url": song[0], "sections": [{"start": 0.5, "end": 1}], "num_songs": 2},
        endpoint="inpaint",
    )
    first, second = (download(sim, file) for file in result["audio"])
    assert first != second


def test_an_uploaded_mp3_can_be_extended(sim: RunningSimulator, song: tuple[str, Pcm]) -> None:
    started = sim.call("POST", "/storage/upload/initiate", json={"file_name": "a b.mp3", "content_type": "audio/mpeg"})
    sim.call("PUT", started.json()["upload_url"].removeprefix(sim.url), content=encode(song[1], "mp3"))
    _, after = edited(sim, "extend", started.json()["file_url"], side="right", extend_duration=1)
    assert len(after) > len(song[1]) + RATE / 2


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("data:audio/wav;base64,UklGRg==", "value_error"),
        ("not a url", "value_error"),
        ("https://example.com/a.wav", "file_download_error"),
        ("http://127.0.0.1:9/a.wav", "file_download_error"),
        ("{sim}/files/generations/00000000-0000-4000-8000-000000000000/0/sonauto.wav", "file_download_error"),
        ("{sim}/files/uploads/00000000000000000000000000000000/a.wav", "file_download_error"),
        ("{sim}/_sim/bill", "unsupported_audio_format"),
    ],
)
def test_a_source_that_cant_be_used_is_refused_as_fal_does(sim: RunningSimulator, url: str, kind: str) -> None:
    arguments = {**EDIT, "audio_url": url.format(sim=sim.url), "side": "left"}
    (entry,) = finish(sim, arguments, endpoint="extend")["detail"]
    assert (entry["type"], entry["loc"]) == (kind, ["body", "audio_url"])


def test_a_song_of_a_song_takes_over_its_tempo(sim: RunningSimulator, receiver: Receiver) -> None:
    source = finish(sim, {**SONG, "bpm": 77})["audio"][0]["url"]
    plain = edited(sim, "extend", source, side="right", extend_duration=2)[1]
    faster = finish(sim, {**SONG, "bpm": 154})["audio"][0]["url"]
    other = edited(sim, "extend", faster, side="right", extend_duration=2)[1]
    assert not np.array_equal(plain[-RATE:], other[-RATE:])


def test_seams_lie_inside_the_section_and_do_not_click() -> None:
    quiet = np.zeros((1000 * 10, 2), dtype=np.int16)
    loud = np.full_like(quiet, 10_000)
    result = replaced(quiet, loud, start=3000, end=7000)
    seam = round(SEAM_SECONDS * RATE)
    assert not result[:3000].any()
    assert not result[7000:].any()
    assert (result[3000 + seam : 7000 - seam] == 10_000).all()
    assert np.abs(np.diff(result[:, 0].astype(int))).max() < 20
    longer = extended(quiet, loud, side="right", crop_frames=0)
    assert np.abs(np.diff(longer[:, 0].astype(int))).max() < 20
