"""A whole retouch at a real browser: by mouse and by keyboard, with three retries and an accept."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from studio.management.commands.seed_demo import MUSICIAN
from tests.browser import retouch_scene
from tests.browser.conftest import PATIENCE_MS, PHONE, Visit
from tests.browser.retouch_scene import Scene
from tests.journeys.stack import RunningStudio, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]
expect.set_options(timeout=PATIENCE_MS)

# As another tab would, which holds the stream.
TELL_AGAIN = """(generation) => new BroadcastChannel(`neoapex-live-${document.body.dataset.person}`)
    .postMessage({ kind: "event", name: "job_progress", generation })"""


@pytest.fixture(scope="module")
def scene(studio: RunningStudio) -> Scene:
    return retouch_scene.make(studio)


@pytest.fixture
def track_id(studio: RunningStudio) -> str:
    """A fresh song each time, so that nothing is left of another test."""
    with studio.client(MUSICIAN) as client:
        return str(retouch_scene.make_song(studio, client)["tracks"][0]["id"])


def ends_of(page: Page) -> tuple[Locator, Locator]:
    return page.get_by_role("slider", name="The section begins"), page.get_by_role("slider", name="The section ends")


def times_of(page: Page) -> tuple[float, float]:
    return float(page.locator("#start").input_value()), float(page.locator("#end").input_value())


def wait_for_the_take(page: Page, number: int) -> None:
    """It comes by itself: nobody reloads the page."""
    expect(page.locator(".strip li").nth(number)).to_contain_text("Ready", timeout=60_000)
    expect(page.locator("[data-compare] canvas").first).to_be_attached()


def tell_again(page: Page) -> None:
    """The same event once more: the page fetches what it shows, and has it by the end of this."""
    with page.expect_response(re.compile("/panel")):
        page.evaluate(TELL_AGAIN, page.locator("[data-card]").get_attribute("data-card"))
    page.wait_for_timeout(300)


def beyond_the_bill(studio: RunningStudio) -> int:
    """What the books have more than fal's bill: other tests lay entries there for their pages."""
    return studio.ledger_total_micros() - int(studio.sim.bill()["total_micros"])


@pytest.fixture
def paid(studio: RunningStudio) -> Iterator[None]:
    """All that this test makes is on both sides in the end."""
    before = beyond_the_bill(studio)
    yield
    wait_for(lambda: beyond_the_bill(studio) == before, 60, lambda: "the books differ from the bill")


@pytest.mark.usefixtures("paid")
def test_a_whole_retouch_by_mouse(visit: Visit, studio: RunningStudio, track_id: str) -> None:
    with visit.context() as context:
        page = context.new_page()
        page.goto(f"/tracks/{track_id}/retouch/")
        expect(page.locator("[data-region-wave] canvas").first).to_be_attached()
        area = page.locator("[data-region-draw]").bounding_box()
        assert area is not None
        middle = area["y"] + area["height"] / 2
        page.mouse.move(area["x"] + area["width"] * 0.25, middle)
        page.mouse.down()
        page.mouse.move(area["x"] + area["width"] * 0.4, middle, steps=4)
        page.mouse.move(area["x"] + area["width"] * 0.5, middle, steps=4)
        page.mouse.up()
        start, end = times_of(page)
        seconds = float(page.locator("[data-region]").get_attribute("data-ms") or 0) / 1000
        assert start == pytest.approx(seconds / 4, abs=0.1)
        assert end == pytest.approx(seconds / 2, abs=0.1)
        page.get_by_role("button", name="Retouch · $0.075").click()
        for retry in (1, 2, 3):
            wait_for_the_take(page, retry)
            page.get_by_role("radio", name="Glitch").check()
            page.get_by_role("button", name=re.compile(rf"Retry {retry} of 3 · \$0\.075 · at most")).click()
        wait_for_the_take(page, 4)
        expect(page.get_by_text("All 3 retries are used")).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("Retry"))).to_have_count(0)
        page.get_by_role("link", name="Take 2").click()
        expect(page.get_by_role("button", name="Accept take 2")).to_be_visible()
        tell_again(page)
        page.get_by_role("button", name="Accept take 2").click()
        page.get_by_role("link", name="To the song").click()
        expect(page.get_by_text("Retouched from")).to_be_visible()
        page.get_by_role("link", name="Lineage of A").click()
        expect(page.get_by_text("5 tracks, $0.375 in all")).to_be_visible()


