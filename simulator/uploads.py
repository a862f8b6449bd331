"""Storage as both SDKs use it: a token and a direct upload, a presigned one, and multipart."""

import json
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.answers import detail, fal_call
from simulator.files import content_type_of
from simulator.moods import Mood
from simulator.simulation import Simulation
from simulator.store import Upload

TOKEN_SETTING = "upload_token"  # noqa: S105
TOKEN_HOURS = 24
MAX_PARTS = 10_000


class TooLargeError(Exception):
    """More bytes than SIMULATOR_UPLOAD_MAX_BYTES."""


def _token(simulation: Simulation) -> str:
    token = simulation.store.setting(TOKEN_SETTING)
    if token is None:
        token = secrets.token_urlsafe(24)
        simulation.store.save_setting(TOKEN_SETTING, token)
    return token


def _bears_token(request: Request, simulation: Simulation) -> bool:
    given = request.headers.get("authorization", "")
    return secrets.compare_digest(given.encode(), f"Bearer {_token(simulation)}".encode())


def _folder(simulation: Simulation) -> Path:
    folder = simulation.home / "uploads"
    folder.mkdir(exist_ok=True)
    return folder


def _new(file_name: str, content_type: str) -> Upload:
    # The SDKs percent-encode names; what is left of one goes into a URL and a header, never into a path on disk.
    plain = re.sub(r"[^\w.\- ]", "_", unquote(file_name))[-120:] or "upload.bin"
    kind = content_type or content_type_of(plain)
    return Upload(secrets.token_hex(16), plain, kind, secrets.token_urlsafe(16), complete=False)


def _access_url(request: Request, simulation: Simulation, upload: Upload) -> str:
    return f"{simulation.base_url(request)}/files/uploads/{upload.upload_id}/{quote(upload.file_name)}"


async def _save(request: Request, simulation: Simulation, path: Path) -> None:
    """Streams the body beside its place and moves it there when it is whole. Raises TooLargeError."""
    aside = path.with_name(f"{path.name}.partial")
    received_bytes = 0
    async with await anyio.open_file(aside, "wb") as file:
        async for block in request.stream():
            received_bytes += len(block)
            if received_bytes > simulation.config.upload_max_bytes:
                raise TooLargeError
            await file.write(block)
    aside.replace(path)


