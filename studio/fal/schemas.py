"""The inputs and outputs of the three Sonauto endpoints, and what a wrong input is called."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from studio.fal.fields import (
    FAL_NAMES,
    OUR_NAMES,
    SEED_MAX,
    SEED_MIN,
    AudioUrl,
    BalanceStrength,
    BitRate,
    Bpm,
    Lyrics,
    OutputFormat,
    Prompt,
    Seconds,
    Seed,
    SongCount,
    TagList,
    VibeStrength,
    label,
)


class SonautoInput(BaseModel):
    """What every endpoint takes, in our names. Unknown fields are refused; nothing is converted from another type."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    seed: Seed = None
    vibe_strength: VibeStrength = 2.0
    balance_strength: BalanceStrength = 0.7
    num_songs: SongCount = 1
    output_format: OutputFormat = "wav"
    output_bit_rate: BitRate = None

    @model_validator(mode="after")
    def _bit_rate_needs_a_lossy_format(self) -> Self:
        if self.output_bit_rate is not None and self.output_format not in {"mp3", "m4a"}:
            raise _broken_rule("bit_rate_not_allowed")
        return self

    def with_seed(self, seed: int) -> Self:
        if not SEED_MIN <= seed <= SEED_MAX:
            raise ValueError("The seed is not a signed 64-bit integer.")
        return self.model_copy(update={"seed": seed})

    def to_fal(self) -> dict[str, Any]:
        """The request body with fal's names and every field explicit. Raises ValueError while no seed is drawn."""
        if self.seed is None:
            raise ValueError("Draw the seed before asking fal.")
        return {FAL_NAMES.get(name, name): value for name, value in self.model_dump().items()}

    @classmethod
    def from_fal(cls, arguments: Mapping[str, Any]) -> Self:
        """The inverse of `to_fal`; our own names are as unknown here as they are to fal. Raises ValidationError."""
        unknown = {name: f"{name} (fal's name is {fals})" for name, fals in FAL_NAMES.items()}
        return cls.model_validate({(OUR_NAMES | unknown).get(name, name): value for name, value in arguments.items()})


class _WordsInput(SonautoInput):
    """Prompt, tags and lyrics, of which fal takes four combinations. Null and missing are the same."""

    prompt: Prompt = None
    tags: TagList | None = None
    lyrics: Lyrics | None = None

    @model_validator(mode="after")
    def _combination_is_legal(self) -> Self:
        given = (self.prompt is not None, self.tags is not None, self.lyrics is not None)
        if given in _ILLEGAL_COMBINATIONS:
            raise _broken_rule(_ILLEGAL_COMBINATIONS[given])
        if all(given):
            # Whether fal counts empty lyrics here is not documented, so no money is risked on it.
            raise _broken_rule("too_many_inputs" if self.lyrics else "too_many_inputs_instrumental")
        return self


class TextToMusicInput(_WordsInput):
    """`bpm` null means a free tempo, "auto" one that fits."""

    bpm: Bpm = "auto"


class _AudioInput(SonautoInput):
    """What is made from a track. Its address lives for a short while: it is given when fal is asked, and never kept."""

    audio_url: AudioUrl | None = None

    def at(self, audio_url: str) -> Self:
        """With the address from which fal fetches the audio. Raises ValidationError where fal could not."""
        return self.model_validate(self.model_dump() | {"audio_url": audio_url})

    def to_fal(self) -> dict[str, Any]:
        if self.audio_url is None:
            raise ValueError("Give the audio's address before asking fal.")
        return super().to_fal()


class ExtendInput(_AudioInput, _WordsInput):
    """More music before (`left`) or after (`right`) a track; durations in seconds, null lets the model choose."""

    vibe_strength: VibeStrength = 1.8
    side: Literal["left", "right"]
    extend_duration: Annotated[Seconds, Field(gt=0)] | None = None
    crop_duration: Seconds = 0.0


