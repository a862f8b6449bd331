"""What the storage holds and the books don't: reported first, put right when told to, and nothing under way touched."""

import io
import os
import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from studio import housekeeping
from studio.media.errors import StorageUnreachable
from studio.media.storage import default_storage
from studio.models import Track, User
from studio.trash import keys_of
from tests import factories
from tests.glacier import GlacierBucket, bucket, put, s3_url

__all__ = ["bucket", "s3_url"]
pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=10)


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> None:
    """A folder, whose files can be made old, which a bucket's can't."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "studio.media.disk.DiskStorage", "OPTIONS": {"location": str(tmp_path / "media")}},
    }


def lay(key: str, *, hours_old: float = 48) -> str:
    with default_storage().sink(key) as sink:
        sink.write(b"x" * 1000)
        sink.commit()
    moment = time.time() - hours_old * 3600
    os.utime(Path(str(storages["default"].location)) / key, (moment, moment))  # type: ignore[attr-defined]
    return key


def whole(person: User, **fields: Any) -> Track:
    track = factories.make_song(person=person, songs=1).tracks.get()
    Track.objects.filter(pk=track.pk).update(ready_at=LONG_AGO, **fields)
    track.refresh_from_db()
    for key in keys_of(track):
        lay(key)
    return track


def run(*arguments: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("tidy_storage", *arguments, stdout=out)
    except SystemExit as ended:
        return out.getvalue(), int(str(ended.code))
    return out.getvalue(), 0


def there(key: str) -> bool:
    try:
        default_storage().facts(key)
    except FileNotFoundError:
        return False
    return True


def test_where_all_is_well_nothing_is_found(ada: User) -> None:
    whole(ada)
    out, code = run()
    assert code == 0
    assert "0 files without a track" in out
    assert "0 tracks without all of their files" in out


def test_files_without_a_track_are_reported_and_only_then_deleted(ada: User) -> None:
    mine = whole(ada)
    orphans = [
        lay(f"masters/{uuid.uuid4()}.wav"),
        lay(f"previews/{uuid.uuid4()}.mp3"),
        lay(f"peaks/{uuid.uuid4()}.256.dat"),
        lay(f"peaks/{uuid.uuid4()}.4096.dat"),
    ]
    out, code = run()
    assert code == 1
    assert all(key in out for key in orphans)
    assert all(there(key) for key in orphans)
    out, code = run("--apply")
    assert code == 0
    assert "4 files without a track" in out
    assert "4 deleted" in out
    assert not any(there(key) for key in orphans)
    assert all(there(key) for key in keys_of(mine))
    assert run()[1] == 0


def test_what_is_young_may_be_an_ingest_s_and_stays(ada: User) -> None:
    young = lay(f"masters/{uuid.uuid4()}.wav", hours_old=23)
    assert run("--apply")[1] == 0
    assert there(young)
    run("--apply", "--older-than", "22")
    assert not there(young)


@pytest.mark.parametrize("hours", ["0", "-1", "x", "0.5", "99999"])
def test_nobody_can_set_the_age_to_nothing(hours: str) -> None:
    with pytest.raises(CommandError):
        run("--apply", f"--older-than={hours}")


def test_a_track_that_is_being_fetched_keeps_what_a_broken_off_try_left(ada: User) -> None:
    """The next try writes under the same key, perhaps this very moment."""
    track = factories.make_track(factories.make_generation(person=ada, state="INGESTING"), state="PENDING")
    left = lay(f"masters/{track.pk}.wav")
    assert run("--apply")[1] == 0
    assert there(left)
    Track.objects.filter(pk=track.pk).update(state="UNREADABLE")
    run("--apply")
    assert not there(left)


def test_the_files_of_what_was_deleted_for_good_are_orphans(ada: User) -> None:
    track = whole(ada, trashed_at=LONG_AGO, purged_at=LONG_AGO)
    run("--apply")
    assert not any(there(key) for key in keys_of(track))


def test_what_lies_in_the_trash_is_none(ada: User) -> None:
    track = whole(ada, trashed_at=LONG_AGO)
    assert run("--apply")[1] == 0
    assert all(there(key) for key in keys_of(track))


def test_another_file_of_a_whole_track_is_an_orphan(ada: User) -> None:
    track = whole(ada)
    other = lay(f"masters/{track.pk}.flac")
    run("--apply")
    assert not there(other)
    assert there(track.master_key)


def test_what_is_not_of_our_making_is_named_and_left_alone(ada: User) -> None:
    theirs = lay("masters/somebodys-backup.tar")
    out, code = run("--apply")
    assert (code, there(theirs)) == (0, True)
    assert "somebodys-backup.tar" in out


def test_tracks_without_a_file_are_reported_and_admins_see_them(ada: User) -> None:
    track, other = whole(ada), whole(ada)
    default_storage().delete(track.master_key, track.peaks_key)
    out, code = run()
    assert code == 1
    assert track.master_key in out
    assert str(other.pk) not in out
    assert Track.objects.get(pk=track.pk).alarm == ""
    run("--apply")
    assert track.master_key in Track.objects.get(pk=track.pk).alarm
    lay(track.master_key)
    lay(track.peaks_key)
    assert run("--apply")[1] == 0
    assert Track.objects.get(pk=track.pk).alarm == ""


def test_a_track_that_became_ready_while_the_list_was_read_is_not_missed(ada: User) -> None:
    Track.objects.filter(pk=whole(ada).pk).update(ready_at=timezone.now())
    assert run()[1] == 0


def test_a_list_that_is_behind_is_asked_again(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    whole(ada)
    monkeypatch.setattr(default_storage(), "listed", lambda _: iter(()))
    assert list(housekeeping.incomplete(timezone.now())) == []


def test_a_storage_that_is_away_is_told_and_nothing_is_done(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(prefix: str) -> Any:
        raise StorageUnreachable("away")

    monkeypatch.setattr(default_storage(), "listed", away)
    with pytest.raises(CommandError, match="out of reach"):
        run("--apply")


@pytest.mark.django_db(transaction=True)
def test_an_orphan_that_is_fetched_anew_at_the_same_time_is_not_deleted_under_it(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever fetches waits until it is deleted, and then writes the file."""
    track = factories.make_track(factories.make_generation(person=ada, state="INGESTING"), state="UNREADABLE")
    key = lay(f"masters/{track.pk}.wav")
    orphans = list(housekeeping.orphans(timezone.now()))
    real = default_storage().delete

    def fetch() -> None:
        Track.objects.filter(pk=track.pk, state="UNREADABLE").update(state="PENDING")
        lay(key)
        connection.close()

    fetching = threading.Thread(target=fetch, daemon=True)

    def delete(*keys: str) -> None:
        fetching.start()
        fetching.join(0.5)
        assert fetching.is_alive(), "it did not wait"
        real(*keys)

    monkeypatch.setattr(default_storage(), "delete", delete)
    assert housekeeping.delete(orphans) == 1
    fetching.join(10)
    assert there(key)


def test_a_bucket_is_read_page_by_page(bucket: GlacierBucket, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "PAGE", 2)
    for _ in range(5):
        put(bucket, f"masters/{uuid.uuid4()}.wav")
    found = list(housekeeping.orphans(timezone.now() + timedelta(minutes=1)))
    assert len(found) == 5
    assert housekeeping.delete(found) == 5
    assert list(housekeeping.orphans(timezone.now() + timedelta(minutes=1))) == []
