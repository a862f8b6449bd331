"""The whitelist of fal endpoints that the studio offers, with their schemas, limits and prices."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from studio.errors import StudioError
from studio.fal.schemas import (
    ExtendInput,
    ExtendOutput,
    InpaintInput,
    InpaintOutput,
    SonautoInput,
    SonautoOutput,
    TextToMusicInput,
    TextToMusicOutput,
)


class UnknownEndpoint(StudioError):
    code = "unknown_endpoint"
    message = "The studio does not offer this endpoint."

    def __init__(self, key: str) -> None:
        super().__init__(hint=f"Use one of: {', '.join(ENDPOINTS)}.")
        self.key = key


class NotDirect(StudioError):
    """It works on a track that is there, under rules of its own: a plain request would go around them."""

    code = "not_direct"
    message = "This endpoint can't be asked for by itself."
    hint = "Ask for a new song with text-to-music."


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """What one song costs in a request of one, in micros of a US dollar, from `since` on."""

    since: datetime
    micros: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`prices` are in order of time; a change of price is a new line there, so that old requests keep theirs."""

    key: str
    fal_id: str
    title: str
    input_schema: type[SonautoInput]
    output_schema: type[SonautoOutput]
    prices: tuple[UnitPrice, ...]
    max_songs: int = 2


# The day fal listed the three endpoints; the price printed on their pages has been the same since.
_LISTED = UnitPrice(datetime(2025, 8, 23, tzinfo=UTC), 75_000)

ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    endpoint.key: endpoint
    for endpoint in (
        Endpoint(
            "text-to-music", "sonauto/v2/text-to-music", "New song", TextToMusicInput, TextToMusicOutput, (_LISTED,)
        ),
        Endpoint("inpaint", "sonauto/v2/inpaint", "Retouch", InpaintInput, InpaintOutput, (_LISTED,)),
        Endpoint("extend", "sonauto/v2/extend", "Extend", ExtendInput, ExtendOutput, (_LISTED,)),
    )
}


def get_direct(key: str) -> Endpoint:
    """The endpoint, if a person may ask for it by itself. Raises UnknownEndpoint and NotDirect."""
    endpoint = get(key)
    if endpoint.input_schema is not TextToMusicInput:
        raise NotDirect
    return endpoint


def get(key: str) -> Endpoint:
    """Raises UnknownEndpoint."""
    try:
        return ENDPOINTS[key]
    except KeyError:
        raise UnknownEndpoint(key) from None
