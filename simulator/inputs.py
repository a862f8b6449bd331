"""What the three Sonauto endpoints take, and fal's list of errors where an input breaks their rules."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from simulator.outcomes import ModelError, model_failure, problem

Format = Literal["flac", "mp3", "wav", "ogg", "m4a"]
Seed = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]

# fal's own names where they differ from Pydantic's.
_KINDS = {"literal_error": "one_of", "too_long": "sequence_too_long", "too_short": "sequence_too_short"}


class _Common(BaseModel):
    # fal's page does not say whether unknown fields are refused; the models of its own runtime ignore them.
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, frozen=True)

    tags: list[str] | None = None
    lyrics_prompt: str | None = None
    seed: Seed | None = None
    prompt_strength: Annotated[float, Field(ge=1.4, le=3.1)] = 2.0
    balance_strength: Annotated[float, Field(ge=0, le=1)] = 0.7
    num_songs: Annotated[int, Field(ge=1, le=2)] = 1
    output_format: Format = "wav"
    output_bit_rate: Literal[128, 192, 256, 320] | None = None


class _Prompted(_Common):
    prompt: str | None = None

    @model_validator(mode="after")
    def _legal_combination(self) -> Self:
        """Prompt; prompt and tags; prompt and lyrics; or tags and lyrics. Empty lyrics count as given."""
        given = (bool(self.prompt), bool(self.tags), self.lyrics_prompt is not None)
        reason = {
            (False, False, False): "At least one of prompt, tags or lyrics_prompt must be provided.",
            (False, False, True): "lyrics_prompt alone is not enough: provide a prompt or tags with it.",
            (False, True, False): "tags alone are not enough: provide a prompt or lyrics_prompt with them.",
            (True, True, True): "prompt, tags and lyrics_prompt can't all be provided.",
        }.get(given)
        if reason:
            raise PydanticCustomError("value_error", "Value error, {reason}", {"reason": reason})
        return self


class TextToMusic(_Prompted):
    bpm: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] | None = "auto"


class Section(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, frozen=True)

    start: Annotated[float, Field(ge=0)]
    end: float

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.end <= self.start:
            raise PydanticCustomError("value_error", "Value error, section end must be after its start")
        return self


class Inpaint(_Common):
    audio_url: str
    lyrics_prompt: str
    sections: Annotated[list[Section], Field(min_length=1, max_length=1)]
    selection_crop: bool = False

    @field_validator("tags")
    @classmethod
    def _tagged(cls, tags: list[str] | None) -> list[str] | None:
        """The page asks for tags and lyrics although the schema marks tags optional."""
        if not tags:
            raise PydanticCustomError("value_error", "Value error, tags are needed for inpainting")
        return tags


class Extend(_Prompted):
    prompt_strength: Annotated[float, Field(ge=1.4, le=3.1)] = 1.8
    audio_url: str
    side: Literal["left", "right"]
    extend_duration: Annotated[float, Field(gt=0, le=600)] | None = None
    crop_duration: Annotated[float, Field(ge=0)] = 0.0


ENDPOINTS: Mapping[str, type[TextToMusic | Inpaint | Extend]] = {
    "sonauto/v2/text-to-music": TextToMusic,
    "sonauto/v2/inpaint": Inpaint,
    "sonauto/v2/extend": Extend,
}
APPS = frozenset("/".join(endpoint_id.split("/")[:2]) for endpoint_id in ENDPOINTS)


def parse(endpoint_id: str, arguments: dict[str, Any]) -> TextToMusic | Inpaint | Extend:
    """Raises ModelError: 404 for a path the app does not have, 422 with every problem otherwise."""
    if endpoint_id not in ENDPOINTS:
        path = "/" + "/".join(endpoint_id.split("/")[2:])
        raise ModelError(model_failure(f"Path {path} not found", 404))
    if endpoint_id.endswith("/inpaint"):
        arguments = {"tags": None, **arguments}
    try:
        return ENDPOINTS[endpoint_id].model_validate(arguments)
    except ValidationError as error:
        entries = [_entry(dict(entry)) for entry in error.errors(include_url=False)]
        raise ModelError(model_failure(entries)) from error


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    # The members of a union show up in Pydantic's location; fal's callers see the field only.
    loc = tuple(part for part in entry["loc"] if part not in {"constrained-int", "int", "literal['auto']"})
    kind = _KINDS.get(entry["type"], entry["type"])
    more = {"ctx": {name: str(value) for name, value in entry["ctx"].items()}} if entry.get("ctx") else {}
    return problem(kind, entry["msg"], ("body", *loc), input=_shown(entry.get("input")), **more)


def _shown(value: object) -> object:
    """The offending value, as text where JSON has no word for it (not a number, infinity)."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return str(value)
    return value
