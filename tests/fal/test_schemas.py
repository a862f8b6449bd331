import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from studio.fal.fields import FAL_NAMES, LABELS, SEED_MAX, SEED_MIN
from studio.fal.schemas import (
    ExtendInput,
    ExtendOutput,
    InpaintInput,
    InputProblem,
    SonautoInput,
    SonautoOutput,
    TextToMusicInput,
    TextToMusicOutput,
    explain,
)

AUDIO = "https://v3.fal.media/files/a.wav"
EXTEND = {"prompt": "p", "audio_url": AUDIO, "side": "right"}
INPAINT = {"tags": ["pop"], "lyrics": "la", "audio_url": AUDIO, "section": {"start": 0, "end": 9.45}}
BASES: list[tuple[type[SonautoInput], dict[str, Any]]] = [
    (TextToMusicInput, {"prompt": "p"}),
    (ExtendInput, EXTEND),
    (InpaintInput, INPAINT),
]


def problems(values: dict[str, Any], schema: type[SonautoInput] = TextToMusicInput) -> list[InputProblem]:
    with pytest.raises(ValidationError) as caught:
        schema.model_validate(values)
    return explain(caught.value)


def codes(values: dict[str, Any], schema: type[SonautoInput] = TextToMusicInput) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in problems(values, schema)]


def test_a_request_body_has_fals_names_and_every_default() -> None:
    assert TextToMusicInput(prompt="p", seed=7).to_fal() == {
        "prompt": "p",
        "tags": None,
        "lyrics_prompt": None,
        "seed": 7,
        "prompt_strength": 2.0,
        "balance_strength": 0.7,
        "num_songs": 1,
        "output_format": "wav",
        "output_bit_rate": None,
        "bpm": "auto",
    }


def test_an_extension_has_its_own_defaults_and_sends_them() -> None:
    arguments = ExtendInput.model_validate(EXTEND | {"seed": 7}).to_fal()
    assert arguments["prompt_strength"] == 1.8
    assert (arguments["extend_duration"], arguments["crop_duration"]) == (None, 0.0)
    assert "bpm" not in arguments


def test_an_inpainting_sends_its_one_section_as_a_list_and_no_prompt() -> None:
    arguments = InpaintInput.model_validate(INPAINT | {"seed": 7}).to_fal()
    assert arguments["sections"] == [{"start": 0.0, "end": 9.45}]
    assert arguments["selection_crop"] is False
    assert not {"prompt", "bpm", "section"} & arguments.keys()


@pytest.mark.parametrize(("schema", "values"), BASES)
def test_a_request_without_a_drawn_seed_is_not_sent(schema: type[SonautoInput], values: dict[str, Any]) -> None:
    drawn_later = schema.model_validate(values)
    with pytest.raises(ValueError, match="seed"):
        drawn_later.to_fal()
    assert drawn_later.with_seed(5).to_fal()["seed"] == 5
    with pytest.raises(ValueError, match="64-bit"):
        drawn_later.with_seed(2**63)


@pytest.mark.parametrize(("schema", "values"), BASES)
def test_every_field_has_a_name_for_people(schema: type[SonautoInput], values: dict[str, Any]) -> None:
    assert schema.model_fields.keys() <= LABELS.keys()


# Prompt, tags, lyrics as given; then the code, or None where the set is legal.
COMBINATIONS: list[tuple[Any, Any, Any, str | None]] = [
    (None, None, None, "needs_input"),
    (" \n", [], None, "needs_input"),
    ("", [" ", ""], None, "needs_input"),
    (None, None, "words", "lyrics_alone"),
    (None, None, "", "lyrics_alone"),
    ("  ", None, "words", "lyrics_alone"),
    (None, ["pop"], None, "tags_alone"),
    ("", ["pop"], None, "tags_alone"),
    ("p", ["pop"], "words", "too_many_inputs"),
    ("p", ["pop"], "", "too_many_inputs"),
    ("p", None, None, None),
    ("p", ["pop"], None, None),
    ("p", [" "], "words", None),
    ("p", None, "words", None),
    ("p", None, "", None),
    (None, ["pop"], "words", None),
    (None, ["pop"], "", None),
    ("\t", ["pop"], "", None),
]


