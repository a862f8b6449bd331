"""The tree of what came from what, with what was changed and what it cost."""

from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from studio import extensions, generations, lineage, retouches
from studio.errors import NotFound
from studio.lineage import Node
from studio.models import Generation, Track, User
from tests import factories
from tests.retouch.conftest import keep, noise, wav
from tests.retouch.scenes import begun, delivered, failed, last_take, retried
from tests.studio.people import ONE_SONG


def extended(person: User, track: Track, **inputs: Any) -> Track:
    """An extension that is there."""
    asked, _ = extensions.start(person=person, track_id=track.pk, inputs={"side": "right"} | inputs)
    Generation.objects.filter(pk=asked.pk).update(
        state="READY", finished_at=timezone.now(), submit_started_at=timezone.now(), charged_micros=ONE_SONG
    )
    asked.refresh_from_db()
    made = factories.make_track(asked, title=track.title, duration_ms=20_000)
    keep(made, wav(noise()))
    return made


def shape(node: Node) -> Any:
    return (node.kind, node.cost_micros, [shape(child) for child in node.children])


@pytest.fixture
def family(ada: User, track: Track) -> dict[str, Track]:
    """A song; a retouch of it with a failed take, a take that won't do and one that is accepted; that one extended."""
    retouch = begun(ada, track)
    failed(last_take(retouch))
    first = delivered(retried(ada, retouch, ""))
    second = delivered(retried(ada, retouch))
    retouches.accept(person=ada, retouch_id=retouch.pk, take_id=second.generation_id)
    second.refresh_from_db()
    longer = extended(ada, second, vibe_strength=2.5, crop_duration=2.0)
    return {"song": track, "first": first, "second": second, "longer": longer}


@pytest.mark.parametrize("asked", ["song", "first", "second", "longer"])
def test_every_member_of_a_family_shows_the_same_tree(ada: User, family: dict[str, Track], asked: str) -> None:
    found = lineage.tree(ada, family[asked].pk)
    [root] = found.roots
    extension: Any = ("extension", ONE_SONG, [])
    takes = [("retouch", ONE_SONG, []), ("retouch", ONE_SONG, [extension])]
    assert shape(root) == ("variation", ONE_SONG, takes)
    assert found.total_micros == 4 * ONE_SONG
    assert [node.track for node in found.nodes()] == list(family.values())


def test_an_edge_says_what_was_changed(ada: User, family: dict[str, Track]) -> None:
    nodes = {node.track.pk: node for node in lineage.tree(ada, family["song"].pk).nodes()}
    assert nodes[family["second"].pk].changed["section"] == {"start": 8.0, "end": 12.0}
    assert nodes[family["second"].pk].changed["lyrics"] == "changed"
    longer = nodes[family["longer"].pk].changed
    assert (longer["vibe_strength"], longer["crop_duration"], longer["side"]) == (2.5, 2.0, "right")
    assert "tags" not in longer


def test_what_was_thrown_away_stays_as_a_stub(ada: User, family: dict[str, Track]) -> None:
    now = timezone.now()
    Track.objects.filter(pk=family["song"].pk).update(trashed_at=now, purged_at=now)
    Track.objects.filter(pk=family["second"].pk).update(trashed_at=now)
    told = lineage.document(lineage.tree(ada, family["longer"].pk))
    [root] = told["tracks"]
    assert root["state"] == "DELETED"
    assert [(take["state"], take["edge"]["accepted"]) for take in root["tracks"]] == [
        ("READY", False),
        ("TRASHED", True),
    ]
    assert told["total"] == "0.3000"


def test_two_variations_share_their_price_to_the_last_micro(ada: User) -> None:
    song = factories.make_song(person=ada, songs=2)
    found = lineage.tree(ada, song.tracks.earliest("variation").pk)
    assert [node.cost_micros for node in found.roots] == [56_250, 56_250]
    assert found.total_micros == 112_500


def test_a_tree_of_any_size_takes_the_same_queries(
    ada: User, track: Track, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        extended(ada, track)
    with django_assert_num_queries(4):
        assert len(list(lineage.tree(ada, track.pk).nodes())) == 6


def test_anothers_family_is_not_there(ben: User, family: dict[str, Track]) -> None:
    with pytest.raises(NotFound):
        lineage.tree(ben, family["song"].pk)


def test_what_still_waits_is_no_member_yet(ada: User, track: Track) -> None:
    generation, _ = extensions.start(person=ada, track_id=track.pk, inputs={"side": "left"})
    assert len(list(lineage.tree(ada, track.pk).nodes())) == 1
    generations.cancel(person=ada, generation_id=generation.pk)
    assert lineage.tree(ada, track.pk).total_micros == ONE_SONG
