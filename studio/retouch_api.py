"""Retouches and extensions over HTTP for programs: parse, one call into the domain, present."""

from typing import Annotated, Any, Final
from uuid import UUID

from django.http import HttpRequest
from ninja import Header, Router
from ninja.responses import Status

from studio import extensions, lineage, queries, retouches
from studio.api import Key, object_of, person_of
from studio.errors import InvalidInput, NotFound, Problem
from studio.fal.schemas import ExtendInput, InpaintInput
from studio.retouch_schemas import RetouchOut
from studio.schemas import ErrorOut, GenerationOut
from studio.states import SourceAudio, Verdict

router = Router()

REFUSALS: Final[dict[Any, Any]] = dict.fromkeys((401, 403, 404, 409, 415, 422, 429, 503), ErrorOut)
PAID: Final[dict[Any, Any]] = {**REFUSALS, 402: ErrorOut}
AskedOnce = Annotated[Key | None, Header(alias="Idempotency-Key")]


def _takes(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _from_track(inputs: type[InpaintInput | ExtendInput], example: dict[str, Any]) -> dict[str, Any]:
    """The endpoint's own inputs, with the track in place of an address."""
    schema = inputs.model_json_schema()
    del schema["properties"]["audio_url"]
    schema["properties"] |= {
        "track": {"type": "string", "format": "uuid"},
        "source_audio": {"enum": SourceAudio.values, "default": SourceAudio.MASTER.value},
    }
    schema["required"] = ["track", *schema.get("required", [])]
    for name, definition in schema.pop("$defs", {}).items():
        schema["properties"][name.lower()] = definition
    schema["example"] = example
    return _takes(schema)


SOME_TRACK: Final = "3f7c1b3e-5d0a-4c53-9f0e-3a7f8f0a2c11"
TAKES_A_RETOUCH: Final = _from_track(
    InpaintInput, {"track": SOME_TRACK, "section": {"start": 12.5, "end": 16.5}, "tags": ["indie folk"], "lyrics": ""}
)
TAKES_AN_EXTENSION: Final = _from_track(
    ExtendInput, {"track": SOME_TRACK, "side": "right", "extend_duration": 20, "crop_duration": 0}
)
TAKES_A_VERDICT: Final = _takes(
    {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "description": f"{', '.join(Verdict.values)}, or in your own words"},
            "note": {"type": "string", "maxLength": retouches.NOTE_CHARACTERS},
            "keep_seed": {"type": "boolean", "default": False},
        },
        "additionalProperties": False,
        "example": {"reason": "GLITCH", "note": "a click at 0:14"},
    }
)
TAKES_A_TAKE: Final = _takes(
    {
        "type": "object",
        "properties": {"take": {"type": "string", "format": "uuid"}},
        "required": ["take"],
        "additionalProperties": False,
    }
)


@router.post(
    "/retouches",
    response={200: RetouchOut, 201: RetouchOut, **PAID},
    tags=["retouches"],
    openapi_extra=TAKES_A_RETOUCH,
)
def start_retouch(request: HttpRequest, idempotency_key: AskedOnce = None) -> Status[RetouchOut]:
    """Make a section of a track anew: the first take is asked for and its price set aside. The track stays as it is."""
    person = person_of(request)
    track_id, audio, inputs = _asked(request)
    retouch, new = retouches.start(
        person=person, track_id=track_id, inputs=inputs, audio=audio, idempotency_key=idempotency_key
    )
    return Status(201 if new else 200, RetouchOut.of(retouches.read(person, retouch.pk)))


@router.get("/retouches/{retouch_id}", response={200: RetouchOut, 401: ErrorOut, 404: ErrorOut}, tags=["retouches"])
def read_retouch(request: HttpRequest, retouch_id: UUID) -> RetouchOut:
    return RetouchOut.of(retouches.read(person_of(request), retouch_id))


@router.post(
    "/retouches/{retouch_id}/takes",
    response={200: RetouchOut, 201: RetouchOut, **PAID},
    tags=["retouches"],
    openapi_extra=TAKES_A_VERDICT,
)
def retry_retouch(request: HttpRequest, retouch_id: UUID, idempotency_key: AskedOnce = None) -> Status[RetouchOut]:
    """Say why the last take won't do, and ask for one more: after the first at most so many as there are retries."""
    person = person_of(request)
    retouches.own(person, retouch_id)
    body = object_of(request)
    said = {name: _text(body, name) for name in ("reason", "note")}
    _nothing_else(body, {"reason", "note", "keep_seed"})
    keep_seed = body.get("keep_seed", False)
    if not isinstance(keep_seed, bool):
        raise InvalidInput([Problem("wrong_type", "keep_seed: neither true nor false", "Leave it out.", "keep_seed")])
    _, new = retouches.retry(
        person=person, retouch_id=retouch_id, keep_seed=keep_seed, idempotency_key=idempotency_key, **said
    )
    return Status(201 if new else 200, RetouchOut.of(retouches.read(person, retouch_id)))


