"""What the endpoints take: fal's ranges and combinations."""

from typing import Any

import pytest

from simulator.inputs import Inpaint, TextToMusic, parse
from simulator.outcomes import ModelError

TEXT = "sonauto/v2/text-to-music"
INPAINT = "sonauto/v2/inpaint"
EXTEND = "sonauto/v2/extend"
SECTION = {"audio_url": "http://x", "lyrics_prompt": "", "tags": ["rock"], "sections": [{"start": 0, "end": 1.5}]}


def problems(endpoint_id: str, arguments: dict[str, Any]) -> list[tuple[str, str]]:
    """(field, type) of every entry in the refusal; empty when the input is accepted."""
    try:
        parse(endpoint_id, arguments)
    except ModelError as refusal:
        return [(".".join(map(str, entry["loc"][1:])), entry["type"]) for entry in refusal.outcome.body["detail"]]
    return []


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": "a"},
        {"prompt": "a", "tags": ["b"]},
        {"prompt": "a", "lyrics_prompt": "c"},
        {"tags": ["b"], "lyrics_prompt": ""},
    ],
)
def test_legal_combinations_are_accepted(given: dict[str, Any]) -> None:
    assert problems(TEXT, given) == []
    assert problems(EXTEND, {**given, "audio_url": "http://x", "side": "left"}) == []


@pytest.mark.parametrize(
    "given",
    [{}, {"prompt": ""}, {"tags": ["b"]}, {"tags": []}, {"lyrics_prompt": "c"}, {"lyrics_prompt": ""},
     {"prompt": "a", "tags": ["b"], "lyrics_prompt": ""}],
)  # fmt: skip
def test_illegal_combinations_are_refused_as_a_whole(given: dict[str, Any]) -> None:
    assert problems(TEXT, given) == [("", "value_error")]
    assert problems(EXTEND, {**given, "audio_url": "http://x", "side": "left"}) == [("", "value_error")]


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("prompt_strength", 1.39, "greater_than_equal"),
        ("prompt_strength", 3.11, "less_than_equal"),
        ("prompt_strength", float("nan"), "finite_number"),
        ("balance_strength", -0.1, "greater_than_equal"),
        ("balance_strength", 1.1, "less_than_equal"),
        ("num_songs", 0, "greater_than_equal"),
        ("num_songs", 3, "less_than_equal"),
        ("output_format", "aiff", "one_of"),
        ("output_bit_rate", 129, "one_of"),
        ("seed", 2**63, "less_than_equal"),
        ("seed", -(2**63) - 1, "greater_than_equal"),
        ("seed", "many", "int_parsing"),
        ("tags", "rock", "list_type"),
        ("prompt", 5, "string_type"),
    ],
)
def test_a_value_out_of_range_names_its_field(field: str, value: object, kind: str) -> None:
    assert problems(TEXT, {"prompt": "a", field: value}) == [(field, kind)]


@pytest.mark.parametrize("value", ["auto", None, 120])
def test_bpm_is_a_number_or_auto_or_null(value: object) -> None:
    inputs = parse(TEXT, {"prompt": "a", "bpm": value})
    assert isinstance(inputs, TextToMusic)
    assert inputs.bpm == value


def test_another_bpm_is_refused_under_its_field_alone() -> None:
    assert {field for field, _ in problems(TEXT, {"prompt": "a", "bpm": "fast"})} == {"bpm"}


def test_the_ends_of_every_range_and_unknown_fields_are_accepted() -> None:
    for strength, balance, seed in ((1.4, 0, -(2**63)), (3.1, 1, 2**63 - 1)):
        given = {"prompt_strength": strength, "balance_strength": balance, "seed": seed, "duration": 30}
        assert problems(TEXT, {"prompt": "a", **given}) == []


def test_inpainting_needs_one_section_tags_and_lyrics() -> None:
    assert isinstance(parse(INPAINT, SECTION), Inpaint)
    assert problems(INPAINT, {**SECTION, "sections": []}) == [("sections", "sequence_too_short")]
    assert problems(INPAINT, {**SECTION, "sections": SECTION["sections"] * 2}) == [("sections", "sequence_too_long")]  # type: ignore[operator]
    assert problems(INPAINT, {**SECTION, "sections": [{"start": 2, "end": 2}]}) == [("sections.0", "value_error")]
    assert problems(INPAINT, {**SECTION, "tags": None}) == [("tags", "value_error")]
    for field in ("tags", "lyrics_prompt", "audio_url", "sections"):
        given = {name: value for name, value in SECTION.items() if name != field}
        assert [name for name, _ in problems(INPAINT, given)] == [field]


def test_extending_has_its_own_default_strength_and_needs_a_side() -> None:
    given = {"prompt": "a", "audio_url": "http://x"}
    assert parse(EXTEND, {**given, "side": "right"}).prompt_strength == 1.8
    assert problems(EXTEND, given) == [("side", "missing")]
    assert problems(EXTEND, {**given, "side": "middle"}) == [("side", "one_of")]
    assert problems(EXTEND, {**given, "side": "left", "extend_duration": 0}) == [("extend_duration", "greater_than")]
