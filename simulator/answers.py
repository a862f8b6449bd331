"""The shapes of fal's answers that more than one route gives: errors, ids, the caller's key, and moods on a call."""

import asyncio
import json
import os
import secrets
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from simulator.moods import CALM, Call, Mood
from simulator.outcomes import problem
from simulator.simulation import Simulation

Handler = Callable[[Request, Simulation, Mood], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]

MAX_BODY_BYTES = 1 << 20
NGINX = "<html><head><title>{0} {1}</title></head><body><center><h1>{0} {1}</h1></center><hr>nginx</body></html>"
REASONS = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}
TEXTS = {
    400: "Bad request",
    401: 'Cannot access application "{app}". Authentication failed: invalid key credentials.',
    402: "Payment required.",
    403: "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing.",
    404: 'Application "{app}" not found',
    410: 'Application "{app}" is no longer available',
    429: "Too many requests",
}
ERROR_TYPES = {400: "bad_request", 500: "internal_error", 502: "runner_incomplete_response", 504: "request_timeout"}


def json_answer(body: object, status_code: int = 200, headers: dict[str, str] | None = None) -> Response:
    """In ASCII, unlike Starlette's own: a caller's text comes back whatever half characters it holds."""
    return Response(json.dumps(body), status_code, headers, media_type="application/json")


def detail(
    status_code: int, text: str, *, error_type: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A text under `detail`, as fal's gateway and machinery answer."""
    body = {"detail": text, **({"error_type": error_type} if error_type else {})}
    more = {"x-fal-error-type": error_type} if error_type else {}
    return json_answer(body, status_code, {**more, **(headers or {})})


def not_found() -> Response:
    return json_answer({"status": "NOT_FOUND"}, 404)


def app_name(request: Request) -> str:
    parts = request.url.path.strip("/").split("/")
    return parts[1] if len(parts) > 1 else parts[0]


def told_answer(request: Request, mood: Mood) -> Response:
    """The answer that a mood's `answer_status` asks for, in fal's shape for that status."""
    status_code = mood.answer_status or 500
    headers = {} if mood.retry_after is None else {"retry-after": str(mood.retry_after)}
    if mood.nginx:
        return HTMLResponse(NGINX.format(status_code, REASONS.get(status_code, "Error")), status_code, headers)
    if status_code == 422 and not mood.as_text:
        return json_answer({"detail": [problem("missing", "Field required", ("body", "prompt"))]}, 422, headers)
    if 300 <= status_code < 400:
        return Response(status_code=status_code, headers={"location": str(request.base_url), **headers})
    kind = "runner_scheduling_failure" if status_code == 503 else ERROR_TYPES.get(status_code)
    text = TEXTS.get(status_code, REASONS.get(status_code, "Error")).format(app=app_name(request))
    return detail(status_code, text, error_type=kind, headers=headers)


def authorised(request: Request, *keys: str) -> bool:
    given = request.headers.get("authorization", "").encode()
    return any(secrets.compare_digest(given, f"Key {key}".encode()) for key in keys if key)


def unauthorised(request: Request) -> Response:
    if not request.headers.get("authorization"):
        return detail(401, "Authorization header is required")
    return detail(401, TEXTS[401].format(app=app_name(request)))


def drop_connection(request: Request) -> None:
    """Shuts the caller's socket without a byte of answer: no ASGI message can do that, so find the descriptor."""
    if request.client is None:
        return
    # Granian gives the port as a text.
    peer = (request.client.host, int(request.client.port))
    for entry in Path("/proc/self/fd").iterdir():
        if _is_peer(entry, peer):
            with socket.socket(fileno=os.dup(int(entry.name))) as connection:
                connection.shutdown(socket.SHUT_RDWR)


def _is_peer(entry: Path, peer: tuple[str, int]) -> bool:
    try:
        if not str(entry.readlink()).startswith("socket:"):
            return False
        with socket.socket(fileno=os.dup(int(entry.name))) as connection:
            return bool(connection.getpeername()[:2] == peer)
    except OSError:
        return False


def fal_call(call: Call, handler: Handler, *, public: bool = False) -> Endpoint:
    """Wraps a handler as fal's gateway does: the key first, then what the mood says, an id on every answer."""

    async def endpoint(request: Request) -> Response:
        simulation: Simulation = request.app.state.simulation
        config = simulation.config
        if not public and not authorised(request, config.key, config.admin_key):
            return unauthorised(request)
        mood = await _taken(call, request, simulation) or CALM
        response = await _moody(request, simulation, mood, handler)
        if mood.with_request_id:
            response.headers.setdefault("x-fal-request-id", str(uuid.uuid4()))
        if mood.clock_offset_seconds:
            response.headers["date"] = formatdate(time.time() + mood.clock_offset_seconds, usegmt=True)
        return response

    return endpoint


async def _taken(call: Call, request: Request, simulation: Simulation) -> Mood | None:
    # A HEAD is how download libraries look before they fetch; it must not use up what was meant for the fetch.
    if request.method == "HEAD":
        return None
    arguments = await json_object(request) if call == "submit" else None
    return simulation.store.take_mood(call, (arguments or {}).get("seed"))


async def json_object(request: Request) -> dict[str, Any] | None:
    """The body as an object, read once however often it is asked for; None for anything else and for a huge one."""
    if not hasattr(request.state, "json_object"):
        request.state.json_object = await _read_object(request)
    read: dict[str, Any] | None = request.state.json_object
    return read


async def _read_object(request: Request) -> dict[str, Any] | None:
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > MAX_BODY_BYTES:
            return None
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


async def _moody(request: Request, simulation: Simulation, mood: Mood, handler: Handler) -> Response:
    """`accept_anyway` and `drop="after"` let the call take effect although its answer is lost."""
    response = None
    if (not mood.answer_status and mood.drop != "before") or mood.accept_anyway:
        response = await handler(request, simulation, mood)
    await asyncio.sleep(mood.delay_seconds)
    if mood.drop:
        drop_connection(request)
    if mood.answer_status or response is None:
        return told_answer(request, mood)
    return emptied(response) if mood.empty else response


def emptied(response: Response) -> Response:
    """The same answer with nothing in its lists."""
    body = json.loads(bytes(response.body))
    return json_answer({name: [] if isinstance(value, list) else value for name, value in body.items()})