async def token(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    # An offset and not a Z: older Pythons' fromisoformat, which the SDK calls, knows no Z.
    expires_at = datetime.now(UTC) + timedelta(hours=TOKEN_HOURS)
    return JSONResponse(
        {
            "token": _token(simulation),
            "token_type": "Bearer",
            "base_url": simulation.base_url(request),
            "expires_at": expires_at.isoformat(),
        }
    )


async def direct(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    if not _bears_token(request, simulation):
        return detail(401, "Invalid or expired token")
    upload = _new(request.headers.get("x-fal-file-name", ""), request.headers.get("content-type", ""))
    try:
        await _save(request, simulation, _folder(simulation) / upload.upload_id)
    except TooLargeError:
        return detail(413, "File is too large")
    simulation.store.add_upload(replace(upload, complete=True))
    return JSONResponse({"access_url": _access_url(request, simulation, upload)})


async def initiate(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    """Answers a URL to PUT to (the whole file, or its parts below it) and the one where the file will be."""
    wanted: dict[str, Any] = await request.json()
    upload = _new(str(wanted.get("file_name", "")), str(wanted.get("content_type", "")))
    simulation.store.add_upload(upload)
    kind = "multipart" if request.url.path.endswith("-multipart") else "put"
    base = f"{simulation.base_url(request)}/storage/{kind}/{upload.upload_id}"
    file_url = _access_url(request, simulation, upload)
    return JSONResponse({"upload_url": f"{base}?signature={upload.token}", "file_url": file_url})


def _presigned(request: Request, simulation: Simulation) -> Upload | None:
    upload = simulation.store.upload(request.path_params["upload_id"])
    given = request.query_params.get("signature", "")
    return upload if upload and secrets.compare_digest(given.encode(), upload.token.encode()) else None


async def put(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    upload = _presigned(request, simulation)
    if upload is None:
        return detail(403, "Invalid signature")
    try:
        await _save(request, simulation, _folder(simulation) / upload.upload_id)
    except TooLargeError:
        return detail(413, "File is too large")
    simulation.store.finish_upload(upload.upload_id, request.headers.get("content-type") or upload.content_type)
    return Response(status_code=200)


async def multipart_create(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    if not _bears_token(request, simulation):
        return detail(401, "Invalid or expired token")
    upload = _new(request.headers.get("x-fal-file-name", ""), request.headers.get("content-type", ""))
    simulation.store.add_upload(upload)
    return JSONResponse({"access_url": _access_url(request, simulation, upload), "uploadId": upload.token})


def _multipart(request: Request, simulation: Simulation) -> Upload | None:
    """The Python SDK shows its token and the upload id, the JavaScript one the signature in the URL."""
    if "signature" in request.query_params:
        return _presigned(request, simulation)
    upload = simulation.store.upload(request.path_params["upload_id"])
    known = upload and request.path_params.get("multipart_id") == upload.token
    return upload if known and _bears_token(request, simulation) else None


async def multipart_part(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    upload, number = _multipart(request, simulation), request.path_params["part"]
    if upload is None or not 1 <= number <= MAX_PARTS:
        return detail(403, "Invalid upload")
    path = _folder(simulation) / f"{upload.upload_id}.part{number}"
    try:
        await _save(request, simulation, path)
    except TooLargeError:
        return detail(413, "File is too large")
    etag = f'"{upload.upload_id[:8]}-{number}"'
    return JSONResponse({"partNumber": number, "etag": etag}, headers={"ETag": etag})


async def multipart_complete(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    """Joins the named parts in the order of their numbers, whatever order the list has."""
    upload = _multipart(request, simulation)
    if upload is None:
        return detail(403, "Invalid upload")
    body = json.loads(await request.body())
    numbers = sorted(int(part["partNumber"]) for part in body["parts"])
    parts = [_folder(simulation) / f"{upload.upload_id}.part{number}" for number in numbers]
    if not parts or not all(part.exists() for part in parts):
        return detail(400, "A part is missing", error_type="bad_request")
    await _join(parts, _folder(simulation) / upload.upload_id)
    simulation.store.finish_upload(upload.upload_id, upload.content_type)
    return JSONResponse({"access_url": _access_url(request, simulation, upload)})


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while block := await file.read(1 << 20):
            yield block


async def _join(parts: list[Path], whole: Path) -> None:
    aside = whole.with_name(f"{whole.name}.partial")
    async with await anyio.open_file(aside, "wb") as file:
        for part in parts:
            async for block in _blocks(part):
                await file.write(block)
    aside.replace(whole)
    for part in parts:
        part.unlink(missing_ok=True)


_SDK = "/files/uploads/{upload_id}/{file_name}/multipart/{multipart_id}"
_URL = "/storage/multipart/{upload_id}"
ROUTES = [
    Route("/storage/auth/token", fal_call("upload", token), methods=["POST"]),
    Route("/storage/upload/initiate", fal_call("upload", initiate), methods=["POST"]),
    Route("/storage/upload/initiate-multipart", fal_call("upload", initiate), methods=["POST"]),
    Route("/storage/put/{upload_id}", fal_call("upload", put, public=True), methods=["PUT"]),
    Route("/files/upload", fal_call("upload", direct, public=True), methods=["POST"]),
    Route("/files/upload/multipart", fal_call("upload", multipart_create, public=True), methods=["POST"]),
    *[
        route
        for base in (_SDK, _URL)
        for route in (
            Route(f"{base}/complete", fal_call("upload", multipart_complete, public=True), methods=["POST"]),
            Route(f"{base}/{{part:int}}", fal_call("upload", multipart_part, public=True), methods=["PUT"]),
        )
    ],
]
