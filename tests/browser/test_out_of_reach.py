"""While fal is out of reach, as it looks in a browser: said in plain words, nothing lost, and over by itself."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.test_making_songs import describe
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

OPEN = (
    "from studio.fal import breaker; from studio.fal.errors import AccountLocked;"
    "breaker.note(AccountLocked(provider_failed=True))"
)
CLOSE = "from studio.fal import breaker; breaker.close()"
SAYS = "fal.ai is out of reach just now, so the studio takes no new songs."
# The page asks again within this at the latest.
AGAIN_MS = 25_000


@pytest.fixture
def studio(studio: RunningStudio) -> Iterator[RunningStudio]:
    yield studio
    studio.shell(CLOSE)


def test_a_click_into_an_outage_keeps_every_word_and_works_again_by_itself(
    page: Page, studio: RunningStudio, visit: Visit
) -> None:
    page.goto("/")
    describe(page, "Marimba in an empty station")
    songs = page.locator(".card").count()
    studio.shell(OPEN)
    page.locator("#generate").click()
    expect(page.locator("#price .reasons")).to_contain_text(SAYS)
    expect(page.locator("#prompt")).to_have_value("Marimba in an empty station")
    expect(page.locator("#generate")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#announcer")).to_contain_text(SAYS)
    assert page.locator("#refusal").inner_text() == ""
    assert page.locator(".card").count() == songs
    studio.shell(CLOSE)
    expect(page.locator("#price .reasons")).to_have_count(0, timeout=AGAIN_MS)
    page.locator("#generate").click()
    song = page.locator(".card", has_text="Marimba in an empty station")
    expect(song).to_have_attribute("data-phase", "ready")
    # The browser itself notes that the first answer was a 503.
    assert [said for said in visit.complaints if "503" not in said] == []
    visit.complaints.clear()


def test_a_song_in_line_says_so_too_and_is_made_once_fal_is_there_again(page: Page, studio: RunningStudio) -> None:
    studio.shell(
        f"{OPEN}; from studio.models import User; from tests import factories;"
        "factories.make_generation(person=User.objects.get(email='demo@example.com'), recipe={'prompt': 'Oboe alone'})"
    )
    page.goto("/")
    song = page.locator(".card", has_text="Oboe alone")
    expect(song.locator(".sentence")).to_contain_text("fal is out of reach just now.")
    studio.shell(CLOSE)
    expect(song).to_have_attribute("data-phase", "ready", timeout=2 * AGAIN_MS)