@pytest.mark.parametrize(("prompt", "tags", "lyrics", "code"), COMBINATIONS)
@pytest.mark.parametrize(
    ("schema", "rest"), [(TextToMusicInput, {}), (ExtendInput, {"audio_url": AUDIO, "side": "left"})]
)
def test_only_four_combinations_of_words_are_legal(
    schema: type[SonautoInput], rest: dict[str, Any], prompt: Any, tags: Any, lyrics: Any, code: str | None
) -> None:
    given_values = {"prompt": prompt, "tags": tags, "lyrics": lyrics} | rest
    if code is None:
        schema.model_validate(given_values)
    else:
        [problem] = problems(given_values, schema)
        assert problem.code == code
        assert problem.field in {"prompt", "tags", "lyrics"}
        assert problem.message
        assert problem.hint


@pytest.mark.parametrize(("prompt", "tags", "lyrics", "code"), COMBINATIONS)
def test_null_and_missing_words_are_the_same(prompt: Any, tags: Any, lyrics: Any, code: str | None) -> None:
    values = {"prompt": prompt, "tags": tags, "lyrics": lyrics}
    missing = {name: value for name, value in values.items() if value is not None}
    if code is None:
        assert TextToMusicInput.model_validate(missing) == TextToMusicInput.model_validate(values)
    else:
        assert problems(missing) == problems(values)


def test_a_prompt_with_tags_and_an_instrumental_gets_a_hint_of_its_own() -> None:
    values = {"prompt": "p", "tags": ["pop"]}
    assert problems(values | {"lyrics": ""})[0].hint != problems(values | {"lyrics": "words"})[0].hint


def test_blank_lyrics_are_an_instrumental() -> None:
    assert TextToMusicInput(prompt="p", lyrics=" \r\n ").lyrics == ""


