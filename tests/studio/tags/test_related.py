"""What goes with a tag: by the taxonomy, and by what people put together."""

from collections import Counter
from collections.abc import Iterator

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from studio.states import GenerationState as State
from studio.tags import related
from studio.tags.taxonomy import all_tags, by_name
from tests import factories

NOTHING: related.Together = {}


@pytest.fixture(autouse=True)
def _nothing_was_read_before() -> Iterator[None]:
    related._kept_together.cache_clear()
    yield
    related._kept_together.cache_clear()


def names(*chosen: str, limit: int = 12, together: related.Together = NOTHING) -> list[str]:
    return [tag.name for tag in related.related(chosen, limit, together)]


def test_the_parent_comes_first_and_siblings_follow() -> None:
    found = names("dream pop")
    assert found[0] == by_name()["dream pop"].parent == "alternative rock"
    assert all(by_name()[name].parent == "alternative rock" for name in found[1:])


def test_children_are_offered() -> None:
    assert all(by_name()[name].parent == "jazz" for name in names("jazz"))
    assert names("jazz")


def test_what_is_chosen_is_not_offered_again_however_it_is_written() -> None:
    assert "jazz" not in names("JAZZ", "Swing")


def test_what_fits_both_comes_before_what_fits_one() -> None:
    together = {"jazz": Counter({"piano": 4, "guitar": 3}), "rain": Counter(), "warm": Counter({"guitar": 9})}
    assert names("jazz", "warm", together=together)[0] == "guitar"


def test_unknown_tags_and_none_at_all_have_no_relations() -> None:
    assert names("zz9 of my own") == names() == names("", " ") == []


def test_a_sensitive_tag_is_never_offered() -> None:
    sensitive = next(tag.name for tag in all_tags() if tag.sensitive)
    assert sensitive not in names("jazz", together={"jazz": Counter({sensitive: 99})}, limit=100)


def test_only_what_is_known_and_comes_more_than_once_is_told_of_songs() -> None:
    found = related.count_together([["Jazz", "piano", "my own secret"], ["piano", "jazz"], ["jazz", "guitar"], []])
    assert found["jazz"] == {"piano": 2}
    assert "my own secret" not in str(found)


def test_the_songs_that_people_kept_are_read_once_for_all(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(2):
        factories.make_song(songs=1, recipe={"prompt": None, "tags": ["fado", "harmonica"], "lyrics": ""})
    described = factories.make_song(songs=1)
    type(described).objects.filter(pk=described.pk).update(written_tags=["fado", "kora"])
    factories.make_generation(state=State.FAILED, recipe={"prompt": None, "tags": ["fado", "kora"], "lyrics": ""})
    with django_assert_num_queries(1):
        found = [[tag.name for tag in related.related(["fado"])] for _ in range(3)]
    assert found[0] == found[2]
    assert "harmonica" in found[0]
    assert "kora" not in found[0], "once is chance, and a failed song doesn't count"


def test_songs_that_lie_in_the_trash_tell_nothing(db: None) -> None:
    for _ in range(2):
        song = factories.make_song(songs=1, recipe={"prompt": None, "tags": ["fado", "harmonica"], "lyrics": ""})
        song.tracks.update(trashed_at=timezone.now())
    assert "harmonica" not in [tag.name for tag in related.related(["fado"])]


def test_the_dice_leave_what_is_chosen_and_fill_the_other_groups() -> None:
    for _ in range(20):
        thrown = related.throw(["dream pop", "warm"])
        assert [tag.group for tag in thrown] == ["instrument", "vocals"]
        assert not any(tag.sensitive for tag in thrown)
    assert [tag.group for tag in related.throw([])] == list(related.THROWN)
    assert len({tuple(tag.name for tag in related.throw([])) for _ in range(20)}) > 10
