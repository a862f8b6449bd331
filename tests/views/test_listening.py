"""What the buttons of a finished or failed song do, in a browser without JavaScript and with htmx."""

import json

import pytest
from django.test import Client

from studio.models import Generation, Track
from studio.states import GenerationState as State
from tests import factories

HTMX = {"HX-Request": "true"}


def patch(browser: Client, track: Track, body: object, status: int = 200) -> dict[str, object]:
    answer = browser.patch(f"/api/tracks/{track.pk}", json.dumps(body), content_type="application/json")
    assert answer.status_code == status, answer.content
    found: dict[str, object] = answer.json()
    return found


def test_a_card_of_two_offers_to_keep_one_and_says_who_is_turned_down(browser: Client) -> None:
    song = factories.make_song(songs=2)
    song.tracks.filter(variation=1).update(loudness_lufs=-11.9)
    html = browser.get("/").content.decode()
    assert "Keep A" in html
    assert "Same loudness: B \u22122.3 dB" in html
    assert 'data-db="-2.3"' in html
    assert "is the keeper" not in html


def test_a_single_song_has_nothing_to_choose(browser: Client) -> None:
    factories.make_song(songs=1)
    html = browser.get("/").content.decode()
    assert "Keep A" not in html
    assert "Same loudness:" not in html


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_keeper_is_picked_and_taken_back(browser: Client, headers: dict[str, str]) -> None:
    track = factories.make_song(songs=2).tracks.get(variation=1)
    shown = browser.post(f"/tracks/{track.pk}/keep", follow=True, headers=headers).content.decode()
    assert "B is the keeper" in shown
    assert f'data-stand-in="{track.pk}"' in shown
    shown = browser.post(f"/tracks/{track.pk}/keep", {"kept": "0"}, follow=True, headers=headers).content.decode()
    assert "is the keeper" not in shown


def test_the_api_says_who_is_kept_and_changes_it(browser: Client) -> None:
    song = factories.make_song(songs=2)
    second = song.tracks.get(variation=1)
    assert patch(browser, second, {"keeper": True})["keeper"] is True
    tracks = browser.get(f"/api/generations/{song.pk}").json()["tracks"]
    assert [track["keeper"] for track in tracks] == [False, True]
    assert patch(browser, second, {"keeper": False})["keeper"] is False
    assert patch(browser, second, {})["keeper"] is False
    assert patch(browser, second, {"keeper": "perhaps"}, status=422)["code"]


def test_a_stranger_to_the_song_finds_nothing(ben_browser: Client) -> None:
    song = factories.make_song(songs=2)
    track = song.tracks.all()[0]
    assert ben_browser.post(f"/tracks/{track.pk}/keep").status_code == 404
    assert ben_browser.post(f"/generations/{song.pk}/heard").status_code == 404
    assert ben_browser.post(f"/generations/{song.pk}/clear").status_code == 404
    patch(ben_browser, track, {"keeper": True}, status=404)
    assert Generation.objects.get().keeper is None


def test_a_dot_marks_what_nobody_has_heard_on_any_device(browser: Client) -> None:
    song = factories.make_song(songs=1)
    assert "data-unheard" in browser.get("/").content.decode()
    assert browser.post(f"/generations/{song.pk}/heard").status_code == 204
    assert "data-unheard" not in browser.get("/").content.decode()


def test_a_failure_is_deleted_with_a_way_back(browser: Client) -> None:
    song = factories.make_generation(state=State.FAILED, recipe={"prompt": "Gone wrong"})
    gone = browser.post(f"/generations/{song.pk}/clear", headers=HTMX).content.decode()
    assert "Undo" in gone
    assert "Gone wrong" not in browser.get("/").content.decode()
    page = browser.get(f"/generations/{song.pk}/").content.decode()
    assert "Put back in the list" in page
    back = browser.post(f"/generations/{song.pk}/clear", {"cleared": "0"}, headers=HTMX).content.decode()
    assert "Gone wrong" in back
    assert "Delete" in back, "as it was before"
    assert "Put back in the list" not in back
    assert "Gone wrong" in browser.get("/").content.decode()


def test_without_javascript_a_deleted_failure_shows_its_page(browser: Client) -> None:
    song = factories.make_generation(state=State.CANCELLED)
    answer = browser.post(f"/generations/{song.pk}/clear", follow=True)
    assert answer.redirect_chain == [(f"/generations/{song.pk}/", 302)]
    assert "Put back in the list" in answer.content.decode()


def test_a_song_that_is_there_is_not_deleted_so(browser: Client) -> None:
    song = factories.make_song(songs=1)
    answer = browser.post(f"/generations/{song.pk}/clear", headers=HTMX)
    assert answer.status_code == 409
    assert "Only what ended without a song" in answer.content.decode()


def test_the_mail_is_switched_on_and_off(browser: Client) -> None:
    assert 'name="mails_long_songs">' in browser.get("/account/notices/").content.decode()
    shown = browser.post("/account/notices/", {"mails_long_songs": "on"}, follow=True).content.decode()
    assert 'name="mails_long_songs" checked' in shown
    shown = browser.post("/account/notices/", {}, follow=True).content.decode()
    assert 'name="mails_long_songs">' in shown


def test_a_page_before_the_first_song_says_so(browser: Client) -> None:
    factories.make_song(songs=1)
    html = browser.get("/?before=2001-01-01T00:00:00%2B00:00~00000000-0000-0000-0000-000000000000").content.decode()
    assert "No earlier songs" in html
    assert "Nothing here yet" not in html


@pytest.mark.parametrize("body", [[None], [], "keeper", 1, {"keeper": "perhaps"}, {"keeper": 0}, {"colour": "blue"}])
def test_a_change_that_is_none_is_refused(browser: Client, body: object) -> None:
    track = factories.make_song(songs=1).tracks.get()
    assert patch(browser, track, body, 422)["code"] == "invalid_input"
