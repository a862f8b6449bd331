"""The simulator's own pages under /_sim: the bill, the prices, the moods, the keys, what was asked and delivered."""

import json
import time
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.answers import json_answer
from simulator.moods import Mood
from simulator.outcomes import UNIT_MICROS
from simulator.simulation import Simulation
from simulator.store import StoredRequest


def _simulation(request: Request) -> Simulation:
    simulation: Simulation = request.app.state.simulation
    return simulation


class ToldLine(BaseModel):
    """A line of the bill that no song made. `fields` replace those of its billing event, as fal would send them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: str
    endpoint_id: str = "sonauto/v2/text-to-music"
    cost_micros: int = UNIT_MICROS
    units: float = 1.0
    billed_at: Annotated[float, Field(default_factory=time.time)]
    fields: dict[str, Any] = {}


TOLD_OF_ENDPOINTS = TypeAdapter(dict[str, dict[str, Any] | None])


def _invalid(error: ValidationError) -> Response:
    return json_answer({"detail": error.errors(include_url=False, include_context=False, include_input=False)}, 422)


async def bill(request: Request) -> Response:
    """POST adds a line, DELETE removes those of a request id; every answer is the bill as it stands then."""
    store = _simulation(request).store
    if request.method == "POST":
        try:
            store.add_bill_line(ToldLine.model_validate_json(await request.body()).model_dump())
        except ValidationError as error:
            return _invalid(error)
    if request.method == "DELETE":
        store.remove_bill_lines(request.query_params.get("request_id", ""))
    lines = store.bill()
    entries = [{name: line[name] for name in ("request_id", "endpoint_id", "cost_micros")} for line in lines]
    return json_answer({"requests": entries, "total_micros": sum(line["cost_micros"] for line in lines)})


async def moods(request: Request) -> Response:
    """POST adds one mood, DELETE clears them all; every answer lists what is left."""
    store = _simulation(request).store
    if request.method == "POST":
        try:
            store.add_mood(Mood.model_validate_json(await request.body()))
        except ValidationError as error:
            return _invalid(error)
    if request.method == "DELETE":
        store.clear_moods()
    left = [mood.model_dump(exclude_defaults=True) | {"next": mood.next} for mood in store.moods()]
    return json_answer({"moods": left})


async def told(request: Request) -> Response:
    """What the price list or the catalogue says of an endpoint instead of the truth: fields by endpoint id."""
    try:
        fields = TOLD_OF_ENDPOINTS.validate_json(await request.body())
    except ValidationError as error:
        return _invalid(error)
    _simulation(request).store.save_setting(request.url.path.rsplit("/", 1)[-1], json.dumps(fields))
    return json_answer(fields)


async def rotate_keys(request: Request) -> Response:
    """`?keep=1` goes on publishing the old keys; without it they are withdrawn at once."""
    keyring = _simulation(request).keyring
    keyring.rotate("add" if request.query_params.get("keep") == "1" else "replace")
    return json_answer(keyring.jwks())


async def requests(request: Request) -> Response:
    """Every request that was accepted, billed or not."""

    def entry(stored: StoredRequest) -> dict[str, Any]:
        names = ("request_id", "endpoint_id", "arguments", "webhook_url", "status", "cancel_requested", "submitted_at")
        return {name: getattr(stored, name) for name in names}

    return json_answer({"requests": [entry(stored) for stored in _simulation(request).store.requests()]})


async def deliveries(request: Request) -> Response:
    """Every webhook delivery with what each try was answered; `pending` ones will be tried again."""
    entries = [
        {"request_id": item.request_id, "url": item.url, "answers": item.answers, "pending": item.next_at is not None}
        for item in _simulation(request).store.deliveries()
    ]
    return json_answer({"deliveries": entries})


ROUTES = [
    Route("/_sim/bill", bill, methods=["GET", "POST", "DELETE"]),
    Route("/_sim/prices", told, methods=["PUT"]),
    Route("/_sim/models", told, methods=["PUT"]),
    Route("/_sim/moods", moods, methods=["GET", "POST", "DELETE"]),
    Route("/_sim/keys/rotate", rotate_keys, methods=["POST"]),
    Route("/_sim/requests", requests, methods=["GET"]),
    Route("/_sim/deliveries", deliveries, methods=["GET"]),
]
