"""The studio over HTTP for programs: parse, one call into the domain, present."""

import json
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from ninja import Header, Query, Router
from ninja.errors import HttpError
from ninja.responses import Status
from pydantic import WithJsonSchema

from studio import generations, listening, queries, tracks
from studio.errors import InvalidInput, Problem
from studio.fal.schemas import TextToMusicInput
from studio.media import waveforms
from studio.media.ranges import ranged_response
from studio.models import User
from studio.schemas import (
    CancelOut,
    ErrorOut,
    GenerationOut,
    GenerationsOut,
    QuoteOut,
    TagOut,
    TagsOut,
    TrackIn,
    TrackOut,
)
from studio.states import GenerationState
from studio.tags import search

router = Router()
# The endpoint's own schema judges the inputs, in our words; this tells programs and the docs what it takes.
_SONG = TextToMusicInput.model_json_schema()
_SONG["properties"] = {"endpoint": {"type": "string", "default": "text-to-music"}, **_SONG["properties"]}
_SONG["example"] = {"prompt": "A slow waltz for upright piano and rain", "num_songs": 1, "vibe_strength": 2.0}
TAKES_A_SONG = {"requestBody": {"required": True, "content": {"application/json": {"schema": _SONG}}}}
# Told to programs; the start itself judges it, in our words.
Key = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^[\x20-\x7e]{1,255}$"})]
MediaView = Callable[..., HttpResponseBase]

