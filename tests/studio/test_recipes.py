"""One recipe, one text: whatever order and whichever way of writing numbers it came in."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio import naming, recipes
from studio.models import Generation, Track, User
from tests import factories

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e15, 1e15) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
def test_the_canonical_form_is_json_that_says_the_same(value: object) -> None:
    assert json.loads(recipes.canonical(value)) == value


@given(st.dictionaries(st.text(), st.integers(-9, 9)))
def test_the_order_of_names_makes_no_difference(value: dict[str, int]) -> None:
    value = {name: number for name, number in value.items() if name.isprintable()}
    assert recipes.canonical(dict(reversed(value.items()))) == recipes.canonical(value)


# The standard's own examples of numbers (RFC 8785, appendix B), and what recipes are made of.
@pytest.mark.parametrize(
    ("number", "text"),
    [
        (2.0, "2"), (1.4, "1.4"), (0.7, "0.7"), (0.0, "0"), (-0.0, "0"), (120, "120"), (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"), (9007199254740992.0, "9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"), (1e21, "1e+21"), (1e23, "1e+23"),
        (9.999999999999997e22, "9.999999999999997e+22"), (0.000001, "0.000001"), (1e-7, "1e-7"), (1.5e-6, "0.0000015"),
        (333333333.33333329, "333333333.3333333"), (-0.0000033333333333333333, "-0.0000033333333333333333"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_the_standard_has_them(number: float, text: str) -> None:
    assert recipes.canonical(number) == text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_does_not_know_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="no number"):
        recipes.canonical(number)


def test_names_are_sorted_as_the_standard_s_own_example_has_it() -> None:
    names = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(recipes.canonical(names)).values()) == [2, 4, 6, 7, 1, 5, 3]


def test_what_was_asked_for_is_all_there_with_the_seed_as_text(ada: User) -> None:
    generation = factories.make_generation(person=ada, recipe={"vibe_strength": 2.0, "bpm": 120})
    text = recipes.canonical_inputs(generation)
    assert '"vibe_strength":2}' in text
    assert '"seed":"4242424242424242424"' in text
    assert json.loads(text)["endpoint"] == "text-to-music"
    assert json.loads(text).keys() == generation.recipe.keys() | {"endpoint"}


def test_the_file_beside_a_download_makes_the_song_again(ada: User) -> None:
    track = factories.make_song(person=ada, songs=1).tracks.get()
    found = json.loads(recipes.as_file(track))
    assert found["recipe"] == recipes.inputs(track.generation)
    assert found["fal"]["endpoint"] == "sonauto/v2/text-to-music"
    assert found["track"]["id"] == str(track.pk)
    assert "Sonauto" in found["credits"]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("A slow waltz", "A-slow-waltz"),
        ('../../etc/"passwd"\r\nX: y', "etc-passwd-X-y"),
        ("Ærø – kayōkyoku", "Ærø-kayōkyoku"),
        ("हिन्दी गीत", "हिन्दी-गीत"),
        ("cafe\u0301", "café"),
        ("🎹🎹", "song"),
        ("\u202egnp.exe", "gnp-exe"),
        ("CON", "CON"),
        ("x" * 300, "x" * 60),
        ("夜" * 120, "夜" * 40),
        ("a__b", "a-b"),
        ("- -", "song"),
    ],
)
def test_a_download_is_named_by_title_id_and_seed(title: str, name: str) -> None:
    generation = Generation(seed=42)
    track = Track(title=title, generation=generation)
    found = naming.file_name(track, "wav")
    assert found == f"{name}__{track.pk.hex[:8]}__42.wav"
    assert len(found.encode()) <= 200
    assert not set(found) & set('<>:"/\\|?*\0\n')
