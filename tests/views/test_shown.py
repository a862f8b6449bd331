"""How values are written for people, and how what was typed is read."""

from datetime import timedelta

import pytest
from django.utils import timezone

from studio.errors import Problem
from studio.forms import ComposerForm, from_recipe, split_tags
from studio.templatetags import shown
from tests import factories


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, "0:00"), (95_400, "1:35"), (59_600, "1:00"), (600_000, "10:00")]
)
def test_a_length_is_minutes_and_seconds(milliseconds: int, text: str) -> None:
    assert shown.clock(milliseconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [((62, 118), "usually 60–120 s"), ((4, 9), "usually 4–9 s"), ((61, 64), "usually about 60 s")]
)
def test_a_usual_time_claims_no_more_than_it_knows(seconds: tuple[int, int], text: str) -> None:
    assert shown.usual(seconds) == text


def test_a_clock_never_runs_backwards_from_the_future() -> None:
    assert shown.clock_since(timezone.now() + timedelta(seconds=30)) == "0:00"
    assert shown.clock_since(timezone.now() - timedelta(seconds=75)) == "1:15"


@pytest.mark.parametrize(
    ("part", "whole", "percent"), [(0, 10, 0), (5, 10, 50), (999, 1000, 99), (20, 10, 100), (0, 0, 100)]
)
def test_a_share_stays_within_its_meter(part: int, whole: int, percent: int) -> None:
    assert shown.percent_of(part, whole) == percent


def test_a_month_has_its_short_name() -> None:
    assert shown.month_name("2026-11") == "Nov"


def test_tags_are_split_at_commas_and_lines() -> None:
    assert split_tags("fado, lisbon,\n ,night ") == ["fado", "lisbon", "night"]


@pytest.mark.parametrize(
    ("typed", "read"),
    [("2.7", 2.7), ("2", 2.0), (",5", 0.5), ("nan", "nan"), ("1e999", "1e999"), ("crunchy", "crunchy")],
)
def test_a_number_that_is_none_stays_as_it_was_typed(typed: str, read: object) -> None:
    assert ComposerForm({"vibe_strength": typed}).inputs()["vibe_strength"] == read


def test_an_empty_number_is_left_to_its_default() -> None:
    asked = ComposerForm({"mode": "describe", "prompt": "x"}).inputs()
    assert asked == {"prompt": "x", "tags": None, "lyrics": None, "bpm": "auto", "seed": None}


def test_an_unknown_mode_is_the_first_one() -> None:
    assert ComposerForm({"mode": "nonsense"}).chosen_mode == "describe"


def test_a_problem_of_a_hidden_field_is_told_above_the_button() -> None:
    form = ComposerForm({"mode": "describe"})
    form.refuse([Problem("a", "Tags are odd.", field="tags.3"), Problem("b", "Too fast.", "Slow down.", field="bpm")])
    assert form.non_field_errors() == ["Tags are odd."]
    assert form.errors["bpm"] == ["Too fast. Slow down."]


@pytest.mark.parametrize(
    ("texts", "mode"),
    [
        ({"prompt": "x"}, "describe"),
        ({"prompt": "x", "tags": ["a"]}, "describe-tags"),
        ({"prompt": "x", "lyrics": ""}, "describe-lyrics"),
        ({"prompt": None, "tags": ["a"], "lyrics": ""}, "exact"),
    ],
)
def test_a_recipe_goes_through_the_composer_and_comes_out_the_same(texts: dict[str, object], mode: str) -> None:
    recipe = factories.make_recipe(**texts, bpm=96, num_songs=2)
    form = ComposerForm(from_recipe(recipe))
    assert form.chosen_mode == mode
    asked = form.inputs()
    assert asked.pop("seed") == str(recipe["seed"])
    assert asked.items() <= recipe.items()
