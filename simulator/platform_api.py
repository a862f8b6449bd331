"""fal's platform API as far as a studio needs it: models, prices, billing events, addresses, and the JWKS."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.answers import authorised, detail, fal_call, json_answer
from simulator.inputs import ENDPOINTS
from simulator.moods import Mood
from simulator.outcomes import UNIT_MICROS
from simulator.simulation import Simulation

UNIT_PRICE = UNIT_MICROS / 1_000_000
MAX_IDS = 50
MAX_EVENTS = 10_000
MAX_SPAN = timedelta(days=90)
DEFAULT_SPAN = timedelta(hours=24)


def _page(name: str, entries: list[dict[str, Any]]) -> Response:
    return JSONResponse({name: entries, "next_cursor": None, "has_more": False})


def _asked(request: Request, name: str) -> list[str]:
    """A parameter may be repeated, or hold several values between commas."""
    return [value for given in request.query_params.getlist(name) for value in given.split(",") if value]


def _endpoint_ids(request: Request) -> list[str]:
    asked = _asked(request, "endpoint_id")
    return [endpoint_id for endpoint_id in ENDPOINTS if not asked or endpoint_id in asked]


async def models(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    def entry(endpoint_id: str) -> dict[str, Any]:
        metadata = {
            "display_name": f"Sonauto V2 {endpoint_id.rsplit('/', 1)[-1]}",
            "category": "audio-to-audio" if endpoint_id.endswith("extend") else "text-to-audio",
            "description": "A song, made by the simulator.",
            "status": "deprecated" if endpoint_id in simulation.config.retired else "active",
        }
        return {"endpoint_id": endpoint_id, "metadata": {**metadata, **told.get(endpoint_id, {})}}

    told = json.loads(simulation.store.setting("models") or "{}")
    return _page("models", [entry(one) for one in _endpoint_ids(request) if told.get(one, {}) is not None])


async def pricing(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    asked = _asked(request, "endpoint_id")
    if not 1 <= len(asked) <= MAX_IDS:
        return detail(400, "endpoint_id must be given 1 to 50 times", error_type="bad_request")
    price = {"unit_price": UNIT_PRICE, "unit": "generations", "currency": "USD"}
    told = json.loads(simulation.store.setting("prices") or "{}")
    ids = [endpoint_id for endpoint_id in _endpoint_ids(request) if told.get(endpoint_id, {}) is not None]
    return _page("prices", [{"endpoint_id": one, **price, **told.get(one, {})} for one in ids])


async def estimate(request: Request, _simulation: Simulation, _mood: Mood) -> Response:
    wanted = await request.json()
    amounts = [entry.get("unit_quantity", entry.get("call_quantity", 0)) for entry in wanted["endpoints"].values()]
    total = round(sum(amounts) * UNIT_MICROS) / 1_000_000
    return JSONResponse({"estimate_type": wanted["estimate_type"], "total_cost": total, "currency": "USD"})


async def billing_events(request: Request, simulation: Simulation, _mood: Mood) -> Response:
    """Newest first. As at fal, a line that is billed between two pages moves what comes after it."""
    admin_key = simulation.config.admin_key
    if admin_key and not authorised(request, admin_key):
        return detail(403, "This endpoint needs an admin API key.", error_type="forbidden")
    try:
        since, until = _span(request)
        limit, number = _limit(request), _page_number(request)
        request_ids = _asked(request, "request_id")
        if len(request_ids) > MAX_IDS:
            raise ValueError("at most 50 request ids")
    except ValueError as error:
        return detail(400, str(error), error_type="bad_request")
    lines = simulation.store.bill_page(
        since.timestamp(),
        until.timestamp(),
        request_ids,
        _asked(request, "endpoint_id"),
        limit=limit + 1,
        offset=(number - 1) * limit,
    )
    has_more = len(lines) > limit
    events = [_billing_event(line) for line in lines[:limit]]
    return json_answer(
        {"billing_events": events, "next_cursor": _cursor(number + 1) if has_more else None, "has_more": has_more}
    )


def _span(request: Request) -> tuple[datetime, datetime]:
    until = _moment(request, "end", datetime.now(UTC))
    since = _moment(request, "start", until - DEFAULT_SPAN)
    if not since < until <= since + MAX_SPAN:
        raise ValueError("start must be before end, and at most 90 days")
    return since, until


def _moment(request: Request, name: str, default: datetime) -> datetime:
    given = request.query_params.get(name)
    moment = datetime.fromisoformat(given) if given else default
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _limit(request: Request) -> int:
    limit = int(request.query_params.get("limit", MAX_EVENTS))
    if not 1 <= limit <= MAX_EVENTS:
        raise ValueError(f"limit must be from 1 to {MAX_EVENTS}")
    return limit


def _page_number(request: Request) -> int:
    cursor = request.query_params.get("cursor")
    number = int(base64.b64decode(cursor, validate=True)) if cursor else 1
    if number < 1:
        raise ValueError("no such page")
    return number


def _cursor(number: int) -> str:
    return base64.b64encode(str(number).encode()).decode()


def _billing_event(line: dict[str, Any]) -> dict[str, Any]:
    cost = line["cost_micros"] / 1_000_000
    return {
        "request_id": line["request_id"],
        "endpoint_id": line["endpoint_id"],
        "timestamp": datetime.fromtimestamp(line["billed_at"], UTC).isoformat(),
        "output_units": line["units"],
        "unit_price": UNIT_PRICE,
        "percent_discount": None,
        "cost_subtotal": cost,
        "cost_discount": 0.0,
        "cost_total": cost,
        "cost_estimate_nano_usd": line["cost_micros"] * 1000,
        **line["fields"],
    }


async def meta(_request: Request, _simulation: Simulation, _mood: Mood) -> Response:
    return JSONResponse({"webhook_ip_ranges": ["127.0.0.1/32", "::1/128"]})


async def jwks(_request: Request, simulation: Simulation, _mood: Mood) -> Response:
    return JSONResponse(simulation.keyring.jwks())


ROUTES = [
    Route("/.well-known/jwks.json", fal_call("jwks", jwks, public=True), methods=["GET"]),
    Route("/v1/meta", fal_call("platform", meta, public=True), methods=["GET"]),
    Route("/v1/models", fal_call("platform", models, public=True), methods=["GET"]),
    Route("/v1/models/pricing", fal_call("platform", pricing), methods=["GET"]),
    Route("/v1/models/pricing/estimate", fal_call("platform", estimate), methods=["POST"]),
    Route("/v1/models/billing-events", fal_call("platform", billing_events), methods=["GET"]),
]
