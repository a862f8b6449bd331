"""The difference of two recipes."""

import pytest

from studio import recipe_diffs
from studio.models import Generation
from studio.recipe_diffs import Part
from tests import factories


def made(**inputs: object) -> Generation:
    written = {name: inputs.pop(name) for name in ("written_tags", "written_lyrics") if name in inputs}
    recipe = factories.make_recipe(**inputs)
    return Generation(endpoint="text-to-music", recipe=recipe, seed=recipe["seed"], num_songs=1, **written)


def rows(first: Generation, second: Generation) -> dict[str, list[Part]]:
    return {str(row.label): row.parts for row in recipe_diffs.compare(first, second)}


def text(parts: list[Part], *kinds: str) -> str:
    return "".join(part.text for part in parts if part.kind in kinds)


def test_what_is_the_same_does_not_differ() -> None:
    found = recipe_diffs.compare(made(), made())
    assert found
    assert not any(row.differs for row in found)


def test_words_are_marked_one_by_one_and_both_texts_are_whole() -> None:
    first, second = "A slow waltz\nfor piano", "A fast waltz\nfor upright piano"
    parts = rows(made(prompt=first), made(prompt=second))["Description"]
    assert text(parts, "same", "gone") == first
    assert text(parts, "same", "new") == second
    assert [part.text.strip() for part in parts if part.kind == "gone"] == ["slow"]
    assert [part.text.strip() for part in parts if part.kind == "new"] == ["fast", "upright"]


def test_seed_and_settings_stand_side_by_side() -> None:
    found = rows(made(seed=1, vibe_strength=1.8, bpm="auto"), made(seed=2, vibe_strength=2.4, bpm=92))
    assert found["Seed"] == [Part("gone", "1"), Part("new", "2")]
    assert found["Vibe Strength"] == [Part("gone", "1.8"), Part("new", "2.4")]
    assert found["BPM"] == [Part("gone", "auto"), Part("new", "92")]
    assert found["Vocal balance"] == [Part("same", "0.7")]


def test_tags_are_compared_whole() -> None:
    parts = rows(made(tags=["dream pop", "pop"]), made(tags=["dream pop", "art pop"]))["Tags"]
    assert parts == [Part("same", "dream pop"), Part("gone", "pop"), Part("new", "art pop")]


def test_what_sonauto_wrote_itself_counts_as_the_words() -> None:
    described = made(prompt="x", written_tags=["fado"], written_lyrics="A boat")
    exact = made(prompt=None, tags=["fado"], lyrics="A boat")
    found = rows(described, exact)
    assert found["Tags"] == [Part("same", "fado")]
    assert found["Lyrics"] == [Part("same", "A boat")]
    assert found["Description"] == [Part("gone", "x")]


def test_what_neither_has_is_left_out() -> None:
    assert "Tags" not in rows(made(), made())
    assert "Bit rate" not in rows(made(), made())


@pytest.mark.parametrize("unit", ["la ", "la\n", "a b c d e f g h i j ", " "])
@pytest.mark.timeout(20)
def test_the_longest_lyrics_are_compared_in_no_time(unit: str) -> None:
    first, second = (unit * 10_000)[:10_000], ("x " + unit * 10_000)[:10_000]
    parts = rows(made(tags=["a"], lyrics=first), made(tags=["a"], lyrics=second))["Lyrics"]
    assert text(parts, "same", "gone") == first
    assert text(parts, "same", "new") == second
