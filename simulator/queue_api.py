"""fal's queue over HTTP: submit, status, status stream, result and cancel."""

import asyncio
import json
import math
import secrets
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from simulator.answers import app_name, detail, fal_call, json_answer, json_object, not_found
from simulator.inputs import APPS
from simulator.moods import Mood
from simulator.simulation import Simulation
from simulator.store import Order, StoredRequest

EARLY_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 15.0
TRUE = frozenset({"1", "true", "yes"})


async def submit(request: Request, simulation: Simulation, mood: Mood) -> Response:
    endpoint_id = request.path_params["endpoint_id"]
    refusal = _refused(request, simulation, endpoint_id)
    if refusal is not None:
        return refusal
    arguments = await json_object(request)
    if arguments is None:
        return detail(400, "Request body must be a JSON object", error_type="bad_request")
    stored = simulation.store.add_request(_order(request, simulation, mood, endpoint_id, arguments))
    # Whatever happens from here on, the request exists: an answer that gets lost does not undo it.
    if mood.webhook_early:
        await _finish_first(simulation, stored)
    simulation.runner.wake()
    body = {"status": "IN_QUEUE", **_links(request, simulation, stored), **_position(simulation, stored)}
    return _queue_answer(body, 200, stored)


def _order(request: Request, simulation: Simulation, mood: Mood, endpoint_id: str, arguments: dict[str, Any]) -> Order:
    return Order(
        request_id=str(uuid.uuid4()),
        endpoint_id=endpoint_id,
        arguments=arguments,
        webhook_url=request.query_params.get("fal_webhook") or None,
        base_url=simulation.base_url(request),
        mood=mood,
        drawn_seed=secrets.randbelow(2**63),
        song_seconds=simulation.config.song_seconds,
        start_timeout_seconds=_start_timeout(request),
    )


def _refused(request: Request, simulation: Simulation, endpoint_id: str) -> Response | None:
    """What the gateway refuses before the model is asked."""
    if endpoint_id in simulation.config.retired:
        return detail(410, f'Application "{app_name(request)}" is no longer available')
    if "/".join(endpoint_id.split("/")[:2]) not in APPS:
        return detail(404, f'Application "{app_name(request)}" not found')
    limit = request.query_params.get("fal_max_queue_length", "")
    if limit.isdigit() and simulation.store.queue_length() > int(limit):
        return detail(429, "The queue is longer than fal_max_queue_length")
    return None


def _start_timeout(request: Request) -> float | None:
    """The new header wins when both are sent."""
    for name in ("x-fal-request-start-timeout", "x-fal-request-timeout"):
        try:
            seconds = float(request.headers.get(name, ""))
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds > 0:
            return seconds
    return None


async def _finish_first(simulation: Simulation, stored: StoredRequest) -> None:
    """Lets the request run and its webhook arrive before the caller knows the request's id."""
    simulation.runner.start_now(stored)
    deadline = time.monotonic() + EARLY_SECONDS
    while time.monotonic() < deadline:
        if any(delivery.tries for delivery in simulation.store.deliveries_of(stored.request_id)):
            return
        await asyncio.sleep(0.02)


def _links(request: Request, simulation: Simulation, stored: StoredRequest) -> dict[str, Any]:
    base = f"{simulation.base_url(request)}/{stored.app_id}/requests/{stored.request_id}"
    return {
        "request_id": stored.request_id,
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
    }


def _position(simulation: Simulation, stored: StoredRequest) -> dict[str, Any]:
    return {"queue_position": simulation.store.queue_position(stored)}


def _queue_answer(body: dict[str, Any], status_code: int, stored: StoredRequest) -> Response:
    return json_answer(body, status_code, {"x-fal-request-id": stored.request_id})


def _find(request: Request, simulation: Simulation) -> StoredRequest | None:
    """Both the app's and the full endpoint id may stand before /requests/, and must be the request's own."""
    try:
        stored = simulation.store.request(request.path_params["request_id"])
    except KeyError:
        return None
    named = request.path_params["endpoint_id"]
    expired = stored.completed_at and stored.completed_at + simulation.config.result_seconds < time.time()
    return None if expired or named not in {stored.app_id, stored.endpoint_id} else stored