class Section(BaseModel):
    """A region of a track, in seconds from its start."""

    model_config: ClassVar[ConfigDict] = SonautoInput.model_config

    start: Seconds
    end: Seconds

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.end <= self.start:
            raise _broken_rule("empty_section")
        return self


class InpaintInput(_AudioInput):
    """New music inside one section of a track. fal wants both tags and lyrics here; lyrics "" make it instrumental."""

    tags: TagList | None = None
    lyrics: Lyrics | None = None
    section: Section
    selection_crop: bool = False

    @model_validator(mode="after")
    def _tags_and_lyrics_are_given(self) -> Self:
        if self.tags is None:
            raise _broken_rule("needs_tags")
        if self.lyrics is None:
            raise _broken_rule("needs_lyrics")
        return self

    def to_fal(self) -> dict[str, Any]:
        arguments = super().to_fal()
        return {**arguments, "sections": [arguments["sections"]]}

    @classmethod
    def from_fal(cls, arguments: Mapping[str, Any]) -> Self:
        match arguments.get("sections"):
            case [section]:
                return super().from_fal({**arguments, "sections": section})
            case _:
                return super().from_fal(arguments)


def _or_none(value: object, handler: ValidatorFunctionWrapHandler, _: ValidationInfo) -> object:
    """A song that is paid for is never lost to an ornament of a shape that we did not expect."""
    try:
        return handler(value)
    except ValidationError:
        return None


_TolerantText = Annotated[str | None, WrapValidator(_or_none)]
_TolerantSize = Annotated[int | None, Field(ge=0), WrapValidator(_or_none)]
_TolerantTags = Annotated[list[str] | None, WrapValidator(_or_none)]
_TolerantSeconds = Annotated[float | None, Field(allow_inf_nan=False), WrapValidator(_or_none)]


class File(BaseModel):
    """One file that fal made; `file_size` in bytes, as claimed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    url: Annotated[str, Field(min_length=1, max_length=4_096)]
    content_type: _TolerantText = None
    file_name: _TolerantText = None
    file_size: _TolerantSize = None


class SonautoOutput(BaseModel):
    """What every endpoint returns: one file a song, always as a list, and the seed that was used."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, hide_input_in_errors=True)

    audio: Annotated[list[File], Field(min_length=1, max_length=10)]
    seed: Annotated[int, Field(ge=SEED_MIN, le=SEED_MAX)]
    tags: _TolerantTags = None
    lyrics: _TolerantText = None


def _usable_files(value: object) -> list[File]:
    usable = []
    for item in value if isinstance(value, list) else [value]:
        try:
            usable.append(File.model_validate(item))
        except ValidationError:
            continue
    return usable


