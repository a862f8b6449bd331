"""The files behind result and upload URLs: public, with Range, and with every fault that a download can meet."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from simulator.answers import drop_connection, fal_call
from simulator.encoding import CONTENT_TYPES
from simulator.moods import FileFault, Mood
from simulator.simulation import Simulation
from simulator.store import StoredRequest

BLOCK_BYTES = 65_536
ENDLESS_LIMIT_BYTES = 1 << 40


def _missing() -> Response:
    return JSONResponse({"detail": "Not Found"}, 404)


async def generation(request: Request, simulation: Simulation, mood: Mood) -> Response:
    """A finished request's file. The request's mood spoils all its downloads, a mood on `file` only the next."""
    try:
        stored = simulation.store.request(request.path_params["request_id"])
    except KeyError:
        return _missing()
    file = _file_of(stored, request.url.path)
    if file is None:
        return _missing()
    path = await simulation.songbook.file(stored, int(request.path_params["variation"]))
    headers = {
        "etag": f'"{hashlib.sha256(request.url.path.encode()).hexdigest()[:32]}"',
        "last-modified": formatdate(stored.completed_at, usegmt=True),
        "cache-control": "public, max-age=31536000",
    }
    fault = mood.file or stored.mood.file
    rate = (mood if mood.file else stored.mood).file_bytes_per_second
    return await _served(request, path, file[1], headers, fault, rate)


def _file_of(stored: StoredRequest, url_path: str) -> tuple[str, str, str, int] | None:
    files = stored.outcome.files if stored.outcome else ()
    return next((file for file in files if file[0] == url_path), None)


async def upload(request: Request, simulation: Simulation, mood: Mood) -> Response:
    stored = simulation.store.upload(request.path_params["upload_id"])
    if stored is None or not stored.complete or stored.file_name != request.path_params["file_name"]:
        return _missing()
    headers = {"etag": f'"{stored.upload_id}"'}
    path = simulation.home / "uploads" / stored.upload_id
    return await _served(request, path, stored.content_type, headers, mood.file, mood.file_bytes_per_second)


async def _served(
    request: Request, path: Path, content_type: str, headers: dict[str, str], fault: FileFault | None, rate: int
) -> Response:
    if fault is None or request.method == "HEAD":
        return FileResponse(path, media_type=content_type, headers=headers)
    if fault == "missing":
        return _missing()
    if fault == "html":
        return HTMLResponse("<!doctype html><title>Sign in</title><p>Please sign in to download this file.")
    if fault == "empty":
        return Response(b"", media_type=content_type)
    size_bytes = (await anyio.Path(path).stat()).st_size
    # "cut" and "endless" tell no length; "truncated" tells that of the half it sends.
    lengths = {"slow": size_bytes, "truncated": size_bytes // 2, "wrong_length": size_bytes}
    known = {"content-length": str(lengths[fault])} if fault in lengths else {}
    body = _faulty(request, path, fault, rate, size_bytes)
    return StreamingResponse(body, media_type=content_type, headers={**headers, **known})


async def _faulty(request: Request, path: Path, fault: FileFault, rate: int, size_bytes: int) -> AsyncIterator[bytes]:
    """Half the file, the file slowly, or the file and then zeros without end."""
    limit_bytes = size_bytes if fault in {"slow", "endless"} else size_bytes // 2
    block_bytes = min(BLOCK_BYTES, max(1, rate // 10)) if fault == "slow" else BLOCK_BYTES
    async with await anyio.open_file(path, "rb") as file:
        sent_bytes = 0
        while sent_bytes < limit_bytes:
            block = await file.read(min(block_bytes, limit_bytes - sent_bytes))
            yield block
            sent_bytes += len(block)
            if fault == "slow":
                await asyncio.sleep(len(block) / rate)
    if fault == "wrong_length":
        drop_connection(request)
    while fault == "endless" and sent_bytes < ENDLESS_LIMIT_BYTES:
        yield bytes(BLOCK_BYTES)
        sent_bytes += BLOCK_BYTES
        # Sending to a caller who left returns at once; without a pause this loop would keep the server to itself.
        await asyncio.sleep(0.001)


def content_type_of(file_name: str) -> str:
    return CONTENT_TYPES.get(file_name.rsplit(".", 1)[-1].lower(), "application/octet-stream")


ROUTES = [
    Route(
        "/files/generations/{request_id}/{variation:int}/{file_name}",
        fal_call("file", generation, public=True),
        methods=["GET"],
    ),
    Route("/files/uploads/{upload_id}/{file_name}", fal_call("file", upload, public=True), methods=["GET"]),
]
