"""The studio over HTTP for programs: parse, one call into the domain, present."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import Header, Query, Router
from ninja.errors import HttpError
from ninja.responses import Status
from pydantic import WithJsonSchema

from studio import downloads, generations, library, naming, queries, recipes, restores, takeaway, tracks, trash
from studio.errors import InvalidInput, Problem
from studio.fal.fields import TAGS_MAX
from studio.fal.schemas import TextToMusicInput
from studio.library_schemas import TrackIn
from studio.media import waveforms
from studio.media.ranges import opened_response, ranged_response
from studio.media.sniff import AUDIO_TYPES
from studio.models import Track, User
from studio.schemas import (
    CancelOut,
    ColdOut,
    ErrorOut,
    GenerationOut,
    GenerationsOut,
    QuoteOut,
    TagsOut,
    TrackOut,
)
from studio.states import GenerationState, RestoreTier
from studio.tags import related as together
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


def person_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "the API object lets nobody in without a person"  # noqa: S101
    return request.user


def object_of(request: HttpRequest) -> dict[str, Any]:
    """The JSON object that came, unjudged."""
    if request.content_type != "application/json":
        raise HttpError(415, "Send JSON, as `Content-Type: application/json`.")
    try:
        body = json.loads(request.body, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise HttpError(400, "no JSON") from None
    if not isinstance(body, dict):
        raise HttpError(400, "no object")
    return body


def body_of(request: HttpRequest) -> tuple[str, dict[str, Any]]:
    """The endpoint that is asked for and its inputs, unjudged: the endpoint's own schema judges them."""
    body = object_of(request)
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


def _file(path: str, *, cold: bool = False) -> Callable[[MediaView], MediaView]:
    """GET, and HEAD as well: download managers ask how large a file is before they fetch it."""

    def register(view: MediaView) -> MediaView:
        answers: dict[Any, Any] = {200: None, 206: None, 401: ErrorOut, 404: ErrorOut, 409: ErrorOut, 416: ErrorOut}
        if cold:
            answers[202] = ColdOut
        router.api_operation(["HEAD"], path, response=answers, include_in_schema=False)(view)
        router.get(path, response=answers, tags=["media"])(view)
        return view

    return register


def sent(request: HttpRequest, file: takeaway.File) -> HttpResponseBase:
    """A file in any part that is asked for; one that is only made by and by has no parts to give."""
    disposition = downloads.disposition(file.name)
    if file.opened is not None:
        return opened_response(request, file.opened, file.content_type, disposition)
    blocks = iter(()) if request.method == "HEAD" else file.blocks
    response = StreamingHttpResponse(blocks, content_type=file.content_type)
    # The name of this header is also what keeps such an answer off the threads of pages.
    response["Accept-Ranges"] = "none"
    response["Content-Disposition"] = disposition
    response["X-Content-Type-Options"] = "nosniff"
    return response


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
    page = queries.feed(person_of(request), before=cursor, limit=limit, state=state, with_hidden=True)
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


@_file("/tracks/zip")
def read_zip(
    request: HttpRequest,
    track: Annotated[list[UUID], Query(min_length=1, max_length=takeaway.MAX_TRACKS)],
    format: Annotated[list[Literal["master", "flac", "mp3"]], Query(min_length=1, max_length=3)] = ["master", "mp3"],  # noqa: A002, B006
) -> HttpResponseBase:
    """Several tracks, each in a folder with its `recipe.json`. Cold masters are named in a text file instead."""
    return sent(request, takeaway.archive(person=person_of(request), track_ids=track, wanted=format))


@router.get("/tracks/{track_id}", response={200: TrackOut, 401: ErrorOut, 404: ErrorOut}, tags=["songs"])
def read_track(request: HttpRequest, track_id: UUID) -> TrackOut:
    return TrackOut.of(tracks.own(person_of(request), track_id))


@router.delete(
    "/tracks/{track_id}", response={200: TrackOut, 401: ErrorOut, 404: ErrorOut, 409: ErrorOut}, tags=["songs"]
)
def trash_track(request: HttpRequest, track_id: UUID) -> TrackOut:
    """Into the trash, from which there is a way back for 30 days. Nothing is given back: it was made."""
    return TrackOut.of(trash.put(person=person_of(request), track_id=track_id))


@router.post(
    "/tracks/{track_id}/restore-from-trash",
    response={200: TrackOut, 401: ErrorOut, 404: ErrorOut, 409: ErrorOut},
    tags=["songs"],
)
def restore_track_from_trash(request: HttpRequest, track_id: UUID) -> TrackOut:
    return TrackOut.of(trash.put_back(person=person_of(request), track_id=track_id))


@router.patch(
    "/tracks/{track_id}",
    response={200: TrackOut, 401: ErrorOut, 404: ErrorOut, 409: ErrorOut, 422: ErrorOut},
    tags=["songs"],
)
def change_track(request: HttpRequest, track_id: UUID, change: TrackIn) -> TrackOut:
    """Title, rating, favourite, project, and the keeper of two variations: all that is sent, or nothing."""
    return TrackOut.of(library.change(person=person_of(request), track_id=track_id, wanted=change.change()))


@_file("/tracks/{track_id}/preview")
def preview(request: HttpRequest, track_id: UUID) -> HttpResponseBase:
    """The MP3 that the player plays, with Range."""
    track = tracks.within_reach(person_of(request), track_id)
    return ranged_response(
        request, track.preview_key, "audio/mpeg", naming.file_name(track, "mp3"), as_attachment=False
    )