class Salvage(BaseModel):
    """What can be used of a result, whatever else is wrong with it: a paid song is never lost to its wrapping."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    audio: Annotated[list[File], BeforeValidator(_usable_files)] = []
    tags: _TolerantTags = None
    lyrics: _TolerantText = None


class TextToMusicOutput(SonautoOutput):
    """With the tags and lyrics that the model wrote, where it wrote any."""


class InpaintOutput(SonautoOutput):
    """fal returns neither tags nor lyrics here."""


class ExtendOutput(SonautoOutput):
    """With the seconds that were really added."""

    extend_duration: _TolerantSeconds = None


@dataclass(frozen=True, slots=True)
class InputProblem:
    """One thing to put right. `field` is a path in our names, such as `tags.3`; "" is the whole input."""

    field: str
    code: str
    message: str
    hint: str


# Rules that cross fields: the code, the field to point at, the message and the hint.
_RULES: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "needs_input": (
        "needs_input",
        "prompt",
        "A song needs something to start from.",
        "Write a description, or pick tags and write lyrics.",
    ),
    "lyrics_alone": (
        "lyrics_alone",
        "lyrics",
        "Lyrics, or none for an instrumental, are not enough alone.",
        "Add tags for the style, or a description.",
    ),
    "tags_alone": (
        "tags_alone",
        "tags",
        "Tags alone are not enough.",
        "Add a description, write lyrics, or make it instrumental.",
    ),
    "too_many_inputs": (
        "too_many_inputs",
        "prompt",
        "Description, tags and lyrics can't be combined.",
        "Remove one of the three. Tags and lyrics together give the most control.",
    ),
    "too_many_inputs_instrumental": (
        "too_many_inputs",
        "prompt",
        "A description and tags can't be combined with an instrumental.",
        "Remove the description, or remove the tags.",
    ),
    "bit_rate_not_allowed": (
        "bit_rate_not_allowed",
        "output_bit_rate",
        "Only MP3 and M4A have a bit rate.",
        "Leave the bit rate empty, or choose MP3 or M4A.",
    ),
    "empty_section": (
        "empty_section",
        "end",
        "The section ends before it starts.",
        "Choose an end after the start.",
    ),
    "needs_tags": (
        "needs_tags",
        "tags",
        "Retouching needs at least one tag.",
        "Pick a tag that describes the track.",
    ),
    "needs_lyrics": (
        "needs_lyrics",
        "lyrics",
        "Retouching needs the lyrics of the section.",
        "Write them, or make the section instrumental.",
    ),
}

# Prompt, tags, lyrics: which of them are given.
_ILLEGAL_COMBINATIONS: Final[Mapping[tuple[bool, bool, bool], str]] = {
    (False, False, False): "needs_input",
    (False, False, True): "lyrics_alone",
    (False, True, False): "tags_alone",
}

# Pydantic's types in our words; a type that is not here is `wrong_type`.
_CODES: Final[Mapping[str, str]] = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "greater_than": "out_of_range",
    "finite_number": "out_of_range",
    "string_unicode": "forbidden_character",
    "literal_error": "not_offered",
}

_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "required": ("missing", "Fill it in."),
    "unknown_field": ("not an input of this endpoint", "Check the spelling, or leave it out."),
    "out_of_range": ("out of range", "Choose a value within the range."),
    "not_offered": ("this value is not offered", "Choose one of the values offered."),
    "wrong_type": ("a value of the wrong kind", "Numbers are numbers, texts are texts, and nothing is converted."),
    "forbidden_character": ("a character in it can't be sent", "Remove control characters; emoji are fine."),
}

_RANGES: Final[Mapping[str, str]] = {
    "vibe_strength": "Choose a value from 1.4 to 3.1.",
    "balance_strength": "Choose a value from 0 to 1.",
    "extend_duration": "Choose a number of seconds above 0 and up to 3600.",
}

_HINTS: Final[Mapping[str, str]] = {
    "too_long": "Shorten it.",
    "too_many_tags": "Remove the tags that matter least.",
    "bad_seed": "Use a whole number, or leave it empty to have one drawn.",
    "bad_bpm": 'Use "auto", or a whole number from 20 to 300.',
    "bad_audio_url": "Use the public https address of an audio file.",
}


def _broken_rule(name: str) -> PydanticCustomError:
    code, field, message, hint = _RULES[name]
    return PydanticCustomError(code, "{message}", {"message": message, "field": field, "hint": hint})


def explain(error: ValidationError) -> list[InputProblem]:
    """What is wrong with an input, in our words, a problem for each field."""
    return [_problem(detail) for detail in error.errors(include_url=False, include_input=False)]


def _problem(detail: ErrorDetails) -> InputProblem:
    context = detail.get("ctx", {})
    path = [str(part)[:60] for part in detail["loc"]]
    if "hint" in context:
        return InputProblem(".".join([*path, context["field"]]), detail["type"], detail["msg"], context["hint"])
    field = ".".join(path)
    code = _CODES.get(detail["type"], detail["type"])
    if code in _HINTS:
        return InputProblem(field, code, f"{label(field)}: {detail['msg']}.", _HINTS[code])
    code = code if code in _TEXTS else "wrong_type"
    text, hint = _TEXTS[code]
    hint = _RANGES.get(field, hint) if code == "out_of_range" else hint
    return InputProblem(field, code, f"{label(field)}: {text}.", hint)
