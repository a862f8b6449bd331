"""A saved page is read whatever its markup, and what is no list of tags is refused."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.tags import explorer, taxonomy
from studio.tags.explorer import PageUnreadable
from tests.studio.tags.pages import HANDS, buttons, numbered_text, text

KNOWN = [tag.name for tag in taxonomy.all_tags()]
# Some that are hard to tell from what stands around a tag, and two that nobody knows.
HARD = ["2000s", "late 2010s", "8-bit", "r&b", "funk / soul", "drums (drum set)", "forró", "uk82"]
NEW = ["glitter folk", "post-everything"]
PAGE = [*KNOWN[:150], *(name for name in HARD if name not in KNOWN[:150]), *NEW, *KNOWN[400:500]]


@pytest.mark.parametrize("hand", HANDS.values(), ids=HANDS)
def test_all_tags_and_nothing_else_are_read_in_their_order(hand: object) -> None:
    page = list(dict.fromkeys(PAGE))
    assert explorer.names(hand(page).encode(), KNOWN) == page  # type: ignore[operator]


def test_a_tag_that_is_there_twice_counts_where_it_is_first() -> None:
    assert explorer.names(numbered_text([*KNOWN[:50], *KNOWN[:20]]).encode(), KNOWN) == KNOWN[:50]


def test_capitals_do_not_make_another_tag() -> None:
    page = [name.title() for name in KNOWN[:100]]
    assert explorer.names(buttons(page).encode(), KNOWN) == [name.lower() for name in page]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_its_encoding_does_not_matter(encoding: str) -> None:
    page = [name for name in KNOWN if name.encode("cp1252", "ignore").decode("cp1252") == name][:300]
    assert any(not name.isascii() for name in page) or encoding != "cp1252"
    assert explorer.names(buttons(page).encode(encoding), KNOWN) == page


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"\0" * 1000,
        b"<html><body><p>Not found</p></body></html>",
        b"<" * 10_000,
        b"MIME-Version: 1.0\nContent-Type: multipart/related\n\n",
        text(KNOWN[:5]).encode(),
        "\n".join(f"word{at}" for at in range(5000)).encode(),
    ],
    ids=["empty", "zeros", "another page", "open angles", "empty archive", "five tags", "other words"],
)
def test_another_page_is_refused(page: bytes) -> None:
    with pytest.raises(PageUnreadable):
        explorer.names(page, KNOWN)


def test_a_page_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "MAX_BYTES", 100)
    with pytest.raises(PageUnreadable, match="larger"):
        explorer.names(text(KNOWN[:100]).encode(), KNOWN)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400))
def test_rubbish_is_refused_and_breaks_nothing(rubbish: bytes) -> None:
    with pytest.raises(PageUnreadable):
        explorer.names(b"<html>" + rubbish, KNOWN)
