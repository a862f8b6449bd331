"""The library as pages, without a script and with one."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from studio import library, projects
from studio.models import Track, User
from tests import factories

HTMX = {"HX-Request": "true"}


def track_of(person: User, title: str = "Slow waltz", **fields: Any) -> Track:
    generation = factories.make_generation(person=person, state="READY")
    return factories.make_track(generation, title=title, **fields)


def shown(browser: Client, address: str) -> list[str]:
    """The titles that the page shows, in order."""
    answer = browser.get(address)
    assert answer.status_code == 200
    return re.findall(r'class="item-title"[^>]*>([^<]*)<', answer.content.decode())


def test_the_page_shows_ones_tracks_with_everything_to_do_with_them(browser: Client, ada: User, ben: User) -> None:
    track = track_of(ada, rating=3, tags=["fado"])
    track_of(ben, "Of Ben")
    html = browser.get("/library/").content.decode()
    for part in (
        f"/api/tracks/{track.pk}/preview", f"/generations/{track.generation_id}/recipe/", "?tag=fado",
        "Download WAV of Slow", 'aria-label="Rename Slow waltz"', 'aria-label="Favourite: Slow waltz"',
        'aria-label="3 stars"', "<audio controls",
    ):  # fmt: skip
        assert part in html, part
    assert "Of Ben" not in html
    assert html.count('class="star is-lit"') == 3


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("q=wal", ["Slow waltz"]), ("favourite=1", ["Neon"]), ("tag=pop", ["Neon"]), ("rating=4", ["Neon"]),
        ("rating=x&month=&tag=&project=x", ["Neon", "Slow waltz"]), ("keeper=1", []), ("month=2020-01", []),
        ("view=grid&q=neon", ["Neon"]),
    ],
)  # fmt: skip
def test_filters_are_in_the_address(browser: Client, ada: User, query: str, titles: list[str]) -> None:
    track_of(ada)
    track_of(ada, "Neon", favourite=True, tags=["pop"], words="pop", rating=5)
    assert shown(browser, f"/library/?{query}") == titles


def test_the_form_shows_what_the_address_says(browser: Client, ada: User) -> None:
    album = projects.create(ada, "Album")
    track_of(ada)
    html = browser.get(f"/library/?q=wal&favourite=1&rating=2&project={album.pk}&view=grid").content.decode()
    for part in (
        'value="wal"',
        'name="favourite" value="1" checked',
        'value="2" selected',
        f'value="{album.pk}" selected',
    ):
        assert part in html
    assert 'value="grid" checked' in html
    assert "Nothing found" in html


@pytest.mark.parametrize(("purpose", "says"), [("TAKE", "retouched"), ("EXTENSION", "extended")])
def test_what_was_made_from_a_track_is_told_from_it(browser: Client, ada: User, purpose: str, says: str) -> None:
    source = track_of(ada)
    assert f"<li>{says}</li>" not in browser.get("/library/").content.decode()
    made = factories.make_generation(person=ada, state="READY", purpose=purpose, source=source, num_songs=1)
    factories.make_track(made, title=source.title)
    assert browser.get("/library/").content.decode().count(f"<li>{says}</li>") == 1


def test_a_month_that_is_none_is_not_there(browser: Client) -> None:
    assert browser.get("/library/?month=2026-13").status_code == 404


def test_it_goes_on_over_pages_and_keeps_the_filters(
    browser: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(library.PAGE + 1):
        track_of(ada, f"Neon {number}", favourite=True)
    html = browser.get("/library/?favourite=1").content.decode()
    more = re.search(r'href="(/library/\?[^"]*cursor=[^"]*)"', html)
    assert more is not None
    address = more[1].replace("&amp;", "&")
    assert "favourite=1" in address
    assert shown(browser, address) == ["Neon 0"]
    fragment = browser.get(address, headers=HTMX | {"HX-Target": "found-more"}).content.decode()
    assert fragment.strip().startswith("<li")
    assert "<html" not in fragment


def test_a_filter_that_changes_swaps_what_was_found_alone(browser: Client, ada: User) -> None:
    track_of(ada)
    fragment = browser.get("/library/?q=slow", headers=HTMX | {"HX-Target": "found"}).content.decode()
    assert fragment.strip().startswith('<section id="found"')
    assert 'hx-get="/library/?q=slow"' in fragment


def test_an_empty_library_says_what_to_do(browser: Client) -> None:
    assert "Every song that you make is kept here." in browser.get("/library/").content.decode()


def test_it_asks_as_often_for_one_as_for_many(browser: Client, ada: User) -> None:
    track_of(ada)
    browser.get("/library/")
    with CaptureQueriesContext(connection) as one:
        browser.get("/library/")
    album = projects.create(ada, "Album")
    for number in range(8):
        track_of(ada, f"{number}", project=album, tags=["a", "b"], rating=4)
    with CaptureQueriesContext(connection) as many:
        browser.get("/library/")
    assert len(many) == len(one)


# --- One track ---


def test_a_title_is_changed_in_its_place(browser: Client, ada: User) -> None:
    track = track_of(ada)
    answer = browser.post(f"/tracks/{track.pk}/change", {"title": "New name"}, headers=HTMX)
    assert answer.status_code == 200
    assert f'id="name-{track.pk}"' in answer.content.decode()
    assert "New name" in answer.content.decode()
    plain = browser.post(f"/tracks/{track.pk}/change", {"title": "Newer", "next": "/library/?q=new"})
    assert plain["Location"] == "/library/?q=new"
    track.refresh_from_db()
    assert track.title == "Newer"


def test_a_title_that_is_none_is_said_beside_it_and_kept(browser: Client, ada: User) -> None:
    track = track_of(ada)
    answer = browser.post(f"/tracks/{track.pk}/change", {"title": "x" * 121}, headers=HTMX)
    assert answer.status_code == 422
    html = answer.content.decode()
    assert "Use 1 to 120 characters." in html
    assert 'aria-invalid="true"' in html
    assert "x" * 121 in html
    followed = browser.post(f"/tracks/{track.pk}/change", {"title": " "}, follow=True)
    assert "Use 1 to 120 characters." in followed.content.decode()


@pytest.mark.parametrize(("sent", "rating"), [("4", 4), ("", None)])
def test_stars_are_given_and_taken_back(browser: Client, ada: User, sent: str, rating: int | None) -> None:
    track = track_of(ada, rating=2)
    html = browser.post(f"/tracks/{track.pk}/change", {"rating": sent}, headers=HTMX).content.decode()
    track.refresh_from_db()
    assert track.rating == rating
    assert html.count("is-lit") == (rating or 0)


@pytest.mark.parametrize("sent", ["6", "0", "x", "-1", "9" * 400, "²"])
def test_stars_that_there_are_not_are_refused(browser: Client, ada: User, sent: str) -> None:
    track = track_of(ada, rating=2)
    browser.post(f"/tracks/{track.pk}/change", {"rating": sent})
    track.refresh_from_db()
    assert track.rating == 2


@pytest.mark.parametrize("part", ["marks", "heart"])
def test_a_favourite_comes_back_as_the_part_that_was_pressed(browser: Client, ada: User, part: str) -> None:
    track = track_of(ada)
    answer = browser.post(f"/tracks/{track.pk}/change", {"favourite": "1", "part": part}, headers=HTMX)
    assert f'id="{part}-{track.pk}"' in answer.content.decode()
    assert 'aria-pressed="true"' in answer.content.decode()
    track.refresh_from_db()
    assert track.favourite


def test_what_is_anothers_can_not_be_changed(browser: Client, ben: User) -> None:
    track = track_of(ben)
    for sent in ({"title": "Mine"}, {"favourite": "1"}, {"rating": "1"}, {}):
        assert browser.post(f"/tracks/{track.pk}/change", sent).status_code == 404
    track.refresh_from_db()
    assert (track.title, track.favourite, track.rating) == ("Slow waltz", False, None)


def test_the_song_page_has_stars_a_heart_and_a_name_to_change(browser: Client, ada: User) -> None:
    track = track_of(ada)
    html = browser.get(f"/generations/{track.generation_id}/").content.decode()
    assert f'id="marks-{track.pk}"' in html
    assert f'action="/tracks/{track.pk}/change"' in html
    assert 'aria-label="Rename Slow waltz"' in html
    assert f'id="heart-{track.pk}"' in browser.get("/").content.decode()


# --- Several at once ---


def act(browser: Client, name: str, *tracks: Track, **more: str) -> str:
    sent = {"act": name, "track": [str(track.pk) for track in tracks], "next": "/library/?q=slow", **more}
    answer = browser.post("/library/act", sent)
    assert answer.status_code == 302
    return str(answer["Location"])


def test_without_a_script_the_buttons_work_and_lead_back(browser: Client, ada: User) -> None:
    tracks, album = [track_of(ada), track_of(ada)], projects.create(ada, "Album")
    assert act(browser, "favourite", *tracks) == "/library/?q=slow"
    assert act(browser, "move", *tracks, to=str(album.pk)) == "/library/?q=slow"
    assert Track.objects.filter(favourite=True, project=album).count() == 2
    assert act(browser, "zip", *tracks).startswith("/api/tracks/zip?track=")
    assert act(browser, "compare", *tracks) == f"/tracks/{tracks[0].pk}/diff/{tracks[1].pk}"
    act(browser, "trash", *tracks)
    assert "2 are in the trash." in browser.get("/library/").content.decode()
    assert act(browser, "move", tracks[0], to="", next="//evil.example/") == "/library/"


def test_with_a_script_only_what_changed_comes_back(browser: Client, ada: User) -> None:
    tracks = [track_of(ada), track_of(ada)]
    ids = [str(track.pk) for track in tracks]
    html = browser.post("/library/act", {"act": "favourite", "track": ids}, headers=HTMX).content.decode()
    assert html.count('class="marks" hx-swap-oob="true"') == 2
    gone = browser.post("/library/act", {"act": "trash", "track": ids}, headers=HTMX).content.decode()
    assert gone.count('hx-swap-oob="delete"') == 2
    assert "2 are in the trash." in gone
    assert gone.count('name="track"') == 2
    back = browser.post("/library/act", {"act": "put_back", "track": ids}, headers=HTMX)
    assert "library" in back["HX-Trigger"]
    assert Track.objects.filter(trashed_at=None).count() == 2
    zipped = browser.post("/library/act", {"act": "zip", "track": ids}, headers=HTMX)
    assert zipped["HX-Redirect"].startswith("/api/tracks/zip?")


@pytest.mark.parametrize("sent", [{}, {"act": "favourite"}, {"act": "nope"}, {"act": "compare"}, {"act": "trash"}])
def test_nothing_chosen_is_said_and_nothing_done(browser: Client, ada: User, sent: dict[str, str]) -> None:
    track = track_of(ada)
    answer = browser.post(
        "/library/act", sent | {"track": str(track.pk)} if sent.get("act") == "compare" else sent, headers=HTMX
    )
    assert answer.status_code == 422
    assert "toast--bad" in answer.content.decode()


def test_what_is_anothers_is_left_alone(browser: Client, ada: User, ben: User) -> None:
    mine, theirs = track_of(ada), track_of(ben)
    for name in ("favourite", "trash", "move", "zip", "compare", "put_back"):
        sent = {"act": name, "track": [str(mine.pk), str(theirs.pk)]}
        assert browser.post("/library/act", sent).status_code == 404
    assert browser.post("/library/act", {"act": "move", "track": [str(mine.pk)], "to": str(uuid4())}).status_code == 404
    assert not Track.objects.filter(favourite=True).exists()
    assert not Track.objects.exclude(trashed_at=None).exists()


# --- Recipes ---


def test_a_recipe_has_a_page_and_a_drawer(browser: Client, ada: User) -> None:
    generation = factories.make_song(person=ada, recipe={"prompt": None, "tags": ["fado"], "lyrics": "A boat"})
    page = browser.get(f"/generations/{generation.pk}/recipe/").content.decode()
    assert page.count("<h1") == 1
    drawer = browser.get(f"/generations/{generation.pk}/recipe/", headers=HTMX | {"HX-Target": "drawer-body"})
    html = drawer.content.decode()
    assert "<html" not in html
    assert 'id="drawer-title"' in html
    for part in ("A boat", "fado", f"?recipe={generation.pk}&amp;take=seed", f"?recipe={generation.pk}&amp;take=words"):
        assert part in page
        assert part in html


def test_a_part_of_a_recipe_is_put_beside_what_is_being_written(browser: Client, ada: User) -> None:
    generation = factories.make_song(person=ada, recipe={"prompt": None, "tags": ["fado"], "lyrics": "A boat"}, seed=77)
    browser.post("/draft/", {"mode": "describe", "prompt": "Half a thought", "vibe_strength": "2.6"})
    seed = browser.get(f"/?recipe={generation.pk}&take=seed").content.decode()
    assert "Half a thought" in seed
    assert 'value="77"' in seed
    assert "A boat" not in seed.split('id="feed"')[0]
    words = browser.get(f"/?recipe={generation.pk}&take=words").content.decode()
    assert "A boat" in words
    assert "Half a thought" in words
    assert 'value="2.6"' in words


def test_the_words_that_sonauto_wrote_are_taken_for_a_described_song(browser: Client, ada: User) -> None:
    generation = factories.make_song(person=ada, written_tags=["morna"], written_lyrics="Sal na mar")
    html = browser.get(f"/?recipe={generation.pk}&take=words").content.decode().split('id="feed"')[0]
    assert "morna" in html
    assert "Sal na mar" in html


def test_two_recipes_are_compared_on_a_page(browser: Client, ada: User) -> None:
    first, second = track_of(ada, "One"), track_of(ada, "Two")
    second.generation.recipe |= {"prompt": "A fast waltz <b>"}
    second.generation.save(update_fields=["recipe"])
    html = browser.get(f"/tracks/{first.pk}/diff/{second.pk}").content.decode()
    assert re.search(r"<ins>[^<]*fast", html)
    assert "<del>" in html
    assert "<b>" not in html
    same = browser.get(f"/tracks/{first.pk}/diff/{first.pk}").content.decode()
    assert "The two recipes are the same." in same


def test_anothers_recipe_is_not_compared(browser: Client, ada: User, ben: User) -> None:
    mine, theirs = track_of(ada), track_of(ben)
    assert browser.get(f"/tracks/{mine.pk}/diff/{theirs.pk}").status_code == 404
    assert browser.get(f"/tracks/{theirs.pk}/diff/{mine.pk}").status_code == 404
    assert browser.get(f"/generations/{theirs.generation_id}/recipe/").status_code == 404
