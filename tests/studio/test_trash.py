"""The trash: a way back for thirty days, then the files go and the row and the money stay."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from studio import queries, trash
from studio.errors import NotFound, TrackDeleted, TrackNotReady
from studio.media.errors import StorageUnreachable
from studio.media.storage import default_storage
from studio.models import Track, User
from tests import factories
from tests.glacier import GlacierBucket, bucket, put, s3_url
from tests.studio.people import errors_in, kinds_of, race

__all__ = ["bucket", "s3_url"]
pytestmark = pytest.mark.django_db


def kept(person: User, bucket: GlacierBucket) -> Track:
    track = factories.make_song(person=person, songs=1).tracks.get()
    Track.objects.filter(pk=track.pk).update(overview_key=f"peaks/{track.pk}.4096.dat")
    track.refresh_from_db()
    for key in trash.keys_of(track):
        put(bucket, key)
    return track


def files_of(track: Track) -> set[str]:
    listed = [found.key for folder in ("masters/", "previews/", "peaks/") for found in default_storage().listed(folder)]
    return {key for key in listed if str(track.pk) in key}


@pytest.fixture
def track(ada: User, bucket: GlacierBucket) -> Track:
    return kept(ada, bucket)


def aged(track: Track, days: float) -> None:
    Track.objects.filter(pk=track.pk).update(trashed_at=timezone.now() - timedelta(days=days))


def test_into_the_trash_and_back(track: Track, ada: User) -> None:
    gone = trash.put(person=ada, track_id=track.pk)
    assert gone.trashed_at is not None
    assert trash.deletes_at(gone) == gone.trashed_at + timedelta(days=30)
    assert [item.pk for item in trash.of(ada)] == [track.pk]
    back = trash.put_back(person=ada, track_id=track.pk)
    assert back.trashed_at is None
    assert trash.of(ada) == []
    assert trash.put_back(person=ada, track_id=track.pk).trashed_at is None
    told = [event.data["trashed"] for event in track.generation.events.order_by("pk") if "trashed" in event.data]
    assert told == [True, False]


def test_who_puts_it_there_again_gains_no_time(track: Track, ada: User) -> None:
    trash.put(person=ada, track_id=track.pk)
    aged(track, 12)
    before = Track.objects.get(pk=track.pk).trashed_at
    assert trash.put(person=ada, track_id=track.pk).trashed_at == before


def test_it_is_one_s_own_and_has_to_be_there(track: Track, bo: User, ada: User) -> None:
    for act in (trash.put, trash.put_back):
        with pytest.raises(NotFound):
            act(person=bo, track_id=track.pk)
    waiting = factories.make_track(factories.make_generation(person=ada, state="INGESTING"), state="PENDING")
    with pytest.raises(TrackNotReady):
        trash.put(person=ada, track_id=waiting.pk)


def test_a_song_whose_tracks_are_all_in_the_trash_is_out_of_sight_but_not_out_of_the_api(ada: User) -> None:
    song = factories.make_song(person=ada, songs=2)
    first, second = song.tracks.order_by("variation")
    trash.put(person=ada, track_id=first.pk)
    assert [card.generation.pk for card in queries.feed(ada).cards] == [song.pk]
    trash.put(person=ada, track_id=second.pk)
    assert queries.feed(ada).cards == []
    assert [card.generation.pk for card in queries.feed(ada, with_hidden=True).cards] == [song.pk]


@pytest.mark.parametrize(("days", "deleted"), [(29.9, False), (30.1, True)])
def test_after_thirty_days_the_files_go(track: Track, ada: User, days: float, deleted: bool) -> None:
    trash.put(person=ada, track_id=track.pk)
    aged(track, days)
    assert trash.empty() == int(deleted)
    assert len(files_of(track)) == (0 if deleted else 4)
    assert (Track.objects.get(pk=track.pk).purged_at is not None) is deleted


def test_the_row_and_the_money_stay(track: Track, ada: User) -> None:
    before = kinds_of(track.generation)
    trash.put(person=ada, track_id=track.pk)
    aged(track, 31)
    trash.empty()
    stays = Track.objects.get(pk=track.pk)
    assert (stays.title, stays.state, stays.master_sha256) == (track.title, "READY", track.master_sha256)
    assert kinds_of(track.generation) == before
    assert trash.of(ada) == []
    with pytest.raises(TrackDeleted):
        trash.put_back(person=ada, track_id=track.pk)


def test_what_is_not_in_the_trash_is_never_touched(track: Track, ada: User, bucket: GlacierBucket) -> None:
    other = kept(ada, bucket)
    trash.put(person=ada, track_id=track.pk)
    aged(track, 31)
    assert trash.empty() == 1
    assert len(files_of(other)) == 4
    assert trash.empty() == 0


def test_who_is_late_by_a_moment_can_t_put_back_what_is_about_to_go(track: Track, ada: User) -> None:
    trash.put(person=ada, track_id=track.pk)
    aged(track, 30.0001)
    with pytest.raises(TrackDeleted):
        trash.put_back(person=ada, track_id=track.pk)
    assert len(files_of(track)) == 4


@pytest.mark.django_db(transaction=True)
def test_putting_back_and_emptying_at_once_never_leave_a_row_without_files(
    ada: User, bucket: GlacierBucket, settings: Settings
) -> None:
    """Right at the end of its time: either it is back with all files, or gone and said to be."""
    for round_number in range(6):
        track = kept(ada, bucket)
        trash.put(person=ada, track_id=track.pk)
        border = timedelta(days=30) - timedelta(milliseconds=30 * round_number)
        Track.objects.filter(pk=track.pk).update(trashed_at=timezone.now() - border)

        def act(number: int, track: Track = track) -> Any:
            return trash.empty() if number % 2 else trash.put_back(person=ada, track_id=track.pk)

        refused = errors_in(race(6, act))
        assert {type(error) for error in refused} <= {TrackDeleted}
        trash.empty()
        now = Track.objects.get(pk=track.pk)
        if now.trashed_at is None:
            assert len(files_of(track)) == 4
        else:
            assert now.purged_at is not None
            assert files_of(track) == set()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_nothing_is_deleted_of_what_is_just_being_put_back(ada: User, bucket: GlacierBucket) -> None:
    """It was in time, and is not committed yet: whoever empties the trash has to wait for that."""
    track = kept(ada, bucket)
    trash.put(person=ada, track_id=track.pk)
    aged(track, 31)
    began = threading.Event()

    def empty() -> int:
        began.set()
        try:
            return trash.empty()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Track.objects.filter(pk=track.pk).update(trashed_at=None)
            emptied = pool.submit(empty)
            assert began.wait(10)
            with pytest.raises(TimeoutError):
                emptied.result(timeout=1)
            assert len(files_of(track)) == 4
        assert emptied.result(timeout=30) == 0
    assert len(files_of(track)) == 4


def test_a_storage_that_is_away_keeps_it_for_the_next_night(
    track: Track, ada: User, bucket: GlacierBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = kept(ada, bucket)
    for item in (track, other):
        trash.put(person=ada, track_id=item.pk)
        aged(item, 40)
    real = bucket.delete

    def hiccup(*keys: str) -> None:
        if track.master_key in keys:
            raise StorageUnreachable("away")
        real(*keys)

    with monkeypatch.context() as patched:
        patched.setattr(bucket, "delete", hiccup)
        assert trash.empty() == 1
    assert Track.objects.get(pk=track.pk).purged_at is None
    assert trash.empty() == 1
    assert files_of(track) == set()


@pytest.mark.parametrize(
    "fields",
    [
        {"purged_at": timezone.now()},
        {"trashed_at": timezone.now(), "state": "UNREADABLE"},
        {"master_storage": "RESTORING"},
        {"master_storage": "SOMEWHERE"},
    ],
    ids=["deleted outside the trash", "unreadable in the trash", "asked back by nobody", "nowhere"],
)
def test_the_database_refuses_what_makes_no_sense(ada: User, fields: dict[str, Any]) -> None:
    track = factories.make_song(person=ada, songs=1).tracks.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Track.objects.filter(pk=track.pk).update(**fields)
