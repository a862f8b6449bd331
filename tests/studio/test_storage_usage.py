"""Who keeps how much and what it costs, on a page for admins who may see tracks."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from studio import storage_usage
from studio.models import Track, User
from tests import factories
from tests.admins import Somebody, boss, plain_static_files, staff_with, superuser, text_of

__all__ = ["boss", "plain_static_files", "staff_with", "superuser"]
pytestmark = pytest.mark.django_db

PAGE = "/admin/studio/track/storage/"
GB = 2**30


def kept(person: User, size_bytes: int, **fields: Any) -> None:
    track = factories.make_song(person=person, songs=1).tracks.get()
    Track.objects.filter(pk=track.pk).update(master_bytes=size_bytes, duration_ms=1, **fields)


def test_bytes_lie_where_they_are_paid_for(ada: User, bo: User) -> None:
    now = timezone.now()
    kept(ada, 100 * GB)
    kept(ada, 10 * GB, master_storage="GLACIER")
    kept(ada, 1 * GB, master_storage="RESTORED", restore_asked_at=now)
    kept(ada, 2 * GB, trashed_at=now)
    kept(ada, 50 * GB, trashed_at=now, purged_at=now)
    kept(bo, 10 * GB, master_storage="RESTORING", restore_asked_at=now)
    usage = storage_usage.read()
    first, second = usage.shares
    assert (first.email, first.tracks, first.cold_tracks) == (ada.email, 4, 2)
    assert (first.at_hand_bytes, first.cold_bytes) == (102 * GB, 11 * GB)
    assert (first.restored_bytes, first.trash_bytes) == (GB, 2 * GB)
    # A restored copy lies in both places.
    assert abs(first.monthly_micros - (103 * 23_000 + 11 * 3_600)) < 20
    assert abs(second.monthly_micros - 10 * 3_600) < 20
    assert usage.total.total_bytes == first.total_bytes + second.total_bytes
    assert usage.is_bucket is False


def test_previews_count_by_their_length(ada: User) -> None:
    kept(ada, 1)
    Track.objects.update(duration_ms=95_000)
    assert storage_usage.read().total.previews_bytes == 95 * 16_000


def test_it_takes_few_queries_however_many_people(ada: User, bo: User, django_assert_num_queries: Any) -> None:
    for person in (ada, bo):
        kept(person, GB)
    with django_assert_num_queries(2):
        storage_usage.read()


def test_the_page_shows_it(boss: Client, ada: User, settings: Settings) -> None:
    settings.NEOAPEX_PRICES_SOURCE = "our own contract"
    kept(ada, 100 * GB)
    page = text_of(boss.get(PAGE))
    for said in (ada.email, "100.0", "$2.30", "our own contract", "folder on this machine"):
        assert said in page
    assert PAGE in text_of(boss.get("/admin/"))


def test_an_empty_studio_has_a_page_too(boss: Client) -> None:
    assert "Nobody keeps anything yet." in text_of(boss.get(PAGE))


def test_only_who_may_see_tracks_sees_it(staff_with: Somebody, client: Client) -> None:
    assert staff_with("view_track").get(PAGE).status_code == 200
    assert staff_with("view_generation").get(PAGE).status_code == 403
    assert PAGE not in text_of(staff_with("view_generation").get("/admin/"))
    assert client.get(PAGE).status_code == 302


def test_tracks_with_missing_files_are_found(boss: Client, ada: User) -> None:
    kept(ada, 1)
    Track.objects.update(alarm="missing in the storage: masters/x.wav")
    assert "1 track" in text_of(boss.get("/admin/studio/track/?doubt=missing"))
