"""The picker's data, as programs and the page get it."""

from typing import Any

from django.test import Client


def names(program: Client, query: str) -> list[str]:
    answer = program.get(f"/api/tags?{query}")
    assert answer.status_code == 200
    return [tag["name"] for tag in answer.json()["tags"]]


def test_a_group_is_read_in_pages_that_neither_repeat_nor_end_too_soon(program: Client) -> None:
    seen: list[str] = []
    more, pages = True, 0
    while more:
        answer: dict[str, Any] = program.get(f"/api/tags?group=mood&limit=24&offset={len(seen)}").json()
        assert {tag["group"] for tag in answer["tags"]} == {"mood"}
        seen += [tag["name"] for tag in answer["tags"]]
        more, pages = answer["more"], pages + 1
        assert pages < 10
    assert len(seen) == len(set(seen)) > 48


def test_related_tags_go_with_those_that_are_named(program: Client) -> None:
    found = names(program, "related=dream+pop,zz9&limit=5")
    assert found[0] == "alternative rock"
    assert len(found) == 5
    assert names(program, "related=zz9") == []


def test_the_dice_keep_what_is_chosen(program: Client) -> None:
    thrown = program.get("/api/tags/dice?keep=jazz").json()["tags"]
    assert [tag["group"] for tag in thrown] == ["mood", "instrument", "vocals"]


def test_a_page_out_of_bounds_is_refused(program: Client) -> None:
    for query in ("limit=0", "limit=101", "offset=-1", "offset=10001"):
        assert program.get(f"/api/tags?{query}").status_code == 422


def test_a_thousand_related_tags_are_no_burden(program: Client) -> None:
    assert program.get("/api/tags", {"related": ",".join(["jazz"] * 1000)}).status_code == 200
