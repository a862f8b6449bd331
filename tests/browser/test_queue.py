"""What plays next, and the player on every page."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from studio.management.commands.seed_demo import MUSICIAN
from tests.browser.conftest import PATIENCE_MS, PHONE, Visit
from tests.browser.test_every_page import TOO_SMALL, violations
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def three(studio: RunningStudio) -> list[str]:
    """Three songs that can be played, newest first as the feed has them."""
    with studio.client(MUSICIAN) as client:
        made = []
        for name in ("Oldest of three", "Middle of three", "Newest of three"):
            made.append(client.post("/api/generations", json={"prompt": name}).json()["id"])
            studio.wait_for_state(client, made[-1], "READY", seconds=90)
    return made[::-1]


@pytest.fixture
def feed(page: Page, three: list[str]) -> list[Locator]:
    page.goto("/")
    return [page.locator(f"#generation-{song}") for song in three]


def plays(page: Page, title: str) -> None:
    expect(page.locator("[data-player-title]")).to_have_text(title)
    expect(page.locator("#player")).to_have_class(re.compile("is-playing"))


def test_the_songs_of_the_page_play_one_after_the_other(page: Page, feed: list[Locator]) -> None:
    feed[0].get_by_role("button", name="Play A").click()
    plays(page, "Newest of three")
    page.locator("#player-wave").press("End")
    plays(page, "Middle of three")
    page.get_by_role("button", name="Next song").click()
    plays(page, "Oldest of three")
    page.get_by_role("button", name="Previous song").click()
    plays(page, "Middle of three")


def test_play_next_comes_before_the_rest_and_can_be_taken_out(page: Page, feed: list[Locator]) -> None:
    feed[0].get_by_role("button", name="Play A").click()
    feed[2].get_by_role("button", name="Play next").click()
    expect(page.locator("#announcer")).to_have_text("“Oldest of three” plays next.")
    page.get_by_role("button", name="What plays next").click()
    queue = page.get_by_role("region", name="What plays next")
    songs = queue.locator(".queue-song")
    assert songs.all_inner_texts()[:2] == ["Oldest of three", "Middle of three"]
    queue.get_by_role("button", name="Take “Middle of three” out").first.click()
    expect(songs.first).to_have_text("Oldest of three")
    assert songs.all_inner_texts()[1:2] != ["Middle of three"]
    page.keyboard.press("Escape")
    expect(queue).to_be_hidden()
    page.keyboard.press("n")
    plays(page, "Oldest of three")


def test_it_stays_quiet_after_a_song_where_somebody_wants_that(page: Page, feed: list[Locator]) -> None:
    feed[0].get_by_role("button", name="Play A").click()
    page.get_by_role("button", name="What plays next").click()
    page.get_by_role("checkbox", name="Go on by itself when a song ends").uncheck()
    page.locator("#player-wave").press("End")
    expect(page.locator("#player")).not_to_have_class(re.compile("is-playing"))
    expect(page.locator("[data-player-title]")).to_have_text("Newest of three")


def test_it_plays_on_through_pages_back_and_forward(page: Page, feed: list[Locator]) -> None:
    feed[0].get_by_role("button", name="Play A").click()
    plays(page, "Newest of three")
    page.evaluate("document.getElementById('player').dataset.mine = 'yes'")
    page.locator(".menu > summary").click()
    page.get_by_role("link", name="Notices").click()
    expect(page.get_by_role("heading", level=1, name="Notices")).to_be_visible()
    page.get_by_role("link", name="Budget", exact=True).first.click()
    expect(page.get_by_role("heading", level=1, name="Budget")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="Notices")).to_be_visible()
    page.go_back()
    expect(feed[0].get_by_role("button", name="Pause A")).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("heading", level=1, name="Notices")).to_be_visible()
    expect(page.locator("#player[data-mine]")).to_have_class(re.compile("is-playing"))


def test_media_keys_know_title_place_and_what_comes_next(page: Page, three: list[str]) -> None:
    page.add_init_script(
        """window.keys = {};
        navigator.mediaSession.setActionHandler = (name, action) => { window.keys[name] = action; };"""
    )
    page.goto("/")
    page.locator(f"#generation-{three[0]}").get_by_role("button", name="Play A").click()
    plays(page, "Newest of three")
    assert page.evaluate("navigator.mediaSession.metadata.title") == "Newest of three"
    assert page.evaluate("navigator.mediaSession.playbackState") == "playing"
    page.evaluate("window.keys.nexttrack({})")
    plays(page, "Middle of three")
    page.evaluate("window.keys.seekto({ seekTime: 7 })")
    expect(page.locator("#player-wave")).to_have_attribute("aria-valuenow", re.compile("^[78]$"))
    page.evaluate("window.keys.pause({})")
    expect(page.locator("#player")).not_to_have_class(re.compile("is-playing"))


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_open_player_has_no_accessibility_fault(visit: Visit, song_id: str, theme: str) -> None:
    with visit.context(color_scheme=theme) as context:
        page = context.new_page()
        page.goto(f"/generations/{song_id}/")
        page.get_by_role("button", name="Play A").click()
        page.get_by_role("button", name="Loop a part").click()
        page.get_by_role("button", name="What plays next").click()
        page.wait_for_timeout(200)
        assert visit.complaints == []
        assert violations(page) == []
        visit.complaints.clear()


def test_on_a_phone_everything_of_the_player_is_within_reach(visit: Visit, three: list[str]) -> None:
    with visit.context(viewport=PHONE, has_touch=True) as context:
        page = context.new_page()
        page.goto("/#songs")
        page.locator(f"#generation-{three[0]}").get_by_role("button", name="Play A").tap()
        plays(page, "Newest of three")
        page.get_by_role("button", name="More of the player").tap()
        for name in ("Loop", "Mute", "What plays next", "Next song"):
            expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
        assert page.evaluate(TOO_SMALL) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.wait_for_timeout(100)
        assert visit.complaints == []
        assert violations(page) == []
        visit.complaints.clear()
