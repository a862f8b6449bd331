"""Advice on settings is given only where something is known."""

import pytest

from studio.tags.suggestions import VIBE_STRENGTHS, Suggestion, vibe_strength
from studio.tags.taxonomy import by_name

BASIS = {"rock": 2.4, "dream pop": 1.6, "jazz": 1.8}


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["rock"], Suggestion("rock", 2.4)),
        (["Dream-Pop"], Suggestion("dream pop", 1.6)),
        (["shoegaze", "warm"], Suggestion("rock", 2.4)),
        (["alternative rock", "zz9"], Suggestion("rock", 2.4)),
        (["rock", "jazz"], None),
        (["warm"], None),
        ([], None),
    ],
)
def test_the_nearest_style_with_a_basis_decides(tags: list[str], found: Suggestion | None) -> None:
    assert vibe_strength(tags, BASIS) == found


def test_styles_that_agree_say_so_together() -> None:
    assert vibe_strength(["jazz", "pop"]) == Suggestion("jazz", 1.8)
    assert vibe_strength(["jazz", "phonk"]) is None


def test_every_style_of_the_basis_is_known_and_within_what_fal_takes() -> None:
    assert VIBE_STRENGTHS.keys() <= by_name().keys()
    assert all(1.4 <= value <= 3.1 for value in VIBE_STRENGTHS.values())
