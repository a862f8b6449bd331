"""The single fields of a request to Sonauto: their names on both sides, their limits and their cleaning."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

PROMPT_MAX_CHARACTERS: Final = 2_000
LYRICS_MAX_CHARACTERS: Final = 10_000
TAGS_MAX: Final = 50
TAG_MAX_CHARACTERS: Final = 100
# One that is signed with keys of a short life holds those as well.
AUDIO_URL_MAX_CHARACTERS: Final = 4_000
BPM_MIN: Final = 20
BPM_MAX: Final = 300
SEED_MIN: Final = -(2**63)
SEED_MAX: Final = 2**63 - 1

# Ours on the left. Every other field has the same name on both sides.
FAL_NAMES: Final[dict[str, str]] = {
    "lyrics": "lyrics_prompt",
    "vibe_strength": "prompt_strength",
    "section": "sections",
}
OUR_NAMES: Final[dict[str, str]] = {fals: ours for ours, fals in FAL_NAMES.items()}

LABELS: Final[Mapping[str, str]] = {
    "prompt": "Description",
    "tags": "Tags",
    "lyrics": "Lyrics",
    "vibe_strength": "Vibe Strength",
    "balance_strength": "Vocal balance",
    "bpm": "BPM",
    "seed": "Seed",
    "num_songs": "Number of songs",
    "output_format": "Format",
    "output_bit_rate": "Bit rate",
    "audio_url": "Source audio",
    "section": "Section",
    "selection_crop": "Crop to the section",
    "side": "Side",
    "extend_duration": "Seconds to add",
    "crop_duration": "Seconds to cut first",
}

_SEED = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
# Unicode's control characters but tab and newline, and the halves of surrogate pairs, which UTF-8 cannot carry.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSAFE_IN_URL = re.compile(r"[\s\x00-\x20\x7f]")


def label(field: str) -> str:
    """The name a person knows the field by; `field` may be a path such as `tags.3`."""
    return LABELS.get(field.partition(".")[0], field[:60])


def _clean(text: str, max_characters: int) -> str:
    """Browsers send a textarea's lines with CRLF; a song's text must not depend on where it was typed."""
    text = text.replace("\r\n", "\n")
    if _FORBIDDEN.search(text):
        raise PydanticCustomError("forbidden_character", "a character in it can't be sent")
    if len(text) > max_characters:
        limit = {"max_length": max_characters}
        raise PydanticCustomError("too_long", "longer than {max_length} characters", limit)
    return text


def _read_prompt(text: str) -> str | None:
    text = _clean(text, PROMPT_MAX_CHARACTERS)
    return text if text.strip() else None


def _read_lyrics(text: str) -> str:
    """Blank lyrics are a given value: an instrumental."""
    text = _clean(text, LYRICS_MAX_CHARACTERS)
    return text if text.strip() else ""


def _read_tag(text: str) -> str:
    return _clean(text.strip(), TAG_MAX_CHARACTERS)


def _read_tags(tags: list[str]) -> list[str] | None:
    unique = list(dict.fromkeys(tag for tag in tags if tag))
    if len(unique) > TAGS_MAX:
        raise PydanticCustomError("too_many_tags", "more than {max_length} tags", {"max_length": TAGS_MAX})
    return unique or None


def _read_seed(value: object) -> object:
    """A seed travels as text where JSON numbers lose digits; a float has lost them already and is refused."""
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        value = int(text) if _SEED.fullmatch(text) else text
    if value is None or (type(value) is int and SEED_MIN <= value <= SEED_MAX):
        return value
    raise PydanticCustomError("bad_seed", "not a whole number, or one that is too large")


def _read_bpm(value: object) -> object:
    if value is None or value == "auto" or (type(value) is int and BPM_MIN <= value <= BPM_MAX):
        return value
    raise PydanticCustomError("bad_bpm", 'neither "auto" nor a whole number from 20 to 300')


def _read_choice_of_integers(value: object) -> object:
    """A Literal compares with ==, to which True is 1 and 128.0 is 128."""
    if value is None or type(value) is int:
        return value
    raise PydanticCustomError("wrong_type", "not a whole number")


def _read_audio_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        usable = False
    if not usable or _UNSAFE_IN_URL.search(url) or len(url) > AUDIO_URL_MAX_CHARACTERS:
        raise PydanticCustomError("bad_audio_url", "not an address that fal.ai can fetch")
    return url


Prompt = Annotated[
    Annotated[str, AfterValidator(_read_prompt)] | None, Field(json_schema_extra={"maxLength": PROMPT_MAX_CHARACTERS})
]
Lyrics = Annotated[str, AfterValidator(_read_lyrics), Field(json_schema_extra={"maxLength": LYRICS_MAX_CHARACTERS})]
TagList = Annotated[list[Annotated[str, AfterValidator(_read_tag)]], AfterValidator(_read_tags)]
Seed = Annotated[int | None, BeforeValidator(_read_seed)]
Bpm = Annotated[int | Literal["auto"] | None, BeforeValidator(_read_bpm)]
SongCount = Annotated[Literal[1, 2], BeforeValidator(_read_choice_of_integers)]
BitRate = Annotated[Literal[128, 192, 256, 320] | None, BeforeValidator(_read_choice_of_integers)]
OutputFormat = Literal["flac", "mp3", "wav", "ogg", "m4a"]
AudioUrl = Annotated[str, AfterValidator(_read_audio_url)]
VibeStrength = Annotated[float, Field(ge=1.4, le=3.1)]
BalanceStrength = Annotated[float, Field(ge=0, le=1)]
# fal prints no limits for seconds; these only keep nonsense out.
Seconds = Annotated[float, Field(ge=0, le=3600)]
