"""Cards: what they say while a song is made, and what can be done when it failed."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, Visit
from tests.browser.test_making_songs import describe, set_mood
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)

CLOCK = """(card) => {
    const [minutes, seconds] = card.querySelector(".elapsed").textContent.split(":").map(Number);
    return 60 * minutes + seconds;
}"""
# The same card as the server would draw it if its clock were behind.
BEHIND = """(card) => {
    const again = card.cloneNode(true);
    again.querySelector(".elapsed").dataset.elapsed = "0";
    again.querySelector(".elapsed").textContent = "0:00";
    htmx.swap(card, again.outerHTML, {swapStyle: "outerHTML"});
}"""


def test_the_clock_of_a_song_never_goes_back(page: Page, studio: RunningStudio) -> None:
    set_mood(studio, run_seconds=10)
    page.goto("/")
    describe(page, "A clock for Prague")
    page.locator("#generate").click()
    song = page.locator(".card[data-unfinished]", has_text="A clock for Prague")
    expect(song).to_have_attribute("data-phase", "running")
    expect(song.locator(".elapsed")).to_have_text(re.compile(r"0:(0[4-9]|1\d)"))
    song.evaluate(BEHIND)
    assert song.evaluate(CLOCK) >= 4


def test_what_fal_said_can_be_copied_whole(visit: Visit, studio: RunningStudio) -> None:
    with visit.context(permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        set_mood(studio, fail="content_policy_violation")
        page.goto("/")
        describe(page, "A refused madrigal")
        page.locator("#generate").click()
        song = page.locator(".card", has_text="A refused madrigal").first
        expect(song).to_have_attribute("data-phase", "failed")
        song.locator(".raw > summary").click()
        said = song.locator(".raw pre").inner_text()
        song.get_by_role("button", name="Copy what fal said").click()
        expect(page.locator("#announcer")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == said