def status_body(request: Request, simulation: Simulation, stored: StoredRequest) -> dict[str, Any]:
    with_logs = request.query_params.get("logs", "").lower() in TRUE
    logs = log_lines(stored) if with_logs else None
    body = {"status": stored.status, **_links(request, simulation, stored)}
    if stored.status == "IN_QUEUE":
        return body | _position(simulation, stored)
    if stored.status == "IN_PROGRESS" or stored.outcome is None:
        return body | {"logs": logs}
    seconds = (stored.completed_at or 0.0) - (stored.started_at or stored.completed_at or 0.0)
    body |= {"logs": logs, "metrics": {"inference_time": round(seconds, 6)}}
    if not stored.outcome.succeeded:
        body |= {"error": stored.outcome.error, "error_type": stored.outcome.error_type}
    return body


def log_lines(stored: StoredRequest) -> list[dict[str, str]]:
    """What the model would have printed so far."""
    if stored.started_at is None:
        return []
    lines = [(stored.started_at, "Request started"), (stored.started_at, "Composing")]
    if stored.completed_at is None:
        lines.append((time.time(), f"Rendering for {time.time() - stored.started_at:.0f} s"))
    else:
        lines.append((stored.completed_at, stored.outcome.error if stored.outcome and stored.outcome.error else "Done"))
    return [
        {"message": text, "timestamp": datetime.fromtimestamp(at, UTC).isoformat(), "level": "INFO", "source": "USER"}
        for at, text in lines
    ]


async def status(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    stored = _find(request, simulation)
    if stored is None:
        return not_found()
    status_code = 200 if stored.status == "COMPLETED" else 202
    return _queue_answer(status_body(request, simulation, stored), status_code, stored)


async def status_stream(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    stored = _find(request, simulation)
    if stored is None:
        return not_found()
    events = _events(request, simulation, stored.request_id)
    headers = {"x-fal-request-id": stored.request_id, "cache-control": "no-cache"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _events(request: Request, simulation: Simulation, request_id: str) -> AsyncIterator[str]:
    """One event at once, one at each change, a comment every 15 seconds; ends after COMPLETED."""
    last = ""
    while True:
        stored = simulation.store.request(request_id)
        event = json.dumps(status_body(request, simulation, stored))
        if event != last:
            yield f"data: {event}\n\n"
            last = event
        if stored.status == "COMPLETED":
            return
        if not await simulation.runner.changed(KEEP_ALIVE_SECONDS):
            yield ": ping\n\n"


async def result(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    """Replays the model's status, headers and body, an error's too."""
    stored = _find(request, simulation)
    if stored is None:
        return not_found()
    if stored.outcome is None:
        body = {"detail": "Request is still in progress"}
        return _queue_answer(body, simulation.config.unfinished_status, stored)
    outcome = stored.outcome
    # URLs are made when asked for: after a restart on another port they lead to where the files are now.
    response = _queue_answer(outcome.payload(simulation.base_url(request)), outcome.status_code, stored)
    response.headers["x-fal-billable-units"] = f"{outcome.billable_units:g}"
    if not outcome.succeeded:
        response.headers["x-fal-needs-retry"] = "1" if outcome.needs_retry else "0"
    if "error_type" in outcome.body:
        response.headers["x-fal-error-type"] = str(outcome.body["error_type"])
    if outcome.error_type == "request_timeout":
        response.headers["x-fal-request-timeout-type"] = "user"
    return response


async def cancel(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    stored = _find(request, simulation)
    if stored is None:
        return not_found()
    if stored.status == "COMPLETED":
        return _queue_answer({"status": "ALREADY_COMPLETED"}, 400, stored)
    done = simulation.runner.cancel(stored)
    if done == "removed" and simulation.config.cancel_answer == "newest":
        return _queue_answer({"status": "OK"}, 200, stored)
    return _queue_answer({"status": "CANCELLATION_REQUESTED"}, 202, stored)


_ONE = "/{endpoint_id:path}/requests/{request_id}"
ROUTES = [
    Route(f"{_ONE}/status/stream", fal_call("status", status_stream), methods=["GET"]),
    Route(f"{_ONE}/status", fal_call("status", status), methods=["GET"]),
    Route(f"{_ONE}/cancel", fal_call("cancel", cancel), methods=["PUT"]),
    Route(f"{_ONE}/response", fal_call("result", result), methods=["GET"]),
    Route(_ONE, fal_call("result", result), methods=["GET"]),
    Route("/{endpoint_id:path}", fal_call("submit", submit), methods=["POST"]),
]
