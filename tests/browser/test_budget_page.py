"""The budget page in a real browser: in every state of a month, within its width, accessible, and in its colours."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, WIDE, Visit
from tests.browser.test_every_page import TOO_SMALL, violations
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

PEOPLE = ("rich", "near", "out", "frozen", "new")
WARNED = {"near": "85 % of this month", "out": "used up", "frozen": "frozen"}
FILLS = "() => [...document.querySelectorAll('pattern rect:first-child')].map((part) => getComputedStyle(part).fill)"
CUT_OFF = """() => [...document.querySelectorAll('.entries--told td, .budget-line, .money dd')]
    .filter((element) => element.checkVisibility() && element.scrollWidth > element.clientWidth + 1)
    .map((element) => element.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module", autouse=True)
def scene(studio: RunningStudio) -> None:
    studio.shell("from tests.browser import money_scene; money_scene.lay()")


def enter(studio: RunningStudio, page: Page, name: str) -> None:
    """By a link of their own: each works once."""
    link = (
        "from studio.management.commands.seed_demo import login_path; from studio.models import User; "
        f"print(login_path(User.objects.get(email='{name}@example.com'), '/budget/'))"
    )
    page.goto(studio.shell(link).splitlines()[-1])
    expect(page.locator("h1")).to_contain_text("Budget")


@pytest.mark.slow
@pytest.mark.parametrize(("size", "theme"), [(WIDE, "dark"), (PHONE, "light")], ids=["wide-dark", "phone-light"])
@pytest.mark.parametrize("name", PEOPLE)
def test_a_month_in_any_state_is_whole_and_accessible(
    visit: Visit, studio: RunningStudio, name: str, size: dict[str, int], theme: str
) -> None:
    with visit.context(viewport=size, color_scheme=theme, has_touch=size is PHONE, logged_in=False) as context:
        page = context.new_page()
        enter(studio, page, name)
        assert page.evaluate(CUT_OFF) == []
        if size is PHONE:
            assert page.evaluate(TOO_SMALL) == []
        assert WARNED.get(name, "") in " ".join(page.locator(".notice").all_inner_texts())
        expect(page.locator(".notice")).to_have_count(int(name in WARNED))
        for figures in page.locator(".figures summary").all():
            figures.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert visit.complaints == []
        assert violations(page) == []
        # The checker tries styles of its own, which the policy stops.
        visit.complaints.clear()


def test_each_kind_of_spending_has_a_colour_of_its_own(visit: Visit, studio: RunningStudio) -> None:
    with visit.context(logged_in=False) as context:
        page = context.new_page()
        enter(studio, page, "rich")
        fills = page.evaluate(FILLS)
        assert len(fills) == len(set(fills)) == 4
        assert "rgb(0, 0, 0)" not in fills, "what no style names is black"


def test_the_statement_leads_to_the_song_and_copies_fals_request(visit: Visit, studio: RunningStudio) -> None:
    with visit.context(logged_in=False, permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        enter(studio, page, "rich")
        request = page.locator(".entry-request button").first
        whole = request.get_attribute("title")
        request.click()
        expect(page.locator("#announcer")).to_contain_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == whole
        page.locator(".entry-song").first.click()
        expect(page.locator("h1")).to_contain_text("A slow waltz")
