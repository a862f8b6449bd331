"""What holds for every page: accessible, within its width, keyboard-reachable, in the theme that was chosen."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import retouch_scene
from tests.browser.conftest import PHONE, WIDE, Visit
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# Of what is as it should be it need not tell every element.
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
MINE = (
    "/",
    "/?example=1",
    "/#songs",
    "/budget/",
    "/trash/",
    "/library/",
    "/library/?view=grid",
    "/library/?q=nothing+like+it",
    "/projects/",
    "/experiments/",
    "/experiments/reading/vibe_strength/",
    "/account/tokens/",
    "/accounts/password/set/",
    "/accounts/email/",
    "/accounts/logout/",
)
STRANGERS = ("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/accounts/password/reset/done/")
# Of a box to tick its whole label is touched.
FIELDS = "button, input:not([type=hidden], .check *), .check, select, summary"
TOUCHED = f"{FIELDS}, .strip a, .lane-download, .takeaway-link, .tier, .tabs a"
TOO_SMALL = f"""() => [...document.querySelectorAll('{TOUCHED}')]
    .filter((element) => element.checkVisibility({{visibilityProperty: true}}))
    // A finger on the label is as good as one on its box.
    .map((element) => (element.matches("[type=checkbox], [type=radio]") && element.closest("label")) || element)
    .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && box.height < 43.5)
    .map(([html, box]) => `${{html}} ${{box.height}}`)"""


@pytest.fixture(scope="module")
def made_from(studio: RunningStudio) -> tuple[str, ...]:
    """The pages of what is made from a track."""
    return retouch_scene.make(studio).paths


def violations(page: Page) -> list[str]:
    # In a window that shows the whole page nothing lies under a bar just because of how far it is scrolled; with room
    # for what is still to come, such as tags that go together.
    height = page.evaluate("document.documentElement.scrollHeight") + 400
    page.set_viewport_size({"width": page.viewport_size["width"], "height": height})  # type: ignore[index]
    page.evaluate(AXE.read_text())
    found = page.evaluate(f"axe.run(document, {json.dumps(RULES)}).then(({{violations}}) => violations)")
    return [f"{rule['id']}: {node['target']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_page_has_an_accessibility_fault(
    visit: Visit, album: dict[str, str], made_from: tuple[str, ...], theme: str, size: dict[str, int]
) -> None:
    faults = {}
    mine, strangers = (*MINE, *album.values(), *made_from), (*STRANGERS, album["shared"])
    for logged_in, paths in ((True, mine), (False, strangers)):
        with visit.context(viewport=size, color_scheme=theme, logged_in=logged_in, has_touch=size is PHONE) as context:
            for path in paths:
                page = context.new_page()
                page.goto(path)
                page.wait_for_timeout(150)
                assert visit.complaints == []
                faults[path] = violations(page)
                # The checker tries styles of its own, which the policy stops.
                visit.complaints.clear()
                page.close()
    assert {path: found for path, found in faults.items() if found} == {}


def test_no_page_is_wider_than_a_phone(visit: Visit, album: dict[str, str], made_from: tuple[str, ...]) -> None:
    with visit.context(viewport=PHONE, has_touch=True) as context:
        page = context.new_page()
        for path in (*MINE, *album.values(), *made_from):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


def test_everything_to_touch_is_large_enough_on_a_phone(
    visit: Visit, album: dict[str, str], made_from: tuple[str, ...]
) -> None:
    with visit.context(viewport=PHONE, has_touch=True) as context:
        page = context.new_page()
        for path in ("/", "/?example=1", "/#songs", "/library/", "/library/?view=grid", *album.values(), *made_from):
            page.goto(path)
            page.wait_for_timeout(300)
            small = page.evaluate(TOO_SMALL)
            assert small == [], path


def test_the_theme_is_kept_and_drawn_by_the_server(page: Page) -> None:
    page.goto("/budget/")
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    switch = page.get_by_role("button", name="Theme")
    switch.click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    switch.click()
    assert page.locator("html").get_attribute("data-theme") == "light"
    sent = page.request.get("/budget/").text()
    assert 'data-theme="light"' in sent
    switch.click()
    assert page.locator("html").get_attribute("data-theme") is None
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == ground


def test_the_keyboard_reaches_the_content_first(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