@_file("/tracks/{track_id}/peaks")
def read_peaks(
    request: HttpRequest,
    track_id: UUID,
    format: str = "dat",  # noqa: A002
    samples_per_pixel: Literal["256", "4096"] = "256",
) -> HttpResponseBase:
    """The waveform in audiowaveform's binary format, or its JSON with `?format=json`; coarser with 4096."""
    track = tracks.within_reach(person_of(request), track_id)
    key = track.overview_key if samples_per_pixel == "4096" and track.overview_key else track.peaks_key
    if format == "json":
        return waveform(key)
    return ranged_response(
        request, key, "application/octet-stream", naming.file_name(track, "dat"), as_attachment=False
    )


def waveform(key: str) -> HttpResponseBase:
    """Peaks as a page draws them. Those of a track never change."""
    try:
        response = JsonResponse(waveforms.as_json(key))
    except FileNotFoundError:
        raise Http404 from None
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response


@_file("/tracks/{track_id}/master", cold=True)
def master(request: HttpRequest, track_id: UUID, tier: RestoreTier | None = None) -> HttpResponseBase:
    """The master as fal made it, byte for byte. One in cold storage is asked back: 202, and when it will be ready."""
    person = person_of(request)
    if request.method == "HEAD":
        # Whoever only looks starts nothing.
        track = restores.look(tracks.own_kept(person, track_id))
    else:
        track = restores.ask(person=person, track_id=track_id, tier=tier or "")
    if track.master_storage not in takeaway.AT_HAND:
        return _on_its_way(track)
    name = naming.file_name(track, track.master_format)
    content_type = AUDIO_TYPES.get(track.master_format, "application/octet-stream")
    return ranged_response(request, track.master_key, content_type, name, as_attachment=True)


def _on_its_way(track: Track) -> HttpResponseBase:
    answer = ColdOut(storage=track.master_storage, ready_by=track.restore_ready_by)
    return JsonResponse(answer.model_dump(mode="json"), status=202, headers={"Cache-Control": "no-store"})


@_file("/tracks/{track_id}/download")
def download(
    request: HttpRequest,
    track_id: UUID,
    format: Literal["wav", "flac", "mp3", "ogg", "m4a"] | None = None,  # noqa: A002
) -> HttpResponseBase:
    """The track with its recipe and credits inside the file: in its master's format, as FLAC or as MP3."""
    person = person_of(request)
    wanted = format or tracks.within_reach(person, track_id).master_format
    return sent(request, takeaway.file_of(person=person, track_id=track_id, wanted=wanted))


@router.get(
    "/tracks/{track_id}/recipe",
    response={200: dict[str, Any], 401: ErrorOut, 404: ErrorOut, 409: ErrorOut},
    tags=["media"],
)
def read_recipe(request: HttpRequest, track_id: UUID) -> HttpResponseBase:
    """All that makes the track again, as the `recipe.json` of a ZIP."""
    track = tracks.within_reach(person_of(request), track_id)
    headers = {"Content-Disposition": downloads.disposition(f"{naming.stem(track)}.recipe.json")}
    return HttpResponse(recipes.as_file(track), content_type="application/json", headers=headers)


@_file("/tracks/{track_id}/clip")
def read_clip(
    request: HttpRequest,
    track_id: UUID,
    start: Annotated[float, Query(ge=0)] = 0.0,
    end: Annotated[float | None, Query(gt=0)] = None,
    format: Literal["mp3", "wav"] = "mp3",  # noqa: A002
    match: UUID | None = None,
) -> HttpResponseBase:
    """A region of at most 60 seconds with two around it, faded, and no louder than the track `match`."""
    made, body = takeaway.clip(
        person=person_of(request), track_id=track_id, start=start, end=end, output=format, match=match
    )
    response = HttpResponse(body, content_type=AUDIO_TYPES[format])
    response["X-Clip-Start"], response["X-Clip-End"] = str(made.start_ms / 1000), str(made.end_ms / 1000)
    response["Cache-Control"] = "private, max-age=3600"
    return response


@router.get("/tags", response={200: TagsOut, 401: ErrorOut}, tags=["tags"])
def list_tags(
    request: HttpRequest,  # noqa: ARG001
    q: str = "",
    group: str | None = None,
    related: str = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 12,
    offset: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> TagsOut:
    """Tags that fit what has been typed, popular ones first; with `group` those of one group.

    With `related=a,b` instead those that go with these: their parents, siblings and children, and what stands beside
    them in songs that people kept.
    """
    if related:
        found = together.related(_listed(related), offset + limit + 1)
    else:
        found = search.find(q[:100], offset + limit + 1, group)
    return TagsOut.of(found[offset : offset + limit], more=len(found) > offset + limit)


@router.get("/tags/dice", response={200: TagsOut, 401: ErrorOut}, tags=["tags"])
def throw_dice(request: HttpRequest, keep: str = "") -> TagsOut:  # noqa: ARG001
    """By chance a genre, a mood, an instrument and a voice, but for what `keep=a,b` has already."""
    return TagsOut.of(together.throw(_listed(keep)))


def _listed(text: str) -> list[str]:
    return text.split(",")[:TAGS_MAX]