@pytest.mark.parametrize("schema_and_values", BASES, ids=lambda pair: pair[0].__name__)
@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("seed", True, "bad_seed"),
        ("seed", 1.0, "bad_seed"),
        ("seed", "1.0", "bad_seed"),
        ("seed", "1e3", "bad_seed"),
        ("seed", "0x10", "bad_seed"),
        ("seed", "1_000", "bad_seed"),
        ("seed", "٣", "bad_seed"),
        ("seed", "9" * 5_000, "bad_seed"),
        ("seed", [1], "bad_seed"),
        ("seed", SEED_MAX + 1, "bad_seed"),
        ("seed", str(SEED_MIN - 1), "bad_seed"),
        ("vibe_strength", 1.39, "out_of_range"),
        ("vibe_strength", 3.11, "out_of_range"),
        ("vibe_strength", math.nan, "out_of_range"),
        ("vibe_strength", math.inf, "out_of_range"),
        ("vibe_strength", "2", "wrong_type"),
        ("vibe_strength", True, "wrong_type"),
        ("vibe_strength", None, "wrong_type"),
        ("balance_strength", -0.01, "out_of_range"),
        ("balance_strength", 1.01, "out_of_range"),
        ("num_songs", 0, "not_offered"),
        ("num_songs", 3, "not_offered"),
        ("num_songs", True, "wrong_type"),
        ("num_songs", 1.0, "wrong_type"),
        ("num_songs", "1", "wrong_type"),
        ("output_format", "aiff", "not_offered"),
        ("output_format", None, "not_offered"),
        ("output_bit_rate", 192, "bit_rate_not_allowed"),
        ("output_bit_rate", "192", "wrong_type"),
        ("output_bit_rate", 192.0, "wrong_type"),
        ("surprise", 1, "unknown_field"),
        ("lyrics_prompt", "la", "unknown_field"),
    ],
)
def test_each_endpoint_refuses_a_wrong_value_by_name(
    schema_and_values: tuple[type[SonautoInput], dict[str, Any]], field: str, value: Any, code: str
) -> None:
    schema, values = schema_and_values
    [problem] = problems(values | {field: value}, schema)
    assert (problem.field, problem.code) == (field, code)
    assert problem.message
    assert problem.hint


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"prompt": "p" * 2_001}, ("prompt", "too_long")),
        ({"prompt": "p", "lyrics": "l" * 10_001}, ("lyrics", "too_long")),
        ({"tags": ["ok", "t" * 101], "lyrics": ""}, ("tags.1", "too_long")),
        ({"tags": [str(number) for number in range(51)], "lyrics": ""}, ("tags", "too_many_tags")),
        ({"tags": ["ok", 1], "lyrics": ""}, ("tags.1", "wrong_type")),
        ({"tags": "pop", "lyrics": ""}, ("tags", "wrong_type")),
        ({"prompt": 1}, ("prompt", "wrong_type")),
        ({"prompt": "a\x00b"}, ("prompt", "forbidden_character")),
        ({"prompt": "a\ud800b"}, ("prompt", "forbidden_character")),
        ({"prompt": "a\x1bb"}, ("prompt", "forbidden_character")),
        ({"prompt": "a\rb"}, ("prompt", "forbidden_character")),
        ({"prompt": "a\x85b"}, ("prompt", "forbidden_character")),
        ({"prompt": "p", "lyrics": "\x07"}, ("lyrics", "forbidden_character")),
        ({"tags": ["a\x00"], "lyrics": ""}, ("tags.0", "forbidden_character")),
        ({"prompt": "p", "bpm": 19}, ("bpm", "bad_bpm")),
        ({"prompt": "p", "bpm": 301}, ("bpm", "bad_bpm")),
        ({"prompt": "p", "bpm": 120.0}, ("bpm", "bad_bpm")),
        ({"prompt": "p", "bpm": True}, ("bpm", "bad_bpm")),
        ({"prompt": "p", "bpm": "120"}, ("bpm", "bad_bpm")),
        ({"prompt": "p", "bpm": "Auto"}, ("bpm", "bad_bpm")),
    ],
)
def test_words_and_tempo_are_held_to_their_limits(values: dict[str, Any], expected: tuple[str, str]) -> None:
    assert codes(values) == [expected]


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "p" * 2_000},
        {"prompt": "🌊👩‍👩‍👧 שלום\u200f مرحبا\n\ttab"},
        {"prompt": "p", "lyrics": "🌊" * 10_000},
        {"prompt": "p" + "\r\n" * 1_999},
        {"tags": [str(number) for number in range(50)] * 3, "lyrics": ""},
        {"tags": ["t" * 100], "lyrics": ""},
        {"prompt": "p", "bpm": 20},
        {"prompt": "p", "bpm": 300},
        {"prompt": "p", "bpm": None},
        {"prompt": "p", "vibe_strength": 1.4, "balance_strength": 0},
        {"prompt": "p", "vibe_strength": 3.1, "balance_strength": 1},
        {"prompt": "p", "output_format": "mp3", "output_bit_rate": 320},
        {"prompt": "p", "output_format": "m4a", "output_bit_rate": 128, "num_songs": 2},
    ],
)
def test_what_lies_at_the_limits_is_taken(values: dict[str, Any]) -> None:
    TextToMusicInput.model_validate(values)


