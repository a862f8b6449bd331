"""The page of a master in each place, what can be done there, and the trash beside it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from studio import restores
from studio.media.storage import default_storage
from studio.models import Track, User
from studio.templatetags.shown import cents
from tests import factories
from tests.glacier import GlacierBucket, bucket, put, refusal, s3_url
from tests.views.test_studio_page import text_of

__all__ = ["bucket", "s3_url"]


def kept(person: User, bucket: GlacierBucket, storage_class: str = "GLACIER", songs: int = 1) -> Track:
    track = factories.make_song(person=person, songs=songs).tracks.order_by("variation")[0]
    put(bucket, track.master_key, storage_class=storage_class)
    put(bucket, track.preview_key)
    return track


@pytest.fixture
def cold(ada: User, bucket: GlacierBucket) -> Track:
    return kept(ada, bucket)


def shown(browser: Client, track: Track) -> str:
    answer = browser.get(f"/tracks/{track.pk}/master/")
    assert answer.status_code == 200
    return text_of(answer.content)


def asked(browser: Client, track: Track, **form: str) -> Any:
    return browser.post(f"/tracks/{track.pk}/master/restore", form)


def test_a_cold_master_s_page_says_how_long_and_about_how_much(browser: Client, cold: Track) -> None:
    text = shown(browser, cold)
    for said in ("in cold storage", "1 to 5 minutes", "3 to 5 hours", "5 to 12 hours", "$0.01", "less than $0.01",
                 "Amazon’s list prices", "your budget isn't touched", "for 7 days", "The MP3 plays now"):  # fmt: skip
        assert said in text
    html = browser.get(f"/tracks/{cold.pk}/master/").content.decode()
    assert html.count('type="radio"') == 3
    assert html.count('value="Standard" checked>') == 1
    assert f"/api/tracks/{cold.pk}/preview" in html
    assert GlacierBucket.asked == []


def test_one_button_asks_for_it_once_however_often_it_is_clicked(browser: Client, cold: Track) -> None:
    for _ in range(3):
        answer = asked(browser, cold, tier="Bulk")
        assert (answer.status_code, answer["Location"]) == (302, f"/tracks/{cold.pk}/master/")
    assert GlacierBucket.asked == [(cold.master_key, "Bulk", 7)]
    text = shown(browser, cold)
    assert "on its way" in text
    assert "It should be here by" in text


@pytest.mark.parametrize("tier", ["", "Warp"])
def test_a_speed_that_there_is_not_is_the_usual_one(browser: Client, cold: Track, tier: str) -> None:
    asked(browser, cold, tier=tier)
    assert GlacierBucket.asked[0][1] == "Standard"


def test_when_it_is_back_the_page_has_the_link_and_the_notice_is_done_with(browser: Client, cold: Track) -> None:
    asked(browser, cold)
    GlacierBucket.bring_back(cold.master_key)
    notice = "is back from cold storage"
    assert notice not in text_of(browser.get("/").content)
    restores.follow()
    assert notice in text_of(browser.get("/").content)
    text = shown(browser, cold)
    assert "The master is back" in text
    assert "It can be downloaded until" in text
    assert f"/api/tracks/{cold.pk}/download?format=wav" in browser.get(f"/tracks/{cold.pk}/master/").content.decode()
    assert notice not in text_of(browser.get("/").content)


def test_a_master_at_hand_is_just_downloaded(browser: Client, ada: User, bucket: GlacierBucket) -> None:
    assert "The master is at hand" in shown(browser, kept(ada, bucket, "STANDARD"))


def test_a_no_is_shown_with_what_to_do(browser: Client, cold: Track) -> None:
    GlacierBucket.refusals.append(refusal("GlacierExpeditedRetrievalNotAvailable", 503))
    answer = asked(browser, cold, tier="Expedited")
    assert answer.status_code >= 400
    assert "nothing is on its way. Choose another speed" in text_of(answer.content)
    assert "Fetch the master" in text_of(answer.content)


def test_a_master_that_is_missing_is_said_to_be(browser: Client, cold: Track) -> None:
    default_storage().delete(cold.master_key)
    assert "The master is missing" in shown(browser, cold)


def test_it_is_the_owner_s_page(ben_browser: Client, client: Client, cold: Track) -> None:
    assert ben_browser.get(f"/tracks/{cold.pk}/master/").status_code == 404
    assert asked(ben_browser, cold).status_code == 404
    assert client.get(f"/tracks/{cold.pk}/master/").status_code == 302
    assert GlacierBucket.asked == []


def test_the_card_leads_to_the_page_while_the_master_is_cold(browser: Client, cold: Track) -> None:
    Track.objects.filter(pk=cold.pk).update(master_storage="GLACIER")
    for page in ("/", f"/generations/{cold.generation_id}/"):
        html = browser.get(page).content.decode()
        assert f"/tracks/{cold.pk}/master/" in html
        assert "format=flac" not in html
    assert f"/api/tracks/{cold.pk}/download?format=mp3" in html


# --- Downloads and the trash ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "studio.media.disk.DiskStorage", "OPTIONS": {"location": str(tmp_path / "media")}},
    }


def test_a_song_s_page_offers_every_format_and_all_as_a_zip(browser: Client, folder: None) -> None:
    song = factories.make_song(songs=2)
    html = browser.get(f"/generations/{song.pk}/").content.decode()
    for track in song.tracks.all():
        for kind in ("wav", "flac", "mp3"):
            assert f"/api/tracks/{track.pk}/download?format={kind}" in html
        assert f"/api/tracks/{track.pk}/recipe" in html
    assert html.count("/api/tracks/zip?") == 1


def test_a_track_goes_to_the_trash_and_comes_back(browser: Client, folder: None) -> None:
    song = factories.make_song(songs=2)
    first, second = song.tracks.order_by("variation")
    answer = browser.post(f"/tracks/{first.pk}/trash", follow=True)
    assert "A is in the trash." in text_of(answer.content)
    assert f"/api/tracks/{first.pk}/preview" not in answer.content.decode()
    assert f"/api/tracks/{second.pk}/preview" in answer.content.decode()
    trash = text_of(browser.get("/trash/").content)
    assert first.title in trash
    assert "the song cost $0.1125" in trash
    answer = browser.post(f"/tracks/{first.pk}/put-back", follow=True)
    assert f"/api/tracks/{first.pk}/preview" in answer.content.decode()
    assert "Nothing lies here." in text_of(browser.get("/trash/").content)


def test_what_was_deleted_says_when(browser: Client, folder: None) -> None:
    song = factories.make_song(songs=1)
    day = timezone.now() - timedelta(days=40)
    song.tracks.update(trashed_at=day, purged_at=day)
    assert "A was deleted on" in text_of(browser.get(f"/generations/{song.pk}/").content)
    answer = browser.post(f"/tracks/{song.tracks.get().pk}/put-back", follow=True)
    assert "its files are deleted" in text_of(answer.content)


def test_nobody_puts_another_s_track_in_the_trash(ben_browser: Client, folder: None) -> None:
    track = factories.make_song(person=factories.ada(), songs=1).tracks.get()
    for what in ("trash", "put-back"):
        assert ben_browser.post(f"/tracks/{track.pk}/{what}").status_code == 404
    assert ben_browser.get(f"/tracks/{track.pk}/trash").status_code == 405
    assert Track.objects.get(pk=track.pk).trashed_at is None


@pytest.mark.parametrize(
    ("micros", "said"),
    [
        (0, "free"), (1, "less than $0.01"), (9_999, "less than $0.01"), (10_100, "$0.01"), (15_000, "$0.02"),
        (2_304_999, "$2.30"),
    ],
)  # fmt: skip
def test_costs_are_told_to_the_cent(micros: int, said: str) -> None:
    assert cents(micros) == said