@router.post(
    "/retouches/{retouch_id}/accept",
    response={200: RetouchOut, **REFUSALS},
    tags=["retouches"],
    openapi_extra=TAKES_A_TAKE,
)
def accept_take(request: HttpRequest, retouch_id: UUID) -> RetouchOut:
    """Put the take's track among one's songs. What is still under way is cancelled."""
    person = person_of(request)
    retouches.own(person, retouch_id)
    body = object_of(request)
    _nothing_else(body, {"take"})
    retouches.accept(person=person, retouch_id=retouch_id, take_id=_id(body, "take"))
    return RetouchOut.of(retouches.read(person, retouch_id))


@router.post("/retouches/{retouch_id}/abandon", response={200: RetouchOut, **REFUSALS}, tags=["retouches"])
def abandon_retouch(request: HttpRequest, retouch_id: UUID) -> RetouchOut:
    """Keep the original. What was charged stays charged: it was made."""
    person = person_of(request)
    retouches.abandon(person=person, retouch_id=retouch_id)
    return RetouchOut.of(retouches.read(person, retouch_id))


@router.post("/retouches/{retouch_id}/undo", response={200: RetouchOut, **REFUSALS}, tags=["retouches"])
def undo_retouch(request: HttpRequest, retouch_id: UUID) -> RetouchOut:
    """Take an acceptance back, until something else is made from the take."""
    person = person_of(request)
    retouches.undo(person=person, retouch_id=retouch_id)
    return RetouchOut.of(retouches.read(person, retouch_id))


@router.post(
    "/extensions",
    response={200: GenerationOut, 201: GenerationOut, **PAID},
    tags=["retouches"],
    openapi_extra=TAKES_AN_EXTENSION,
)
def start_extension(request: HttpRequest, idempotency_key: AskedOnce = None) -> Status[GenerationOut]:
    """More music before or after a track. Without words it goes on with the track's own."""
    person = person_of(request)
    track_id, audio, inputs = _asked(request)
    generation, new = extensions.start(
        person=person, track_id=track_id, inputs=inputs, audio=audio, idempotency_key=idempotency_key
    )
    return Status(201 if new else 200, GenerationOut.of(queries.card(person, generation.pk)))


@router.get(
    "/tracks/{track_id}/lineage",
    response={200: dict[str, Any], 401: ErrorOut, 404: ErrorOut},
    tags=["retouches"],
)
def read_lineage(request: HttpRequest, track_id: UUID) -> dict[str, Any]:
    """Everything that came from the song that the track belongs to, with what was changed and what it cost."""
    return lineage.document(lineage.tree(person_of(request), track_id))


def _asked(request: HttpRequest) -> tuple[UUID, str, dict[str, Any]]:
    """The track, which file of it, and the inputs, which the endpoint's own schema judges."""
    body = object_of(request)
    track_id = _id(body, "track")
    audio = body.pop("source_audio", SourceAudio.MASTER)
    if audio not in SourceAudio.values:
        hint = f"Use {' or '.join(SourceAudio.values)}, or leave it out."
        raise InvalidInput([Problem("not_offered", "source_audio: this value is not offered", hint, "source_audio")])
    return track_id, audio, body


def _id(body: dict[str, Any], name: str) -> UUID:
    """:raises InvalidInput: there is none. :raises NotFound: nothing has such an id."""
    given = body.pop(name, None)
    if not isinstance(given, str):
        raise InvalidInput([Problem("required", f"{name}: missing", "Give its id as text.", name)])
    try:
        return UUID(given)
    except ValueError:
        raise NotFound from None


def _text(body: dict[str, Any], name: str) -> str:
    given = body.get(name) or ""
    if not isinstance(given, str) or "\0" in given or given != given.encode("utf-8", "replace").decode():
        raise InvalidInput([Problem("wrong_type", f"{name}: no text that can be kept", "Give it as text.", name)])
    return given


def _nothing_else(body: dict[str, Any], known: set[str]) -> None:
    if unknown := sorted(body.keys() - known):
        name = str(unknown[0])[:60]
        raise InvalidInput([Problem("unknown_field", f"{name}: not known here", "Leave it out.", name)])
