"""The studio page: drawn from the database, the same after every reload."""

import re

import pytest
from django.test import Client

from studio.models import Generation, User
from studio.states import GenerationState as State
from tests import factories

WORDS = {
    State.QUEUED: "Waiting, #1",
    State.SUBMITTED: "Sent",
    State.RUNNING: "Running",
    State.LOST: "Sent",
    State.INGESTING: "Saving",
    State.READY: "Ready",
    State.FAILED: "Failed",
    State.CANCELLED: "Cancelled",
}


def text_of(html: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.decode()))


@pytest.mark.parametrize("state", State.values)
def test_a_card_says_its_state_in_words(browser: Client, state: str) -> None:
    generation = factories.make_generation(state=state)
    page = browser.get("/")
    assert page.status_code == 200
    assert f'id="generation-{generation.pk}"' in page.content.decode()
    assert WORDS[State(state)] in text_of(page.content)
    assert ("data-unfinished" in page.content.decode()) == (state not in factories.FINAL)


def test_a_card_of_two_has_two_lanes_with_preview_peaks_and_download(browser: Client) -> None:
    song = factories.make_song(songs=2)
    html = browser.get("/").content.decode()
    for track in song.tracks.all():
        for part in ("preview", "peaks?format=json", "download"):
            assert f"/api/tracks/{track.pk}/{part}" in html
    assert html.index('data-letter="A"') < html.index('data-letter="B"')
    assert '<audio controls preload="none"' in html


def test_an_unreadable_track_says_that_nobody_pays_for_it(browser: Client) -> None:
    song = factories.make_generation(state=State.READY, recipe={"num_songs": 2})
    factories.make_track(song, variation=0)
    factories.make_track(song, variation=1, state="UNREADABLE")
    assert "B came as audio that can't be read. You didn't pay for it." in text_of(browser.get("/").content)


def test_a_failed_card_says_why_whose_side_and_that_nothing_was_charged(browser: Client) -> None:
    factories.make_generation(
        state=State.FAILED,
        reason_message="The lyrics were flagged.",
        reason_whose="you",
        request_id="req-1",
        raw_error='{"a": 1}',
    )
    text = text_of(browser.get("/").content)
    assert "The lyrics were flagged." in text
    assert "This is something you can change." in text
    assert "Nothing was charged: $0.075 is back in your budget." in text
    assert "Try again · $0.075" in text
    assert "req-1" in text


def test_what_people_type_is_never_markup(browser: Client) -> None:
    nasty = '<script>alert(1)</script>" onload="x'
    factories.make_song(recipe={"prompt": nasty, "lyrics": nasty, "tags": [nasty]}, songs=1)
    html = browser.get("/").content.decode()
    assert "<script>alert" not in html
    assert '" onload="x' not in html


def test_a_reproducible_song_is_marked_and_a_described_one_is_not(browser: Client) -> None:
    factories.make_generation(recipe={"prompt": None, "tags": factories.TAGS, "lyrics": ""})
    assert "fact-exact" in browser.get("/").content.decode()
    Generation.objects.all().update(recipe=factories.make_recipe())
    assert "fact-exact" not in browser.get("/").content.decode()


def test_the_feed_goes_back_in_time_without_repeating_itself(browser: Client) -> None:
    for _ in range(45):
        factories.make_generation(state=State.FAILED)
    seen: list[str] = []
    address = "/"
    for _ in range(3):
        html = browser.get(address).content.decode()
        seen += re.findall(r'id="generation-([0-9a-f-]{36})"', html)
        more = re.search(r'href="([^"]*\?before=[^"]+)"', html)
        address = more.group(1) if more else ""
    assert address == ""
    assert len(seen) == len(set(seen)) == 45


def test_htmx_gets_the_next_cards_alone(browser: Client) -> None:
    for _ in range(21):
        factories.make_generation(state=State.FAILED)
    more = re.search(r'hx-get="([^"]*\?before=[^"]+)"', browser.get("/").content.decode())
    assert more is not None
    rest = browser.get(more.group(1), headers={"HX-Request": "true", "HX-Target": "feed-more"}).content.decode()
    assert rest.count("<article") == 1
    assert "<html" not in rest


def test_an_empty_studio_offers_an_example_that_fills_the_composer(browser: Client) -> None:
    assert "Nothing here yet" in browser.get("/").content.decode()
    html = browser.get("/?example=1").content.decode()
    assert "The kettle hums" in html
    assert 'value="exact" checked' in html
    assert "data-filled" in html
    assert "Generate 2 songs · $0.1125" in html


def test_a_recipe_fills_the_composer_with_all_that_made_the_song(browser: Client) -> None:
    recipe = {
        "prompt": None,
        "tags": ["fado"],
        "lyrics": "[Verse]\nA boat",
        "vibe_strength": 2.7,
        "bpm": 96,
        "output_format": "flac",
    }
    song = factories.make_song(recipe=recipe)
    html = browser.get(f"/?recipe={song.pk}").content.decode()
    assert 'value="exact" checked' in html
    assert 'name="tags" type="text" value="fado"' in html
    assert "[Verse]\nA boat</textarea>" in html
    for name, value in (("vibe_strength", "2.7"), ("bpm", "96"), ("seed", str(song.seed))):
        assert re.search(rf'name="{name}"[^>]*value="{value}"', html), name
    assert '<option value="flac" selected>' in html


def test_somebody_elses_recipe_fills_nothing(browser: Client, ben: User) -> None:
    song = factories.make_song(person=ben, recipe={"prompt": "A secret of Ben's"})
    html = browser.get(f"/?recipe={song.pk}").content.decode()
    assert "A secret" not in html
    assert browser.get("/?recipe=nonsense").status_code == 200


def test_people_see_only_their_own_songs(browser: Client, ben: User) -> None:
    factories.make_song(person=ben)
    assert "<article" not in browser.get("/").content.decode()


def test_the_page_asks_the_database_as_often_for_twenty_songs_as_for_two(
    browser: Client, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    for _ in range(20):
        factories.make_song()
    with django_assert_max_num_queries(15):  # type: ignore[operator]
        browser.get("/")


def test_the_header_says_what_the_month_has_left(browser: Client) -> None:
    factories.make_song(songs=2)
    line = text_of(browser.get("/").content)
    assert re.search(r"[A-Z][a-z]{2}: \$0\.1125 of \$10\.00 · \$9\.8875 left", line)
