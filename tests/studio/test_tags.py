"""The picker's search: what people type and what they mean by it."""

import pytest

from studio import tags


def names(q: str, **how: object) -> list[str]:
    return [tag.name for tag in tags.search(q, **how)]  # type: ignore[arg-type] # as given


def test_every_known_tag_is_there_once_and_popular_ones_first() -> None:
    known = tags.all_tags()
    assert len(known) == len({tag.name for tag in known}) > 1500
    ranks = [tag.rank for tag in known if tag.rank is not None]
    assert ranks == sorted(ranks)
    assert known[0].name == "pop"


def test_nothing_typed_gives_the_most_popular() -> None:
    assert names("", limit=3) == [tag.name for tag in tags.all_tags()[:3]]


def test_what_starts_so_comes_before_a_word_that_does_and_that_before_the_rest() -> None:
    found = tags.search("pop", limit=1000)
    kinds = [0 if tag.folded.startswith("pop") else 1 if " pop" in tag.folded else 2 for tag in found]
    assert kinds == sorted(kinds)
    assert set(kinds) == {0, 1, 2}
    for kind in (0, 1, 2):
        order = [tags.all_tags().index(tag) for tag, its in zip(found, kinds, strict=True) if its == kind]
        assert order == sorted(order)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lo-fi", "lo-fi"),
        ("lo fi", "lo-fi"),
        ("lofi", "lo-fi"),
        ("LO-FI", "lo-fi"),
        ("  lo   fi ", "lo-fi"),
        ("hiphop", "hip hop"),
        ("hip-hop", "hip hop"),
        ("kpop", "k-pop"),
        ("forro", "forró"),
        ("FORRÓ", "forró"),
        ("forro\u0301", "forró"),
        ("norteno", "norteño"),
        ("samba cancao", "samba-canção"),
        ("nhac vang", "nhạc vàng"),
    ],
)
def test_case_accents_and_hyphens_do_not_matter(typed: str, meant: str) -> None:
    assert meant in names(typed)


def test_a_letter_and_a_word_are_not_glued_together() -> None:
    assert not any(name.startswith("abstract") for name in names("a bstract", limit=1000))


@pytest.mark.parametrize("typed", ["qqqqzz", "\0", "🎹", "%", "'; --"])
def test_what_nobody_means_finds_nothing(typed: str) -> None:
    assert names(typed) == []


def test_a_group_narrows_and_a_limit_cuts() -> None:
    group = tags.all_tags()[0].group
    found = tags.search("a", limit=5, group=group)
    assert len(found) == 5
    assert {tag.group for tag in found} == {group}
    assert tags.search("a", group="no such group") == []


@pytest.mark.parametrize(("name", "known"), [("Lo-Fi", True), ("forro", True), ("my own style", False), ("", False)])
def test_a_tag_is_known_however_it_is_written(name: str, known: bool) -> None:
    assert tags.is_known(name) is known