def test_tags_are_trimmed_and_kept_in_order_without_blanks_and_duplicates() -> None:
    tags = ["  pop ", "", "Rock", "pop", " ", "rock", "Rock "]
    assert TextToMusicInput(tags=tags, lyrics="").tags == ["pop", "Rock", "rock"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tags": None}, ("tags", "needs_tags")),
        ({"tags": [" "]}, ("tags", "needs_tags")),
        ({"lyrics": None}, ("lyrics", "needs_lyrics")),
        ({"section": None}, ("section", "wrong_type")),
        ({"section": {"start": 3}}, ("section.end", "required")),
        ({"section": {"start": 3, "end": 3}}, ("section.end", "empty_section")),
        ({"section": {"start": -1, "end": 3}}, ("section.start", "out_of_range")),
        ({"section": {"start": 0, "end": math.inf}}, ("section.end", "out_of_range")),
        ({"section": {"start": False, "end": 3}}, ("section.start", "wrong_type")),
        ({"section": {"start": 0, "end": 3, "x": 1}}, ("section.x", "unknown_field")),
        ({"prompt": "p"}, ("prompt", "unknown_field")),
        ({"selection_crop": 1}, ("selection_crop", "wrong_type")),
        ({"audio_url": "data:audio/wav;base64,AAAA"}, ("audio_url", "bad_audio_url")),
        ({"audio_url": "https://user@host/a"}, ("audio_url", "bad_audio_url")),
        ({"audio_url": "https://"}, ("audio_url", "bad_audio_url")),
        ({"audio_url": "https://[::1/a"}, ("audio_url", "bad_audio_url")),
        ({"audio_url": "https://host/a b"}, ("audio_url", "bad_audio_url")),
        ({"audio_url": "https://host/" + "a" * 4_000}, ("audio_url", "bad_audio_url")),
    ],
)
def test_an_inpainting_names_what_it_lacks(change: dict[str, Any], expected: tuple[str, str]) -> None:
    assert codes(INPAINT | change, InpaintInput) == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"side": "up"}, ("side", "not_offered")),
        ({"extend_duration": 0}, ("extend_duration", "out_of_range")),
        ({"extend_duration": math.nan}, ("extend_duration", "out_of_range")),
        ({"crop_duration": -1}, ("crop_duration", "out_of_range")),
        ({"bpm": 120}, ("bpm", "unknown_field")),
    ],
)
def test_an_extension_is_held_to_its_own_fields(change: dict[str, Any], expected: tuple[str, str]) -> None:
    assert codes(EXTEND | change, ExtendInput) == [expected]


def test_every_problem_is_told_at_once_without_repeating_the_input() -> None:
    found = problems({"prompt": "secret words\x00", "seed": 1.5, "vibe_strength": 9, "x" * 90: 1})
    assert [problem.field for problem in found] == ["seed", "vibe_strength", "prompt", "x" * 60]
    assert not any("secret" in f"{problem}" for problem in found)


def test_an_errors_own_text_repeats_no_input() -> None:
    with pytest.raises(ValidationError) as caught:
        TextToMusicInput.model_validate({"prompt": "secret words\x00"})
    assert "secret" not in str(caught.value)


@given(st.integers(SEED_MIN, SEED_MAX))
def test_every_64_bit_seed_survives_as_number_and_as_text(seed: int) -> None:
    for sent in (seed, str(seed), f" {seed} "):
        arguments = TextToMusicInput.model_validate({"prompt": "p", "seed": sent}).to_fal()
        assert json.loads(json.dumps(arguments))["seed"] == seed
        assert f'"seed": {seed},' in json.dumps(arguments)


@pytest.mark.parametrize("seed", [None, "", "  "])
def test_a_seed_that_is_not_given_is_drawn_later(seed: Any) -> None:
    assert TextToMusicInput(prompt="p", seed=seed).seed is None


