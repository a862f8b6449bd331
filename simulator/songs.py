"""From a stored request to its files: planned, rendered, encoded, cached, and rendered again when the cache forgot."""

import asyncio
import contextlib
import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import httpx
import numpy as np

from simulator.config import Config
from simulator.encoding import CONTENT_TYPES, RATE, Pcm, UnreadableAudioError, decode, encode
from simulator.inputs import Extend, Inpaint, TextToMusic, parse
from simulator.mixing import render
from simulator.outcomes import ModelError, Outcome, refusal
from simulator.score import Brief, draw, root_of, tempo_of
from simulator.splicing import extended, replaced
from simulator.store import Store, StoredRequest
from simulator.writing import invent_lyrics, invent_tags

Inputs = TextToMusic | Inpaint | Extend
Answer = TypeVar("Answer")

OWN_FILE = re.compile(r"^/files/generations/(?P<request_id>[0-9a-f-]{36})/(?P<variation>[01])/sonauto\.\w+$")
OWN_UPLOAD = re.compile(r"^/files/uploads/(?P<upload_id>[0-9a-f]{32})/[^/]*$")
# A stand-in must never be a way into other networks, so it fetches nothing from beyond this machine.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
DEFAULT_EXTENSION_SECONDS = 30.0
SOURCE_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Words:
    seed: int
    tags: tuple[str, ...]
    lyrics: str


def words_of(request: StoredRequest, inputs: Inputs) -> Words:
    """The seed, tags and lyrics that the song is made with: what was given, and what a prompt leads to."""
    seed = request.drawn_seed if inputs.seed is None else inputs.seed
    prompt = "" if isinstance(inputs, Inpaint) else inputs.prompt or ""
    tags = inputs.tags or invent_tags(prompt, seed)
    lyrics = invent_lyrics(prompt, tags, seed) if inputs.lyrics_prompt is None else inputs.lyrics_prompt
    return Words(seed, tuple(tags), lyrics)


def file_path(request_id: str, variation: int, output_format: str) -> str:
    return f"/files/generations/{request_id}/{variation}/sonauto.{output_format}"


