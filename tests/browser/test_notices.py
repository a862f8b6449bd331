"""Told that a song ended: in the title on any page, by a dot, and by the browser where somebody asked for it."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from studio.management.commands.seed_demo import MUSICIAN
from tests.browser.conftest import PATIENCE_MS, Visit
from tests.browser.test_making_songs import describe, set_mood
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)

# A browser whose notifications and notes can be counted, looked at by nobody.
EARS = """
    window.shown = []; window.notes = 0;
    window.Notification = class extends EventTarget {
        static permission = "granted";
        static async requestPermission() { return "granted"; }
        constructor(title, { body, tag }) { super(); window.shown.push([title, body, tag]); }
    };
    document.hasFocus = () => false;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (at) { window.notes += 1; return start.call(this, at); };
"""


def make(studio: RunningStudio, prompt: str) -> str:
    with studio.client(MUSICIAN) as client:
        made = client.post("/api/generations", json={"prompt": prompt}).json()["id"]
        studio.wait_for_state(client, made, "READY", "FAILED", seconds=60)
    return str(made)


def listening(context: BrowserContext) -> Page:
    page = context.new_page()
    page.add_init_script(EARS)
    return page


def test_the_title_counts_on_a_page_without_cards_until_it_is_heard(visit: Visit, studio: RunningStudio) -> None:
    with visit.context() as context:
        page = context.new_page()
        with page.expect_response("**/api/events"):
            page.goto("/budget/")
        song = make(studio, "Heard from the budget")
        expect(page).to_have_title("(1) Budget · Neo-Apex")
        expect(page.locator("#announcer")).to_have_text("Heard from the budget: Ready")
        page.get_by_role("link", name="Studio", exact=True).click()
        expect(page).to_have_title("(1) Studio · Neo-Apex")
        card = page.locator(f"#generation-{song}")
        expect(card.locator(".fact-new")).to_be_visible()
        with page.expect_response(f"**/generations/{song}/heard"):
            card.get_by_role("button", name="Play A").click()
        expect(page).to_have_title("Studio · Neo-Apex")
        expect(card.locator(".fact-new")).to_be_hidden()
        page.reload()
        expect(card).to_be_visible()
        expect(card).not_to_have_attribute("data-unheard", "")


def test_nothing_rings_unless_somebody_asked_for_it(visit: Visit, studio: RunningStudio) -> None:
    with visit.context() as context:
        page = listening(context)
        with page.expect_response("**/api/events"):
            page.goto("/budget/")
        make(studio, "Quiet as a mouse")
        expect(page.locator("#announcer")).to_have_text("Quiet as a mouse: Ready")
        assert page.evaluate("[window.shown, window.notes]") == [[], 0]


def test_a_notification_and_a_sound_come_once_however_many_tabs_there_are(visit: Visit, studio: RunningStudio) -> None:
    with visit.context() as context:
        page, other = listening(context), listening(context)
        with page.expect_response("**/api/events"):
            page.goto("/account/notices/")
        page.get_by_role("checkbox", name="A notification when a song ends").check()
        page.get_by_role("checkbox", name="A short sound").check()
        assert page.evaluate("window.notes") == 2, "it can be heard at once"
        other.goto("/budget/")
        page.reload()
        for name in ("A notification when a song ends", "A short sound"):
            expect(page.get_by_role("checkbox", name=name)).to_be_checked()
        song = make(studio, "Ring for me")
        for tab in (page, other):
            expect(tab).to_have_title(re.compile(r"^\(1\) "))
        assert page.evaluate("window.shown") + other.evaluate("window.shown") == [["Ring for me", "Ready", song]]
        assert page.evaluate("window.notes") + other.evaluate("window.notes") == 2


def test_a_browser_that_refuses_notifications_is_told_what_to_do(visit: Visit) -> None:
    with visit.context() as context:
        page = context.new_page()
        page.add_init_script("window.Notification = { requestPermission: async () => 'denied', permission: 'denied' };")
        page.goto("/account/notices/")
        box = page.get_by_role("checkbox", name="A notification when a song ends")
        box.click()
        expect(page.get_by_text("This browser doesn't allow notifications")).to_be_visible()
        expect(box).not_to_be_checked()


def test_a_failure_is_deleted_with_undo_and_a_lost_click_says_so(
    page: Page, visit: Visit, studio: RunningStudio
) -> None:
    set_mood(studio, fail="content_policy_violation")
    page.goto("/")
    describe(page, "To be deleted")
    page.locator("#generate").click()
    failed = page.locator(".card[data-phase=failed]", has_text="To be deleted").first
    song = page.locator(f".card#{failed.get_attribute('id')}")
    page.route("**/clear", lambda route: route.abort())
    song.get_by_role("button", name="Delete").click()
    expect(page.locator("#trouble")).to_contain_text("That didn't get through")
    expect(song).to_have_count(1)
    visit.complaints[:] = [said for said in visit.complaints if "ERR_FAILED" not in said and "htmx:" not in said]
    page.unroute("**/clear")
    song.get_by_role("button", name="Delete").click()
    expect(song).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(song).to_have_count(1)
    song.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.reload()
    expect(page.locator("#feed .card").first).to_be_visible()
    expect(song).to_have_count(0)
