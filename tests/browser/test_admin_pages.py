"""The admin's own pages in a real browser: accessible, within their width, and without a complaint of the policy."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import PATIENCE_MS, PHONE, WIDE, Visit
from tests.browser.test_budget_page import FILLS
from tests.browser.test_every_page import violations
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

BAD_FILE = b"email,monthly_budget\nmara@example.com,25.00\nnobody@example.com,-3\njonas@example.com,ten\n"


@pytest.fixture(scope="module")
def scene(studio: RunningStudio) -> dict[str, int]:
    lay = "from tests.browser import admin_scene; admin_scene.lay()"
    ids: dict[str, int] = json.loads(studio.shell(lay).splitlines()[-1])
    return ids


@pytest.fixture
def admin(visit: Visit, studio: RunningStudio) -> Iterator[Any]:
    """Opens a browser of the admin's."""
    opened: list[BrowserContext] = []

    def open_context(**options: Any) -> BrowserContext:
        context = visit._chromium.new_context(**{"viewport": WIDE, "base_url": studio.url, **options})
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", visit._listen)
        assert context.request.get(studio.login_link("admin")).ok
        opened.append(context)
        return context

    yield open_context
    for context in opened:
        visit.close(context)


def addresses(scene: dict[str, int]) -> dict[str, str]:
    return {
        "dashboard": "/admin/",
        "quotas": "/admin/ledger/quota/",
        "quota": f"/admin/ledger/quota/{scene['quota']}/change/",
        "adjust": f"/admin/ledger/quota/{scene['quota']}/adjust/",
        "import": "/admin/ledger/quota/import/",
        "cap": "/admin/ledger/organisation/",
        "house": f"/admin/ledger/entry/{scene['charge']}/house-pays/",
        "entry": f"/admin/ledger/entry/{scene['charge']}/change/",
        "entries": "/admin/ledger/entry/",
        "budget": f"/admin/ledger/budget/{scene['budget']}/change/",
        "people": "/admin/studio/user/",
        "audits": "/admin/ledger/auditrun/",
        "fal": "/admin/studio/generation/fal/",
        "webhooks": "/admin/webhooks/tally/",
        "deliveries": "/admin/webhooks/delivery/",
        "delivery": f"/admin/webhooks/delivery/{scene['delivery']}/change/",
    }


LISTS = ("quotas", "entries", "people", "audits")
HIDDEN_PIXELS = "(({scrollWidth, clientWidth}) => scrollWidth - clientWidth)(document.querySelector('.results'))"

# Of the lists that Django draws, its own markup is its own matter.
OURS = ("dashboard", "adjust", "import", "cap", "house", "fal", "webhooks")


def steps(page: Page, scene: dict[str, int]) -> Iterator[str]:
    """The pages behind forms, one after the other."""
    page.goto("/admin/ledger/quota/")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("raise_by")
    page.get_by_role("button", name="Go").click()
    yield "amount"
    page.get_by_label("Dollars a month").fill("5.00")
    page.get_by_role("button", name="Show what would change").click()
    yield "confirm"
    page.goto("/admin/ledger/quota/import/")
    page.get_by_label("CSV file").set_input_files({"name": "q.csv", "mimeType": "text/csv", "buffer": BAD_FILE})
    page.get_by_role("button", name="Show what would change").click()
    yield "import-faults"
    page.goto(f"/admin/ledger/quota/{scene['quota']}/adjust/")
    page.get_by_label("Correct: less was spent").check()
    page.get_by_label("Amount in dollars").fill("0.075")
    page.get_by_label("Reason").fill("The song was silent")
    page.get_by_role("button", name="Show what it does").click()
    yield "adjust-preview"


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_admins_own_pages_have_no_accessibility_fault(
    visit: Visit, admin: Any, scene: dict[str, int], theme: str, size: dict[str, int]
) -> None:
    page = admin(viewport=size, color_scheme=theme, has_touch=size is PHONE).new_page()
    faults = {}
    for name in OURS:
        page.goto(addresses(scene)[name])
        assert visit.complaints == []
        faults[name] = violations(page)
        visit.complaints.clear()
    for name in steps(page, scene):
        assert visit.complaints == []
        faults[name] = violations(page)
        visit.complaints.clear()
    assert {name: found for name, found in faults.items() if found} == {}


def test_no_page_of_money_is_wider_than_a_phone(admin: Any, scene: dict[str, int]) -> None:
    page = admin(viewport=PHONE, has_touch=True).new_page()
    for name, address in addresses(scene).items():
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
    for name in steps(page, scene):
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name


def test_every_column_of_a_list_is_seen_on_a_wide_screen(admin: Any, scene: dict[str, int]) -> None:
    page = admin().new_page()
    for name in LISTS:
        page.goto(addresses(scene)[name])
        hidden = page.evaluate(HIDDEN_PIXELS)
        assert hidden <= 0, f"{name}: {hidden} pixels"


def test_the_dashboard_draws_the_chart_of_the_budget_page(admin: Any) -> None:
    page = admin().new_page()
    page.goto("/admin/")
    for kind in ("New songs", "Retouches"):
        expect(page.locator(".chart .legend")).to_contain_text(kind)
    assert "rgb(0, 0, 0)" not in page.evaluate(FILLS)
    page.get_by_text("The same in figures").click()
    expect(page.locator(".chart tfoot")).to_be_visible()


def test_a_quota_is_changed_in_the_list(admin: Any, scene: dict[str, int]) -> None:
    page = admin().new_page()
    page.goto("/admin/ledger/quota/?q=mara")
    page.get_by_label("Monthly budget of mara@example.com").fill("33.00")
    page.get_by_label("Reason").fill("She makes the album")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Monthly budget of mara@example.com")).to_have_value("33.00")
    page.get_by_role("link", name="mara@example.com").click()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("She makes the album")).to_be_visible()


def test_an_adjustment_is_shown_and_then_booked(admin: Any, scene: dict[str, int]) -> None:
    page = admin().new_page()
    assert list(steps(page, scene))[-1] == "adjust-preview"
    page.get_by_role("button", name="Book it").click()
    expect(page.get_by_text("Booked: $0.075 less spent")).to_be_visible()


def test_a_delivery_is_sent_through_again(admin: Any, scene: dict[str, int]) -> None:
    page = admin().new_page()
    page.goto(f"/admin/webhooks/delivery/{scene['delivery']}/change/")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text("It is on its way again")).to_be_visible()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("Sent it through again")).to_be_visible()
