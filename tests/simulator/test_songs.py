"""Songs from stored requests, and an application put together without any environment."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from simulator.app import create_app
from simulator.config import Config
from simulator.encoding import RATE, UnreadableAudioError, decode, encode
from simulator.inputs import parse
from simulator.mixing import render
from simulator.moods import CALM
from simulator.score import Brief
from simulator.songs import Songbook, words_of
from simulator.store import Order, Store, StoredRequest

KEY = {"Authorization": "Key simulator:secret"}
QUICK = Config(song_seconds=0.5, queue_seconds=0, run_seconds=0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


def stored(store: Store, arguments: dict[str, object], *, seconds: float = 0.5) -> StoredRequest:
    order = Order(
        request_id="00000000-0000-4000-8000-000000000000",
        endpoint_id="sonauto/v2/text-to-music",
        arguments=arguments,
        webhook_url=None,
        base_url="http://127.0.0.1",
        mood=CALM,
        drawn_seed=99,
        song_seconds=seconds,
        start_timeout_seconds=None,
    )
    return store.add_request(order)


async def with_app(app: Starlette, paths: list[tuple[str, str, dict[str, object] | None]]) -> list[httpx.Response]:
    """The answers to these calls, one after the other, from an application in this process."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://sim.test", headers=KEY) as client,
    ):
        answers: list[httpx.Response] = []
        for method, path, body in paths:
            request_id = answers[0].json()["request_id"] if answers else ""
            answers.append(await client.request(method, path.format(request_id), json=body))
            if method == "POST":
                await asyncio.wait_for(_completed(client, answers[0].json()["request_id"]), 20)
        return answers


async def _completed(client: httpx.AsyncClient, request_id: str) -> None:
    """The stream ends when the request has."""
    await client.get(f"/sonauto/v2/requests/{request_id}/status/stream")


def test_a_drawn_seed_is_used_only_where_none_was_given(store: Store) -> None:
    request = stored(store, {"prompt": "a"})
    given = {"prompt": "a", "seed": 0}
    assert words_of(request, parse(request.endpoint_id, request.arguments)).seed == 99
    assert words_of(request, parse(request.endpoint_id, given)).seed == 0


@pytest.mark.parametrize(
    ("given", "tags", "lyrics"),
    [
        ({"prompt": "jazz", "tags": ["rock"]}, ("rock",), None),
        ({"prompt": "jazz", "lyrics_prompt": "la"}, None, "la"),
        ({"tags": ["rock"], "lyrics_prompt": ""}, ("rock",), ""),
    ],
)
def test_what_was_given_is_never_invented(
    store: Store, given: dict[str, object], tags: tuple[str, ...] | None, lyrics: str | None
) -> None:
    request = stored(store, given)
    words = words_of(request, parse(request.endpoint_id, given))
    assert words.tags == tags or (tags is None and "jazz" in words.tags)
    assert words.lyrics == lyrics or (lyrics is None and words.lyrics)


def test_an_old_song_keeps_its_length_under_a_new_configuration(store: Store) -> None:
    request = stored(store, {"prompt": "a"}, seconds=1.0)
    inputs = parse(request.endpoint_id, request.arguments)
    songbook = Songbook(Config(song_seconds=300), store)
    outcome = asyncio.run(songbook.make(request, inputs))
    songbook.close()
    assert 0.9 * RATE * 4 < outcome.files[0][3] < 1.1 * RATE * 4 + 44


def test_lengths_vary_a_little_with_the_seed(store: Store) -> None:
    songbook = Songbook(Config(), store)
    request = stored(store, {"prompt": "a"}, seconds=90)
    lengths = set()
    for seed in range(20):
        inputs = parse(request.endpoint_id, {"prompt": "a", "seed": seed})
        lengths.add(songbook._brief(request, inputs, 0).frames / RATE)  # type: ignore[arg-type]
    songbook.close()
    assert len(lengths) == 20
    assert 82 < min(lengths) < 88
    assert 92 < max(lengths) < 98


def test_without_a_configured_url_answers_lead_to_where_the_caller_came_from() -> None:
    calls: list[tuple[str, str, dict[str, object] | None]] = [
        ("POST", "/sonauto/v2/text-to-music", {"prompt": "a"}),
        ("GET", "/sonauto/v2/requests/{}", None),
    ]
    submitted, result = asyncio.run(with_app(create_app(QUICK), calls))
    assert submitted.json()["response_url"].startswith("http://sim.test/sonauto/v2/requests/")
    assert result.json()["audio"][0]["url"].startswith("http://sim.test/files/")


def test_a_crash_of_the_model_is_a_500_and_not_a_hanging_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_brief: Brief) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("simulator.songs.render", crash)
    calls: list[tuple[str, str, dict[str, object] | None]] = [
        ("POST", "/sonauto/v2/text-to-music", {"prompt": "a"}),
        ("GET", "/sonauto/v2/requests/{}", None),
        ("GET", "/_sim/bill", None),
    ]
    _, result, bill = asyncio.run(with_app(create_app(QUICK), calls))
    assert (result.status_code, result.json()) == (500, {"detail": "Internal Server Error"})
    assert bill.json()["total_micros"] == 0


def test_a_wav_decodes_to_the_samples_that_went_in() -> None:
    pcm = render(Brief(seed=1, tags=("jazz",), lyrics="", frames=RATE))
    assert (decode(encode(pcm, "wav")) == pcm).all()
    assert (decode(encode(pcm, "flac")) == pcm).all()


@pytest.mark.parametrize("data", [b"", b"RIFF", b"<html></html>", b"\x00" * 4096])
def test_what_is_no_audio_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableAudioError):
        decode(data)