JSON_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
ANYTHING = st.recursive(
    JSON_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
NAMES = st.sampled_from([*TextToMusicInput.model_fields, *FAL_NAMES.values()]) | st.text(max_size=8)


@given(st.dictionaries(NAMES, ANYTHING, max_size=6))
def test_whatever_arrives_is_either_sent_whole_or_explained(values: dict[str, Any]) -> None:
    found: list[InputProblem] = []
    try:
        accepted = TextToMusicInput.model_validate(values).with_seed(1)
    except ValidationError as error:
        found = explain(error)
        assert found
    else:
        json.dumps(accepted.to_fal(), allow_nan=False, ensure_ascii=False).encode()
    assert all(problem.code and problem.message and problem.hint for problem in found)


WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=50).filter(str.strip)


@given(
    tags=st.lists(WORDS, min_size=1, max_size=5),
    lyrics=st.just("") | WORDS,
    vibe=st.floats(1.4, 3.1),
    balance=st.floats(0, 1),
    bpm=st.none() | st.just("auto") | st.integers(20, 300),
    seed=st.integers(SEED_MIN, SEED_MAX),
)
def test_fals_names_and_ours_lead_to_the_same_input(
    tags: list[str], lyrics: str, vibe: float, balance: float, bpm: int | str | None, seed: int
) -> None:
    values = {
        "tags": tags,
        "lyrics": lyrics,
        "vibe_strength": vibe,
        "balance_strength": balance,
        "bpm": bpm,
        "seed": seed,
    }
    ours = TextToMusicInput.model_validate(values)
    assert TextToMusicInput.from_fal(ours.to_fal()) == ours
    assert TextToMusicInput.model_validate(ours.model_dump()) == ours


@pytest.mark.parametrize(("schema", "values"), BASES)
def test_each_endpoint_reads_back_what_it_sends(schema: type[SonautoInput], values: dict[str, Any]) -> None:
    ours = schema.model_validate(values | {"seed": 3})
    assert schema.from_fal(json.loads(json.dumps(ours.to_fal()))) == ours


@pytest.mark.parametrize("sections", [[], [{"start": 0, "end": 1}] * 2, None, "x"])
def test_an_inpainting_has_exactly_one_section(sections: Any) -> None:
    arguments = InpaintInput.model_validate(INPAINT | {"seed": 3}).to_fal()
    with pytest.raises(ValidationError):
        InpaintInput.from_fal(arguments | {"sections": sections})


FILE = {"url": AUDIO, "content_type": "audio/wav", "file_name": "sonauto.wav", "file_size": 16777294}


def test_an_output_is_read_as_fal_documents_it() -> None:
    output = ExtendOutput.model_validate(
        {"audio": [FILE], "seed": 42, "tags": ["pop"], "lyrics": "la", "extend_duration": 30.5, "new": 1}
    )
    assert (output.audio[0].url, output.audio[0].file_size, output.seed) == (AUDIO, 16777294, 42)
    assert (output.tags, output.lyrics, output.extend_duration) == (["pop"], "la", 30.5)


@pytest.mark.parametrize(
    "change",
    [
        {"tags": "pop"},
        {"tags": [1]},
        {"lyrics": 7},
        {"audio": [{"url": AUDIO, "file_size": "big", "content_type": 1, "file_name": []}]},
        {"audio": [{"url": AUDIO, "file_size": -1}]},
        {"audio": [{"url": AUDIO, "x": 1}]},
    ],
)
def test_a_paid_song_is_not_lost_to_an_odd_ornament(change: dict[str, Any]) -> None:
    output = TextToMusicOutput.model_validate({"audio": [FILE], "seed": 42} | change)
    assert output.audio[0].url == AUDIO
    if "audio" in change:
        assert output.audio[0].file_size is None
    else:
        assert (output.tags, output.lyrics) == (None, None)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"seed": 1},
        {"audio": [], "seed": 1},
        {"audio": [{}], "seed": 1},
        {"audio": [FILE]},
        {"audio": FILE, "seed": 1},
    ],
)
def test_an_output_without_audio_or_seed_is_none(payload: Any) -> None:
    with pytest.raises(ValidationError):
        SonautoOutput.model_validate(payload)
