"""Audio that could not be had is fetched once more: by its owner or an admin, as often as they like, for nothing."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from studio import settling, sweep, tracks
from studio.errors import FileForgotten, NotFound, TrackIsReady
from studio.fal.errors import FalError
from studio.media.errors import AudioUnreadable, SourceMissing
from studio.models import Generation, Track, User
from studio.states import GenerationState as State
from studio.states import TrackState
from tests.studio.fixtures import Rings
from tests.studio.people import (
    ONE_SONG,
    TWO_SONGS,
    aged,
    errors_in,
    house_micros,
    kinds_of,
    make_ready,
    money_of,
    names_of,
    put,
    race,
    song,
    submitted,
)
from tests.studio.test_tracks import Media, again, delivered, died, fetch_now, media

__all__ = ["media"]


def unreadable(track: Track, media: Media) -> Track:
    """Fetched three times in vain."""
    media.faults = [AudioUnreadable()] * 3
    for _ in range(3):
        fetch_now(track)
    return again(track)


def fetch_again(track: Track) -> Track:
    return tracks.fetch_again(person=track.person, track_id=track.pk)


def test_the_song_comes_to_its_owner_and_the_house_has_paid(ada: User, media: Media) -> None:
    [track] = delivered(ada)
    assert unreadable(track, media).generation.state == State.FAILED
    waiting = fetch_again(track)
    assert (waiting.state, waiting.attempts, waiting.fetches_failed) == (TrackState.PENDING, 0, 0)
    assert waiting.generation.state == State.INGESTING
    assert (waiting.generation.reason_code, waiting.generation.finished_at) == ("", None)
    tracks.fetch(track.pk)
    done = again(track)
    assert (done.state, done.generation.state, done.generation.charged_micros) == (TrackState.READY, State.READY, 0)
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)
    assert names_of(done.generation)[-1] == "job_succeeded"


def test_it_is_rung_for_and_told(
    ada: User, media: Media, rings: Rings, django_capture_on_commit_callbacks: object
) -> None:
    [track] = delivered(ada)
    unreadable(track, media)
    rings.clear()
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        fetch_again(track)
    assert ("studio.ingest", {"track_id": str(track.pk)}) in rings
    told = track.generation.events.filter(data__fetched_again=True).get()
    assert told.data["track"] == str(track.pk)


def test_in_vain_once_more_it_costs_nothing_once_more(ada: User, media: Media) -> None:
    [track] = delivered(ada)
    for _ in range(3):
        assert unreadable(track, media).generation.state == State.FAILED
        fetch_again(track)
    assert unreadable(track, media).state == TrackState.UNREADABLE
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)
    assert sorted(kinds_of(track.generation)) == ["ADJUST", "ADJUST", "CHARGE", "HOLD"]


def test_the_second_of_two_comes_for_the_price_of_one(ada: User, media: Media) -> None:
    good, bad = delivered(ada, songs=2)
    tracks.fetch(good.pk)
    assert unreadable(bad, media).generation.state == State.READY
    fetch_again(bad)
    tracks.fetch(bad.pk)
    done = again(bad)
    assert (done.state, done.generation.state) == (TrackState.READY, State.READY)
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), TWO_SONGS - ONE_SONG)
    assert names_of(done.generation).count("job_succeeded") == 1


def test_one_fetched_again_before_the_other_has_ended_is_paid_for_as_it_can_be_heard(ada: User, media: Media) -> None:
    first, second = delivered(ada, songs=2)
    assert unreadable(first, media).generation.state == State.INGESTING
    fetch_again(first)
    for track in (first, second):
        tracks.fetch(track.pk)
    assert again(first).generation.state == State.READY
    assert (money_of(ada), house_micros()) == ((0, TWO_SONGS), 0)


def test_a_late_song_that_could_not_be_read_is_fetched_again_too(ada: User, media: Media) -> None:
    generation = put(submitted(ada), State.LOST)
    settling.fail(generation, FalError())
    settling.settle(generation.pk, song(), request_id=generation.request_id)
    [track] = generation.tracks.all()
    unreadable(track, media)
    fetch_again(track)
    tracks.fetch(track.pk)
    assert again(track).generation.state == State.READY
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


def test_a_track_that_is_being_fetched_stays_as_it_is(ada: User, media: Media) -> None:
    [track] = delivered(ada)
    media.faults = [SourceMissing()]
    failed_once = fetch_now(track)
    assert fetch_again(track).fetches_failed == failed_once.fetches_failed == 1


def test_a_track_that_can_be_heard_is_refused(ada: User) -> None:
    [track] = delivered(ada)
    make_ready(track)
    with pytest.raises(TrackIsReady):
        fetch_again(track)


def test_after_seven_days_fal_has_forgotten_the_file(ada: User, media: Media) -> None:
    [track] = delivered(ada)
    unreadable(track, media)
    for age, refused in ((timedelta(days=6, hours=23), False), (timedelta(days=7, minutes=1), True)):
        Track.objects.filter(pk=track.pk).update(created_at=timezone.now() - age, state=TrackState.UNREADABLE)
        put(track.generation, State.FAILED)
        if refused:
            with pytest.raises(FileForgotten):
                fetch_again(track)
        else:
            assert fetch_again(track).state == TrackState.PENDING


def test_another_persons_track_looks_like_none_at_all(ada: User, bo: User, media: Media) -> None:
    [track] = delivered(ada)
    unreadable(track, media)
    with pytest.raises(NotFound):
        tracks.fetch_again(person=bo, track_id=track.pk)
    assert again(track).state == TrackState.UNREADABLE


def test_a_repeated_success_of_a_song_that_failed_unread_changes_nothing(ada: User, media: Media) -> None:
    """It was charged, so it was here before: only the file is to be fetched again."""
    [track] = delivered(ada)
    unreadable(track, media)
    settling.settle(track.generation_id, song(), request_id=track.generation.request_id)
    assert Generation.objects.get(pk=track.generation_id).state == State.FAILED
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


# --- By an admin ------------------------------------------------------------------------------------------------------


def test_an_admin_wakes_a_dead_letter_and_the_person_pays_nothing(ada: User, bo: User, media: Media) -> None:
    [track] = delivered(ada)
    died(track, tracks.DEATHS)
    assert fetch_again(track).dead_at is not None, "its owner can't, for it kills workers"
    woken = tracks.try_again(track.pk, author=bo)
    assert (woken.dead_at, woken.deaths, woken.alarm, woken.generation.state) == (None, 0, "", State.INGESTING)
    tracks.fetch(track.pk)
    assert again(track).generation.state == State.READY
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)
    assert LogEntry.objects.get().object_id == str(track.pk)


def test_an_admin_ends_a_pause(ada: User, bo: User, media: Media) -> None:
    [track] = delivered(ada)
    media.faults = [RuntimeError("a full disk")]
    fetch_now(track)
    assert tracks.due() == []
    tracks.try_again(track.pk, author=bo)
    assert tracks.due() == [track.pk]
    assert again(track).alarm == ""


def test_a_track_that_a_worker_is_at_is_not_given_to_a_second_one(ada: User, bo: User) -> None:
    [track] = delivered(ada)
    tracks._claim(track.pk)
    tracks.try_again(track.pk, author=bo)
    assert tracks.due() == []


# --- At once ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_ten_clicks_at_once_fetch_once_and_charge_nobody(ada: User, media: Media) -> None:
    [track] = delivered(ada)
    unreadable(track, media)
    assert errors_in(race(10, lambda _: fetch_again(track))) == []
    assert names_of(track.generation).count("job_failed") == 1
    assert track.generation.events.filter(data__fetched_again=True).count() == 1
    fetched = len(media.fetched)
    assert errors_in(race(10, lambda _: tracks.fetch(track.pk))) == []
    assert len(media.fetched) == fetched + 1
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


@pytest.mark.django_db(transaction=True)
def test_a_click_while_the_song_is_concluded_loses_nothing(ada: User, media: Media) -> None:
    """Whichever comes first, the song is fetched and then ends; it never stays open with nothing under way."""
    for _ in range(5):
        [track] = delivered(ada)
        unreadable(track, media)
        put(track.generation, State.INGESTING, charged_micros=0)
        acts: list[Callable[[], object]] = [
            partial(settling.conclude, track.generation_id),
            partial(fetch_again, track),
        ]
        assert errors_in(race(6, partial(run_one, acts * 3))) == []
        assert again(track).state == TrackState.PENDING
        assert again(track).generation.state == State.INGESTING
        tracks.fetch(track.pk)
        assert again(track).generation.state == State.READY


def run_one(acts: list[Callable[[], object]], number: int) -> object:
    return acts[number]()


def test_a_song_never_waits_for_a_dead_letter(ada: User) -> None:
    """A worker that died between the two is made good by the sweep."""
    [track] = delivered(ada)
    Track.objects.filter(pk=track.pk).update(dead_at=timezone.now(), alarm="dead")
    aged(track.generation, created_at=10)
    sweep.sweep()
    assert again(track).generation.state == State.FAILED