class Songbook:
    """Renders in two threads, so that the event loop stays free; numpy lets go of the lock for the long parts."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="render")
        self._cache = store.home / "cache"
        self._sources = store.home / "sources"
        self._cache_lock = threading.Lock()
        self._cache.mkdir(exist_ok=True)
        self._sources.mkdir(exist_ok=True)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def make(self, request: StoredRequest, inputs: Inputs) -> Outcome:
        """Raises ModelError where the source can't be used."""
        return await self._in_thread(lambda: self._make(request, inputs))

    async def file(self, request: StoredRequest, variation: int) -> Path:
        """The file on disk, made again if need be. Touched, since the cache drops what nobody asked for longest."""
        inputs = parse(request.endpoint_id, request.arguments)
        return await self._in_thread(lambda: self._file(request, inputs, variation)[0])

    def _make(self, request: StoredRequest, inputs: Inputs) -> Outcome:
        words = words_of(request, inputs)
        kind = inputs.output_format
        files = [
            (
                file_path(request.request_id, variation, kind),
                CONTENT_TYPES[kind],
                f"sonauto.{kind}",
                self._file(request, inputs, variation)[1],
            )
            for variation in range(inputs.num_songs)
        ]
        body: dict[str, object] = {"seed": words.seed}
        if not isinstance(inputs, Inpaint):
            body |= {"tags": list(words.tags), "lyrics": words.lyrics}
        if isinstance(inputs, Extend):
            body["extend_duration"] = round(self._extension_frames(request, inputs) / RATE, 6)
        return Outcome(200, body, 1.0 if inputs.num_songs == 1 else 1.5, files=tuple(files))

    # Files

    def _cached(self, request_id: str, variation: int, output_format: str) -> Path:
        return self._cache / f"{request_id}-{variation}.{output_format}"

    def _file(self, request: StoredRequest, inputs: Inputs, variation: int) -> tuple[Path, int]:
        """The path and its size in bytes; the other thread may push the file out of a small cache at any time."""
        path = self._cached(request.request_id, variation, inputs.output_format)
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
            return path, path.stat().st_size
        data = encode(self._pcm(request, inputs, variation), inputs.output_format, inputs.output_bit_rate)
        self._keep(path, data)
        return path, len(data)

    def _keep(self, path: Path, data: bytes) -> None:
        """Written aside and moved into place: a killed process never leaves half a song in the cache."""
        aside = path.with_name(f"{path.name}.part")
        with self._cache_lock:
            aside.write_bytes(data)
            aside.replace(path)
            self._forget_oldest(path)

    def _forget_oldest(self, newest: Path) -> None:
        entries = [(entry.stat().st_mtime, entry.stat().st_size, entry) for entry in self._cache.iterdir()]
        total_bytes = sum(size_bytes for _, size_bytes, _ in entries)
        for _, size_bytes, entry in sorted(entries):
            if total_bytes <= self._config.cache_bytes:
                return
            if entry != newest:
                entry.unlink(missing_ok=True)
                total_bytes -= size_bytes

    # Samples

    def _pcm(self, request: StoredRequest, inputs: Inputs, variation: int) -> Pcm:
        with contextlib.suppress(FileNotFoundError):
            return decode(self._cached(request.request_id, variation, "wav").read_bytes())
        if isinstance(inputs, TextToMusic):
            return render(self._brief(request, inputs, variation))
        source = self._source(request, inputs)
        brief = self._edit_brief(request, inputs, variation, source)
        if isinstance(inputs, Inpaint):
            return self._inpainted(inputs, brief, source)
        crop = min(round(inputs.crop_duration * RATE), len(source) - 1)
        return extended(source, render(brief), side=inputs.side, crop_frames=crop)

    def _inpainted(self, inputs: Inpaint, brief: Brief, source: Pcm) -> Pcm:
        section = inputs.sections[0]
        start, end = round(section.start * RATE), min(round(section.end * RATE), len(source))
        if start >= len(source):
            raise refusal("value_error", "Value error, the section starts after the end", "sections")
        result = replaced(source, render(brief), start=start, end=end)
        return np.ascontiguousarray(result[start:end]) if inputs.selection_crop else result

    def _brief(self, request: StoredRequest, inputs: TextToMusic, variation: int) -> Brief:
        words = words_of(request, inputs)
        # The configured length was stored with the request: a new configuration must not change an old song.
        stretch = 1 + 0.08 * (2 * draw("length", words.seed, inputs.num_songs, variation).random() - 1)
        return Brief(
            seed=words.seed,
            tags=words.tags,
            lyrics=words.lyrics,
            frames=max(1, round(request.song_seconds * stretch * RATE)),
            bpm=inputs.bpm,
            vibe=inputs.prompt_strength,
            balance=inputs.balance_strength,
            num_songs=inputs.num_songs,
            variation=variation,
        )

    def _edit_brief(self, request: StoredRequest, inputs: Inpaint | Extend, variation: int, source: Pcm) -> Brief:
        """New music in the tempo and key of the source, where the source is a song of ours."""
        words = words_of(request, inputs)
        frames = len(source) if isinstance(inputs, Inpaint) else self._extension_frames(request, inputs, source)
        origin = self._origin(inputs.audio_url)
        return Brief(
            seed=words.seed,
            tags=words.tags,
            lyrics=words.lyrics,
            frames=frames,
            bpm=tempo_of(origin) if origin else "auto",
            root=root_of(origin) if origin else None,
            vibe=inputs.prompt_strength,
            balance=inputs.balance_strength,
            num_songs=inputs.num_songs,
            variation=variation,
            fade_seconds=0.0 if isinstance(inputs, Inpaint) or inputs.side == "left" else None,
        )

    def _extension_frames(self, request: StoredRequest, inputs: Extend, source: Pcm | None = None) -> int:
        if inputs.extend_duration is not None:
            return max(1, round(inputs.extend_duration * RATE))
        length = len(self._source(request, inputs) if source is None else source)
        return max(1, min(round(DEFAULT_EXTENSION_SECONDS * RATE), length // 2))

    # Sources

    def _origin(self, url: str) -> Brief | None:
        """The brief of the song that an audio URL of ours goes back to."""
        owned = OWN_FILE.match(urlsplit(url).path)
        if not owned:
            return None
        try:
            request = self._store.request(owned["request_id"])
        except KeyError:
            return None
        inputs = parse(request.endpoint_id, request.arguments)
        if isinstance(inputs, TextToMusic):
            return self._brief(request, inputs, int(owned["variation"]))
        return self._origin(inputs.audio_url)

    def _source(self, request: StoredRequest, inputs: Inpaint | Extend) -> Pcm:
        path = urlsplit(inputs.audio_url).path
        if owned := OWN_FILE.match(path):
            try:
                origin = self._store.request(owned["request_id"])
                return self._pcm(origin, parse(origin.endpoint_id, origin.arguments), int(owned["variation"]))
            except KeyError:
                raise _no_download(inputs.audio_url) from None
        if uploaded := OWN_UPLOAD.match(path):
            return _decoded(self._store.home / "uploads" / uploaded["upload_id"], inputs.audio_url)
        return _decoded(self._sources / request.request_id, inputs.audio_url)

    async def fetch_source(self, request: StoredRequest, inputs: Inputs) -> None:
        """Keeps a copy of a foreign source, which may be gone when the song is rendered again. Raises ModelError."""
        if isinstance(inputs, TextToMusic):
            return
        parts = urlsplit(inputs.audio_url)
        own = OWN_FILE.match(parts.path) or OWN_UPLOAD.match(unquote(parts.path))
        kept = self._sources / request.request_id
        if parts.scheme not in {"http", "https"}:
            text = "Value error, audio_url must be a valid publicly accessible URL"
            raise refusal("value_error", text, "audio_url")
        if parts.hostname not in LOOPBACK and not (own and self._config.url):
            raise _no_download(inputs.audio_url)
        if not own and not kept.exists():
            await self._download(inputs.audio_url, kept)

    async def _download(self, url: str, kept: Path) -> None:
        data = bytearray()
        timeout = httpx.Timeout(SOURCE_TIMEOUT_SECONDS)
        try:
            async with (
                asyncio.timeout(SOURCE_TIMEOUT_SECONDS),
                httpx.AsyncClient(timeout=timeout, trust_env=False) as client,
                client.stream("GET", url) as response,
            ):
                response.raise_for_status()
                async for block in response.aiter_bytes():
                    data += block
                    if len(data) > self._config.upload_max_bytes:
                        raise refusal("file_too_large", "File is too large", "audio_url")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise _no_download(url) from error
        aside = kept.with_suffix(f".{time.monotonic_ns()}")
        aside.write_bytes(data)
        aside.replace(kept)


def _no_download(url: str) -> ModelError:
    text = f"Failed to download the file from {url}. Please check that the URL is accessible."
    return refusal("file_download_error", text, "audio_url")


def _decoded(path: Path, url: str) -> Pcm:
    try:
        return decode(path.read_bytes())
    except OSError:
        raise _no_download(url) from None
    except UnreadableAudioError as error:
        raise refusal(error.code, "Unsupported audio format", "audio_url") from error
