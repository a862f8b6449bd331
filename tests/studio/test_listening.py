"""What a person does with a song that has ended: hearing it, keeping one of two, clearing a failure away."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from studio import listening, queries, timeline, trash
from studio.errors import NotFailed, NotFound, TrackInTrash, TrackNotReady
from studio.models import Event, Generation, Track, User
from studio.states import GenerationState as State
from studio.states import TrackState
from tests import factories


@pytest.fixture
def pair(ada: User) -> list[Track]:
    return list(factories.make_song(person=ada, songs=2).tracks.order_by("variation"))


def card_of(track: Track) -> queries.Card:
    return queries.card(track.person, track.generation_id)


# --- The keeper -------------------------------------------------------------------------------------------------------


def test_until_somebody_picks_the_first_stands_in(pair: list[Track]) -> None:
    card = card_of(pair[0])
    assert card.stand_in == pair[0]
    assert card.passed_over is None
    assert card.generation.keeper is None


def test_the_keeper_stands_in_once_it_is_picked_and_the_other_is_passed_over(ada: User, pair: list[Track]) -> None:
    assert listening.keep(person=ada, track_id=pair[1].pk).is_keeper
    assert card_of(pair[0]).stand_in == pair[1]
    assert card_of(pair[0]).passed_over == pair[0]
    listening.keep(person=ada, track_id=pair[0].pk)
    assert card_of(pair[0]).stand_in == pair[0]


def test_where_the_first_can_not_be_heard_the_second_stands_in(ada: User) -> None:
    song = factories.make_generation(person=ada, state=State.READY, recipe={"num_songs": 2})
    factories.make_track(song, variation=0, state=TrackState.UNREADABLE)
    second = factories.make_track(song, variation=1)
    assert card_of(second).stand_in == second
    assert listening.stand_in([]) is None


def test_a_pick_can_be_taken_back_and_the_same_again_changes_nothing(ada: User, pair: list[Track]) -> None:
    for kept in (True, True, False, False):
        listening.keep(person=ada, track_id=pair[1].pk, kept=kept)
    assert card_of(pair[0]).generation.keeper is None
    told = [event.data["kept"] for event in Event.objects.filter(data__has_key="kept").order_by("pk")]
    assert told == [True, False]


def test_what_lies_in_the_trash_is_not_picked(ada: User, pair: list[Track]) -> None:
    trash.put(person=ada, track_id=pair[1].pk)
    with pytest.raises(TrackInTrash):
        listening.keep(person=ada, track_id=pair[1].pk)
    assert card_of(pair[0]).generation.keeper is None


def test_taking_back_what_was_not_picked_leaves_the_other_one_picked(ada: User, pair: list[Track]) -> None:
    listening.keep(person=ada, track_id=pair[1].pk)
    assert not listening.keep(person=ada, track_id=pair[0].pk, kept=False).is_keeper
    assert card_of(pair[0]).stand_in == pair[1]


def test_the_timeline_says_which_one_was_kept(ada: User, pair: list[Track]) -> None:
    listening.keep(person=ada, track_id=pair[1].pk)
    assert timeline.read(pair[1].generation, pair)[-1].says == "You kept variation B"


def test_only_ones_own_and_only_what_can_be_heard_is_kept(ada: User, bo: User, pair: list[Track]) -> None:
    for person, track_id in ((bo, pair[0].pk), (ada, uuid4())):
        with pytest.raises(NotFound):
            listening.keep(person=person, track_id=track_id)
    pending = factories.make_track(factories.make_generation(person=ada), state=TrackState.PENDING)
    with pytest.raises(TrackNotReady):
        listening.keep(person=ada, track_id=pending.pk)


def test_no_row_can_keep_a_variation_that_there_is_not(pair: list[Track]) -> None:
    with pytest.raises(IntegrityError, match="keeper_is_a_variation"), transaction.atomic():
        Generation.objects.update(keeper=2)


# --- As loud as each other --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loudness", "turned_down"),
    [
        ((-14.0, -11.7), [0.0, -2.3]),
        ((-9.0, -14.0), [-5.0, 0.0]),
        ((-14.0, -14.04), [0.0, 0.0]),
        ((-14.0, None), [0.0, 0.0]),
        ((-10.0, -60.0), [-12.0, 0.0]),
    ],
)
def test_the_louder_one_is_turned_down(
    pair: list[Track], loudness: tuple[float, float | None], turned_down: list[float]
) -> None:
    for track, lufs in zip(pair, loudness, strict=True):
        Track.objects.filter(pk=track.pk).update(loudness_lufs=lufs)
    card = card_of(pair[0])
    assert [card.turned_down_db[track.pk] for track in pair] == turned_down
    louder = next((track for track, db in zip(pair, turned_down, strict=True) if db), None)
    assert card.turned_down == louder


# --- Heard ------------------------------------------------------------------------------------------------------------


def test_a_song_is_unheard_until_it_is_played_and_the_first_time_counts(ada: User, pair: list[Track]) -> None:
    assert card_of(pair[0]).is_unheard
    listening.hear(person=ada, generation_id=pair[0].generation_id)
    first = Generation.objects.get().heard_at
    listening.hear(person=ada, generation_id=pair[0].generation_id)
    assert not card_of(pair[0]).is_unheard
    assert Generation.objects.get().heard_at == first


def test_nobody_hears_for_another(bo: User, pair: list[Track]) -> None:
    with pytest.raises(NotFound):
        listening.hear(person=bo, generation_id=pair[0].generation_id)
    assert card_of(pair[0]).is_unheard


def test_what_is_not_there_yet_is_neither_heard_nor_unheard(ada: User) -> None:
    song = factories.make_generation(person=ada, state=State.RUNNING)
    listening.hear(person=ada, generation_id=song.pk)
    assert Generation.objects.get().heard_at is None
    assert not queries.card(ada, song.pk).is_unheard


# --- Cleared away -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_a_failure_leaves_the_feed_and_comes_back(ada: User, state: str) -> None:
    song = factories.make_generation(person=ada, state=state)
    listening.clear(person=ada, generation_id=song.pk)
    assert queries.feed(ada).cards == []
    assert len(queries.feed(ada, with_hidden=True).cards) == 1
    assert queries.card(ada, song.pk).generation == song
    listening.clear(person=ada, generation_id=song.pk, cleared=False)
    assert len(queries.feed(ada).cards) == 1


def test_a_song_that_comes_after_all_is_in_the_feed_again(ada: User) -> None:
    song = factories.make_generation(person=ada, state=State.FAILED)
    listening.clear(person=ada, generation_id=song.pk)
    Generation.objects.update(state=State.READY)
    assert len(queries.feed(ada).cards) == 1


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.INGESTING, State.READY])
def test_nothing_else_can_be_cleared_away(ada: User, state: str) -> None:
    song = factories.make_generation(person=ada, state=state)
    with pytest.raises(NotFailed):
        listening.clear(person=ada, generation_id=song.pk)
    assert len(queries.feed(ada).cards) == 1


def test_nobody_clears_away_for_another(ada: User, bo: User) -> None:
    song = factories.make_generation(person=ada, state=State.FAILED)
    with pytest.raises(NotFound):
        listening.clear(person=bo, generation_id=song.pk)
