"""What has changed between the taxonomy and a page, and what a page would make of it."""

import json
from datetime import date
from typing import Any

import pytest

from studio.tags import drift, taxonomy
from studio.tags.taxonomy import Taxonomy

OURS = taxonomy.taxonomy()
NAMES = [tag.name for tag in taxonomy.all_tags()]


def test_the_same_tags_have_not_drifted() -> None:
    found = drift.between(OURS, NAMES)
    assert (found.added, found.gone, found.moved, found.percent) == ([], [], [], 0)


def test_what_is_new_and_what_is_gone_are_named() -> None:
    found = drift.between(OURS, ["glitter folk", *NAMES[2:]])
    assert (found.added, sorted(found.gone), found.moved) == (["glitter folk"], sorted(NAMES[:2]), [])
    assert found.percent == pytest.approx(100 * 3 / len(NAMES))


def test_another_spelling_is_the_same_tag() -> None:
    found = drift.between(OURS, [name.replace("-", " ") for name in NAMES])
    assert (found.added, found.gone) == ([], [])


def test_a_tag_that_falls_far_has_moved_and_its_neighbours_have_not() -> None:
    ranked = [tag.name for tag in taxonomy.all_tags() if tag.rank]
    found = drift.between(OURS, [*ranked[1:], ranked[0], *NAMES[len(ranked) :]])
    assert [(move.name, move.was, move.now) for move in found.moved] == [(ranked[0], 1, len(ranked))]


def test_newcomers_between_them_move_nobody() -> None:
    page = [name for tag in NAMES for name in (tag, f"{tag} two")]
    assert drift.between(OURS, page).moved == []


def test_a_tenth_and_more_is_told_from_less() -> None:
    tenth = len(NAMES) // 10
    assert drift.between(OURS, NAMES[tenth:]).percent <= 10
    assert drift.between(OURS, NAMES[tenth + 1 :]).percent > 10


def made(*names: str) -> Taxonomy:
    found = drift.taxonomy_of(names, OURS, date(2026, 12, 1))
    # What is printed is what is read at the next start.
    return taxonomy.load(json.dumps(found.model_dump(mode="json")).encode())


def test_a_page_becomes_a_taxonomy_that_keeps_what_is_known() -> None:
    found = made("rock", "pop", "synth-pop")
    assert [(tag.name, tag.rank) for tag in found.tags] == [("rock", 1), ("pop", 2), ("synth-pop", 3)]
    known = taxonomy.by_name()
    assert all(tag.group == known[tag.name].group for tag in found.tags if tag.name in known)
    assert all(drift.SOURCE in tag.sources for tag in found.tags)
    assert found.read_on == date(2026, 12, 1)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("glitter folk", ("subgenre", "folk")),
        ("early 2020s", ("era", "2020s")),
        ("2030s", ("era", None)),
        ("prepared acoustic guitar", ("instrument", "acoustic guitar")),
        ("zzyzx", ("unsorted", None)),
    ],
)
def test_a_new_tag_is_given_its_place_where_its_name_tells(name: str, where: tuple[Any, Any]) -> None:
    # Its parent counts only where the page has it.
    found = made(name, "folk", "2020s", "acoustic guitar")
    assert (found.tags[0].group, found.tags[0].parent) == where


def test_a_parent_that_the_page_has_not_is_none() -> None:
    assert made("glitter folk").tags[0].parent is None