def test_what_was_ticked_stays_ticked_while_the_page_is_live(
    visit: Visit, studio: RunningStudio, track_id: str
) -> None:
    with visit.context() as context, studio.client(MUSICIAN) as client:
        page = context.new_page()
        asked = {"track": track_id, "section": {"start": 2, "end": 4}, **retouch_scene.WORDS}
        retouch = client.post("/api/retouches", json=asked).raise_for_status().json()
        page.goto(f"/retouches/{retouch['id']}/")
        wait_for_the_take(page, 1)
        page.get_by_role("radio", name="Glitch").check()
        page.locator("#note").fill("at the end")
        tell_again(page)
        expect(page.get_by_role("radio", name="Glitch")).to_be_checked()
        expect(page.locator("#note")).to_have_value("at the end")
        client.post(f"/api/retouches/{retouch['id']}/abandon").raise_for_status()


def tab_to(page: Page, target: Locator) -> None:
    for _ in range(120):
        if target.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"out of the keyboard's reach: {target}")


@pytest.mark.usefixtures("paid")
def test_a_whole_retouch_by_keyboard(visit: Visit, studio: RunningStudio, track_id: str) -> None:
    with visit.context() as context:
        page = context.new_page()
        page.goto(f"/tracks/{track_id}/retouch/")
        begins, ends = ends_of(page)
        start, end = times_of(page)
        tab_to(page, begins)
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Shift+ArrowRight")
        tab_to(page, ends)
        page.keyboard.press("ArrowLeft")
        assert times_of(page)[0] == pytest.approx(start - 0.9)
        assert times_of(page)[1] == pytest.approx(end - 1)
        expect(begins).to_have_attribute("aria-valuenow", f"{start - 0.9:g}")
        tab_to(page, page.get_by_role("button", name="Retouch · $0.075"))
        page.keyboard.press("Enter")
        for retry in (1, 2, 3):
            wait_for_the_take(page, retry)
            tab_to(page, page.get_by_role("radio", name="Wrong words"))
            page.keyboard.press("Space")
            page.keyboard.press("Tab")
            page.keyboard.type("line two")
            tab_to(page, page.get_by_role("button", name=re.compile(f"Retry {retry} of 3")))
            page.keyboard.press("Enter")
        wait_for_the_take(page, 4)
        tab_to(page, page.get_by_role("button", name="Accept take 4"))
        page.keyboard.press("Enter")
        expect(page.get_by_text("The take is a track among your songs")).to_be_visible()
        tab_to(page, page.get_by_role("button", name="Undo: judge again"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Accept take 4")).to_be_visible()


def test_the_section_is_drawn_by_finger_and_said_by_two_times(visit: Visit, scene: Scene) -> None:
    with visit.context(viewport=PHONE, has_touch=True) as context:
        page = context.new_page()
        page.goto(f"/tracks/{scene.track}/retouch/")
        begins, ends = ends_of(page)
        page.locator("#start").fill("0:03")
        page.locator("#end").fill("5,5")
        expect(begins).to_have_attribute("aria-valuenow", "3")
        expect(ends).to_have_attribute("aria-valuetext", "0:05.5")
        expect(page.locator("[data-region-note]")).to_contain_text("2.5 s of")
        page.locator("#end").fill("3.2")
        expect(page.locator("[data-region-note]")).to_contain_text("at least 1 s")
        page.locator("#end").fill("5.5")
        box = ends.bounding_box()
        assert box is not None
        at = {"x": box["x"] + 11, "y": box["y"] + box["height"] / 2}
        touch = context.new_cdp_session(page)
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at | {"x": at["x"] + 60}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        expect(ends).not_to_have_attribute("aria-valuetext", "0:05.5")
        start, end = times_of(page)
        assert start == 3
        assert end > 6


def test_the_ends_snap_to_beats_where_the_tempo_is_known(visit: Visit, scene: Scene) -> None:
    with visit.context() as context:
        page = context.new_page()
        page.goto(f"/tracks/{scene.track}/retouch/")
        page.locator("#start").fill("3.1")
        page.locator("#end").fill("6.3")
        page.get_by_label("Snap to beats (96 BPM)").check()
        assert times_of(page) == (3.125, 6.25)
        ends_of(page)[1].press("ArrowRight")
        assert times_of(page) == (3.125, 6.875)


def test_a_clip_of_the_section_is_played_and_stopped(visit: Visit, scene: Scene) -> None:
    with visit.context() as context:
        page = context.new_page()
        page.goto(f"/tracks/{scene.track}/retouch/")
        with page.expect_response(re.compile("/clip")) as answer:
            page.get_by_role("button", name="Listen, with 2 s around it").click()
        assert answer.value.ok
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_role("button", name="Listen, with 2 s around it")).to_be_visible()


def test_take_and_original_are_heard_at_the_same_place_in_the_section_or_in_the_whole(
    visit: Visit, scene: Scene
) -> None:
    with visit.context() as context:
        page = context.new_page()
        page.goto(f"/retouches/{scene.retouch}/")
        expect(page.locator("[data-compare] canvas").first).to_be_attached()
        page.get_by_role("button", name="Only the section, looped").click()
        player = page.locator("#player")
        expect(player).to_have_class(re.compile("is-playing"))
        expect(player).to_have_attribute("data-letter", "B")
        expect(page.locator("#player-wave")).to_have_attribute("aria-valuenow", re.compile("^[4-7]$"))
        expect(page.get_by_role("slider", name="The part begins")).to_be_visible()
        page.keyboard.press("x")
        expect(player).to_have_attribute("data-letter", "A")
        page.get_by_role("link", name="Take 1").click()
        expect(page.get_by_role("button", name="Accept take 1")).to_be_visible()
        expect(player).to_have_class(re.compile("is-playing"))
        expect(page.locator("#player-wave")).to_have_attribute("aria-valuenow", re.compile("^[4-7]$"))
        page.get_by_role("button", name="The whole").click()
        expect(page.get_by_role("slider", name="The part begins")).to_be_hidden()
        expect(page.get_by_text("Outside the section the take equals the original")).to_be_visible()


def test_the_whole_way_works_without_a_script(visit: Visit, studio: RunningStudio, track_id: str) -> None:
    with visit.context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"/tracks/{track_id}/retouch/")
        page.locator("#start").fill("3")
        page.locator("#end").fill("0:06")
        page.get_by_role("button", name="Retouch · $0.075").click()
        with studio.client(MUSICIAN) as client:
            retouch_scene.wait_for_take(client, page.url.rstrip("/").rsplit("/", 1)[1])
        page.reload()
        page.get_by_role("link", name="How it differs from the original").click()
        page.go_back()
        page.get_by_role("button", name="Keep the original").click()
        expect(page.get_by_text("You kept the original.")).to_be_visible()


def test_a_take_that_ends_elsewhere_is_told_and_is_no_card_of_the_list(
    visit: Visit, studio: RunningStudio, track_id: str
) -> None:
    with visit.context() as context, studio.client(MUSICIAN) as client:
        page = context.new_page()
        page.goto("/")
        cards = page.locator("#feed .card").count()
        asked = {"track": track_id, "section": {"start": 2, "end": 4}, **retouch_scene.WORDS}
        retouch = client.post("/api/retouches", json=asked).raise_for_status().json()
        expect(page.locator("#announcer")).to_contain_text("Ready to be judged", timeout=60_000)
        assert page.title().startswith("(")
        assert page.locator("#feed .card").count() == cards
        client.post(f"/api/retouches/{retouch['id']}/abandon").raise_for_status()