AUDIO_TYPES = {"wav": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg", "ogg": "audio/ogg", "m4a": "audio/mp4"}


def person_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "the API object lets nobody in without a person"  # noqa: S101
    return request.user


def body_of(request: HttpRequest) -> tuple[str, dict[str, Any]]:
    """The endpoint that is asked for and its inputs, unjudged: the endpoint's own schema judges them."""
    if request.content_type != "application/json":
        raise HttpError(415, "Send JSON, as `Content-Type: application/json`.")
    try:
        body = json.loads(request.body, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise HttpError(400, "no JSON") from None
    if not isinstance(body, dict):
        raise HttpError(400, "no object")
    endpoint = body.pop("endpoint", "text-to-music")
    if not isinstance(endpoint, str):
        hint = "Give it as text, or leave it out."
        message = "The endpoint is a name, like text-to-music."
        raise InvalidInput([Problem("invalid_endpoint", message, hint, "endpoint")])
    return endpoint, body


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, refused where it says a thing twice: nobody can tell which of the two is to be paid for."""
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a name occurs twice")
    return read


def _file(path: str) -> Callable[[MediaView], MediaView]:
    """GET, and HEAD as well: download managers ask how large a file is before they fetch it."""

    def register(view: MediaView) -> MediaView:
        answers: dict[Any, Any] = {200: None, 206: None, 401: ErrorOut, 404: ErrorOut, 409: ErrorOut, 416: ErrorOut}
        router.api_operation(["HEAD"], path, response=answers, include_in_schema=False)(view)
        router.get(path, response=answers, tags=["media"])(view)
        return view

    return register


@router.post(
    "/quotes",
    response={200: QuoteOut, 401: ErrorOut, 415: ErrorOut, 422: ErrorOut},
    tags=["songs"],
    openapi_extra=TAKES_A_SONG,
)
def make_quote(request: HttpRequest) -> QuoteOut:
    """What a song would cost, what is left, and every reason why it can't start. Nothing is written."""
    endpoint, inputs = body_of(request)
    return QuoteOut.of(generations.quote(person=person_of(request), endpoint=endpoint, inputs=inputs))


@router.post(
    "/generations",
    response={
        200: GenerationOut,
        201: GenerationOut,
        401: ErrorOut,
        402: ErrorOut,
        403: ErrorOut,
        409: ErrorOut,
        422: ErrorOut,
        429: ErrorOut,
        503: ErrorOut,
    },
    tags=["songs"],
    openapi_extra=TAKES_A_SONG,
)
def start_generation(
    request: HttpRequest, idempotency_key: Annotated[Key | None, Header(alias="Idempotency-Key")] = None
) -> Status[GenerationOut]:
    """Ask for a song. The same Idempotency-Key again gives the same generation with 200."""
    endpoint, inputs = body_of(request)
    person = person_of(request)
    generation, new = generations.start_once(
        person=person, endpoint=endpoint, inputs=inputs, idempotency_key=idempotency_key
    )
    return Status(201 if new else 200, GenerationOut.of(queries.card(person, generation.pk)))


@router.get("/generations", response={200: GenerationsOut, 401: ErrorOut}, tags=["songs"])
def list_generations(
    request: HttpRequest,
    state: GenerationState | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> GenerationsOut:
    """One's own generations, newest first. The timeline is left out here."""
    page = queries.feed(person_of(request), before=cursor, limit=limit, state=state, with_cleared=True)
    items = [GenerationOut.of(card, with_timeline=False) for card in page.cards]
    return GenerationsOut(items=items, next_cursor=page.next_cursor)


@router.get("/generations/{generation_id}", response={200: GenerationOut, 401: ErrorOut, 404: ErrorOut}, tags=["songs"])
def read_generation(request: HttpRequest, generation_id: UUID) -> GenerationOut:
    return GenerationOut.of(queries.card(person_of(request), generation_id))


@router.post(
    "/generations/{generation_id}/cancel",
    response={200: CancelOut, 401: ErrorOut, 404: ErrorOut, 409: ErrorOut},
    tags=["songs"],
)
def cancel_generation(request: HttpRequest, generation_id: UUID) -> CancelOut:
    """Out of line at once while it waits; afterwards a wish that fal may or may not grant."""
    generation = generations.cancel(person=person_of(request), generation_id=generation_id)
    return CancelOut(state=generation.state, cancel_requested=generation.cancel_requested_at is not None)


@router.post(
    "/tracks/{track_id}/fetch-again",
    response={200: TrackOut, 401: ErrorOut, 404: ErrorOut, 409: ErrorOut},
    tags=["songs"],
)
def fetch_track_again(request: HttpRequest, track_id: UUID) -> TrackOut:
    """Fetch once more what came as audio that can't be read, within seven days. It costs nothing."""
    return TrackOut.of(tracks.fetch_again(person=person_of(request), track_id=track_id))


@router.get("/tracks/{track_id}", response={200: TrackOut, 401: ErrorOut, 404: ErrorOut}, tags=["songs"])
def read_track(request: HttpRequest, track_id: UUID) -> TrackOut:
    return TrackOut.of(tracks.own(person_of(request), track_id))


@router.patch(
    "/tracks/{track_id}",
    response={200: TrackOut, 401: ErrorOut, 404: ErrorOut, 409: ErrorOut, 422: ErrorOut},
    tags=["songs"],
)
def change_track(request: HttpRequest, track_id: UUID, change: TrackIn) -> TrackOut:
    """Pick a variation as the keeper, or take that back. Of two, one at most is kept."""
    person = person_of(request)
    if change.keeper is None:
        return TrackOut.of(tracks.own(person, track_id))
    return TrackOut.of(listening.keep(person=person, track_id=track_id, kept=change.keeper))


@_file("/tracks/{track_id}/preview")
def preview(request: HttpRequest, track_id: UUID) -> HttpResponseBase:
    """The MP3 that the player plays, with Range."""
    track = tracks.own_ready(person_of(request), track_id)
    return ranged_response(
        request, track.preview_key, "audio/mpeg", tracks.file_name(track, "mp3"), as_attachment=False
    )


@_file("/tracks/{track_id}/peaks")
def read_peaks(request: HttpRequest, track_id: UUID, format: str = "dat") -> HttpResponseBase:  # noqa: A002
    """The waveform in audiowaveform's binary format, or its JSON with `?format=json`."""
    track = tracks.own_ready(person_of(request), track_id)
    if format == "json":
        try:
            response = JsonResponse(waveforms.as_json(track.peaks_key))
        except FileNotFoundError:
            raise Http404 from None
        response["Cache-Control"] = "private, max-age=86400, immutable"
        return response
    return ranged_response(
        request, track.peaks_key, "application/octet-stream", tracks.file_name(track, "dat"), as_attachment=False
    )


@_file("/tracks/{track_id}/master")
def master(request: HttpRequest, track_id: UUID) -> HttpResponseBase:
    """The master as fal made it, as a download."""
    track = tracks.own_ready(person_of(request), track_id)
    name = tracks.file_name(track, track.master_format)
    content_type = AUDIO_TYPES.get(track.master_format, "application/octet-stream")
    return ranged_response(request, track.master_key, content_type, name, as_attachment=True)


@router.get("/tags", response={200: TagsOut, 401: ErrorOut}, tags=["tags"])
def list_tags(
    request: HttpRequest,  # noqa: ARG001
    q: str = "",
    group: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 12,
) -> TagsOut:
    """Tags that fit what has been typed, popular ones first."""
    found = search.find(q[:100], limit, group)
    return TagsOut(tags=[TagOut(name=tag.name, group=tag.group) for tag in found])
