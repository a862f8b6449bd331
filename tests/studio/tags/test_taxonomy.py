"""The fixture of style tags is whole, and one that isn't is refused with its faults named."""

import json
from typing import Any

import pytest

from studio.tags import taxonomy
from studio.tags.taxonomy import TaxonomyBroken

POP: dict[str, Any] = {"name": "pop", "group": "genre", "parent": None, "rank": 1, "sources": ["a list"]}
SYNTH: dict[str, Any] = {"name": "synth-pop", "group": "subgenre", "parent": "pop", "rank": None, "sources": ["a list"]}


def text(*tags: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"about": "", "read_on": "2026-11-24", "tags": tags} | more).encode()


def test_every_known_tag_is_there_once_with_a_source_and_popular_ones_first() -> None:
    known = taxonomy.all_tags()
    assert len(known) == len({tag.folded for tag in known}) > 1500
    assert all(tag.sources for tag in known)
    ranks = [tag.rank for tag in known if tag.rank is not None]
    assert ranks == sorted(ranks)
    assert known[0].name == "pop"


def test_parents_are_tags_and_know_their_children() -> None:
    assert {tag.parent for tag in taxonomy.all_tags()} - {None} == taxonomy.children().keys()
    assert taxonomy.by_name()["late 2010s"] in taxonomy.children()["2010s"]


def test_a_sound_one_is_read() -> None:
    assert [tag.name for tag in taxonomy.load(text(POP, SYNTH)).tags] == ["pop", "synth-pop"]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (b"", "can't be read"),
        (b"\xff\xfe", "can't be read"),
        (b"[]", "can't be read"),
        (text(POP | {"group": "colour"}), "tags.0.group"),
        (text(POP | {"rank": 0}), "tags.0.rank"),
        (text(POP | {"rank": 1.5}), "tags.0.rank"),
        (text(POP | {"name": "pop, rock"}), "tags.0.name"),
        (text(POP | {"name": " pop"}), "tags.0.name"),
        (text(POP | {"name": ""}), "tags.0.name"),
        (text(POP | {"name": "x" * 61}), "tags.0.name"),
        (text(POP | {"colour": "blue"}), "tags.0.colour"),
        (text({key: POP[key] for key in POP if key != "sources"}), "tags.0.sources"),
        (text(POP, read_on="soon"), "read_on"),
        (text(POP, POP | {"rank": 2}), "'pop' is there 2 times"),
        (text(SYNTH, SYNTH | {"name": "synth pop"}, POP), "'synth pop' is there 2 times"),
        (text(POP, SYNTH | {"rank": 1}), "2 tags have rank 1"),
        (text(SYNTH), "'synth-pop' has the unknown parent 'pop'"),
        (text(POP | {"parent": "synth-pop"}, SYNTH), "is its own ancestor"),
        (text(POP | {"parent": "pop"}), "is its own ancestor"),
        (text(POP | {"name": "Pop"}), "not in small letters"),
        (text(POP | {"name": "forro\u0301"}), "not in small letters, composed"),
    ],
)
def test_a_broken_one_is_refused_by_name(broken: bytes, says: str) -> None:
    with pytest.raises(TaxonomyBroken, match=says.replace("(", r"\(")):
        taxonomy.load(broken)


def test_the_studio_does_not_start_with_a_broken_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from django.apps import apps  # noqa: PLC0415

    broken = tmp_path / "tags.json"
    broken.write_bytes(text(SYNTH))
    monkeypatch.setattr(taxonomy, "FIXTURE", broken)
    taxonomy.taxonomy.cache_clear()
    try:
        with pytest.raises(TaxonomyBroken):
            apps.get_app_config("studio").ready()
    finally:
        taxonomy.taxonomy.cache_clear()
