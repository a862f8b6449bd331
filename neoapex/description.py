"""The API's description of itself: every status that a call can answer, each with an example."""

from collections.abc import Iterator, Mapping
from http.client import responses
from typing import Any, Final

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from neoapex import scopes

Schema = Mapping[str, Any]

# One answer for each status; which codes there are besides, the errors themselves say.
REFUSALS: Final[Mapping[int, tuple[str, str, str]]] = {
    400: ("bad_request", "The request can't be understood.", "Check what was sent."),
    401: ("unauthenticated", "Who are you?", "Log in, or send a personal token as `Authorization: Bearer …`."),
    402: ("insufficient_budget", "This song costs more than is left of your budget.", "Ask an admin for more."),
    403: ("scope_missing", "This token may not be used for that.", "Make a token with the scope songs."),
    404: ("not_found", "There is nothing here that is yours.", "Check the address, or look for it in your songs."),
    409: ("idempotency_conflict", "This Idempotency-Key was used for another request.", "Use a new key."),
    413: ("too_large", "This is larger than anything taken here.", "A request may have 256 KiB."),
    415: ("unsupported_media_type", "Send JSON, as `Content-Type: application/json`.", "See /api/docs."),
    416: ("range_not_satisfiable", "The file ends before that range.", "Content-Range says how many bytes there are."),
    422: ("invalid_input", "bpm: Input should be less than 300.", "See /api/docs for what is taken here."),
    429: ("user_rate_reached", "You are asking for songs faster than one person may.", "Wait a moment."),
    500: ("internal_error", "Something broke on our side.", "Try again. If it stays, give the admin the request id."),
    503: ("fal_unavailable", "fal.ai is out of reach just now.", "It looks again by itself. Nothing was charged."),
}
WAITING: Final = {429: 12, 503: 30}
# By the name of the field, where any value would do but not tell anything; None where it is most often absent.
VALUES: Final[Mapping[str, Any]] = {
    "available": "9.9250", "charged": "0.0750", "cost": "0.0750", "granted": "10.0000", "held": "0.0000",
    "spent": "0.0750", "after": "9.8500", "month": "2026-10", "seed": "4242424242424242424", "state": "READY",
    "endpoint": "text-to-music", "event": "job_succeeded", "title": "A slow waltz for upright piano and rain",
    "format": "wav", "storage": "STANDARD", "group": "Genre", "name": "indie folk", "says": "It is ready.",
    "request_id": "764cabcf-b745-4b3e-ae38-1200304cf45b", "preview_url": "/api/tracks/…/preview", "bytes": 16_777_294,
    "peaks_url": "/api/tracks/…/peaks", "next_cursor": "MjAyNi0xMA", "duration_seconds": 95.1, "loudness_lufs": -14.2,
    "true_peak_dbtp": -1.1, "after_seconds": 41.5, "variation": 0,
    "reason": None, "position": None, "trashed_at": None, "deletes_at": None,
}  # fmt: skip
EXAMPLE_ID: Final = "764cabcf-b745-4b3e-ae38-1200304cf45b"
FORMATS: Final[Mapping[str, str]] = {"uuid": EXAMPLE_ID, "date-time": "2026-10-17T09:30:00Z", "date": "2026-10-17"}
ERROR: Final = {"$ref": "#/components/schemas/ErrorOut"}
# What it is, the file decides; the first is what generated clients take for bytes.
BYTES: Final = {
    kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("application/octet-stream", "*/*")
}
RATE_HEADERS: Final = {
    "RateLimit-Policy": {"description": "How much may be asked for in how many seconds.", "schema": {"type": "string"}},
    "RateLimit": {"description": "How much of that is left, and for how many seconds.", "schema": {"type": "string"}},
}
RETRY_HEADER: Final = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


class Described(NinjaAPI):
    """Its description also names what the API object itself answers, for whichever call it is."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The call's own name, which is what its function is called in a generated client; a test finds two alike."""
        return operation.view_func.__name__

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        schema = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        for path, methods in schema["paths"].items():
            for method, call in methods.items():
                below = path.removeprefix(scopes.ROOT)
                _name_scopes(call, scopes.needed_for(method.upper(), below))
                _complete(call["responses"], list(_answered_anywhere(method, path, call)), schema["components"])
                if method == "post":
                    _name_headers(call["responses"])
        return schema


def _name_scopes(call: dict[str, Any], needed: Any) -> None:
    """OpenAPI 3.1 has room for them beside the kind of login; a session may do whatever its person may."""
    for way in call.get("security", []):
        if "PersonalToken" in way:
            way["PersonalToken"] = [str(scope) for scope in needed]


def _answered_anywhere(method: str, path: str, call: Schema) -> Iterator[int]:
    """Who are you, not with this token, too large, not readable, too often, not now; and what a page must send."""
    yield from (400, 401, 403, 413, 429, 500, 503)
    if call.get("parameters") or "requestBody" in call:
        yield 422
    if "{" in path:
        yield 404
    if method != "get":
        yield 415
    if 206 in call["responses"]:
        # To the bucket by a link, or nothing new since the caller's copy.
        yield from (302, 304)


def _complete(answers: dict[int, Any], anywhere: list[int], components: Schema) -> None:
    for status in anywhere:
        answers.setdefault(status, {"description": responses[status]})
    for status, answer in answers.items():
        if status >= 400:
            answer["content"] = {"application/json": {"schema": ERROR, "example": refusal(status)}}
            if status in WAITING:
                answer["headers"] = RETRY_HEADER
        elif status in (200, 206) and (206 in answers or "content" not in answer):
            answer["content"] = BYTES
        for content in answer.get("content", {}).values():
            if content["schema"].get("format") != "binary":
                content.setdefault("example", example(content["schema"], components))


def _name_headers(answers: dict[int, Any]) -> None:
    for status, answer in answers.items():
        if status < 300 or status == 429:
            answer["headers"] = {**answer.get("headers", {}), **RATE_HEADERS}


def refusal(status: int) -> dict[str, object]:
    code, message, hint = REFUSALS[status]
    body: dict[str, object] = {"code": code, "message": message, "hint": hint, "requestId": "5f1c0b9a8d7e4f60"}
    return body | ({"retry_after": WAITING[status]} if status in WAITING else {})


def example(schema: Schema, components: Schema, name: str = "") -> Any:
    """A value that the schema takes, as telling as the names of its fields allow."""
    if "$ref" in schema:
        return example(components["schemas"][schema["$ref"].rpartition("/")[2]], components, name)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if choices := schema.get("anyOf"):
        may_be_absent = any(choice.get("type") == "null" for choice in choices)
        return None if may_be_absent and VALUES.get(name, "") is None else example(choices[0], components, name)
    match schema.get("type"):
        case "object":
            return {part: example(of, components, part) for part, of in schema.get("properties", {}).items()}
        case "array":
            return [example(schema.get("items", {}), components, name)]
        case "string" if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        case "string":
            given = VALUES.get(name)
            return given if isinstance(given, str) else name
        case "integer" | "number":
            return VALUES.get(name) or schema.get("minimum", 0)
        case "boolean":
            return schema.get("default", False)
    return None
