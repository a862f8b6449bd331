"""The picker's search: what people type and what they mean by it."""

import pytest

from studio.tags import search, taxonomy


def names(q: str, **how: object) -> list[str]:
    return [tag.name for tag in search.find(q, **how)]  # type: ignore[arg-type] # as given


def test_nothing_typed_gives_the_most_popular() -> None:
    assert names("", limit=3) == [tag.name for tag in taxonomy.all_tags()[:3]]


def test_what_starts_so_comes_before_a_word_that_does_and_that_before_the_rest() -> None:
    found = search.find("pop", limit=1000)
    kinds = [0 if tag.folded.startswith("pop") else 1 if " pop" in tag.folded else 2 for tag in found]
    assert kinds == sorted(kinds)
    assert set(kinds) == {0, 1, 2}
    for kind in (0, 1, 2):
        order = [taxonomy.all_tags().index(tag) for tag, its in zip(found, kinds, strict=True) if its == kind]
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
    assert any(tag.folded.startswith("ab") for tag in taxonomy.all_tags())
    assert not any(name.startswith("ab") for name in names("a b", limit=1000))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("regae", "reggae"),
        ("reggaee", "reggae"),
        ("reggie", "reggae"),
        ("rokc", "rock"),
        ("eock", "rock"),
        ("ocr", None),
        ("ampient", "ambient"),
        ("abmient", "ambient"),
        ("mbient", "ambient"),
        ("xambient", "ambient"),
        ("synhtw", "synthwave"),
        ("indie fokl", "indie folk"),
        ("guitra", "acoustic guitar"),
    ],
)
def test_one_slip_is_forgiven(typed: str, meant: str | None) -> None:
    assert meant is None or meant in names(typed, limit=50)


def test_two_slips_are_not() -> None:
    assert "reggae" not in names("ragg1e", limit=1000)


def test_what_is_typed_right_comes_before_what_might_have_been_meant() -> None:
    found = names("rock", limit=1000)
    right = ["rock" in taxonomy.fold(name) for name in found]
    assert right == sorted(right, reverse=True)
    assert len(found) == len(set(found))


def test_three_letters_mean_what_they_say() -> None:
    assert all("jaz" in name for name in names("jaz", limit=1000))


def test_a_sensitive_tag_is_found_by_its_own_letters_and_never_proposed() -> None:
    sensitive = [tag.name for tag in taxonomy.all_tags() if tag.sensitive]
    assert sensitive
    assert all(name in names(name) for name in sensitive)
    assert not set(sensitive) & set(names("", limit=10_000))
    assert "erotic" not in names("eratic", limit=1000)


@pytest.mark.parametrize("typed", ["qqqqzz", "\0", "🎹", "%", "'; --"])
def test_what_nobody_means_finds_nothing(typed: str) -> None:
    assert names(typed) == []


def test_a_group_narrows_and_a_limit_cuts() -> None:
    group = taxonomy.all_tags()[0].group
    found = search.find("a", limit=5, group=group)
    assert len(found) == 5
    assert {tag.group for tag in found} == {group}
    assert search.find("a", group="no such group") == []


@pytest.mark.parametrize(("name", "known"), [("Lo-Fi", True), ("forro", True), ("my own style", False), ("", False)])
def test_a_tag_is_known_however_it_is_written(name: str, known: bool) -> None:
    assert taxonomy.is_known(name) is known
