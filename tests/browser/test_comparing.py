"""Two variations of a song: switched in step, as loud as each other, one of them kept; and a part that is looped."""

import re

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from studio.management.commands.seed_demo import MUSICIAN
from tests.browser.conftest import PATIENCE_MS, PHONE, Visit
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)

# What the page asks of the sound of the browser: what is decoded, what is started when and where, what faders move to.
OVERHEAR = """
    window.decoded = 0; window.starts = []; window.faders = [];
    const decode = BaseAudioContext.prototype.decodeAudioData;
    BaseAudioContext.prototype.decodeAudioData = async function (bytes) {
        const buffer = await decode.call(this, bytes);
        window.decoded += 1;
        return buffer;
    };
    const start = AudioBufferSourceNode.prototype.start;
    AudioBufferSourceNode.prototype.start = function (when, offset) {
        window.starts.push([when, offset, this.loop, this.loopStart, this.loopEnd]);
        return start.call(this, when, offset);
    };
    const ramp = AudioParam.prototype.linearRampToValueAtTime;
    AudioParam.prototype.linearRampToValueAtTime = function (value, at) {
        window.faders.push(value);
        return ramp.call(this, value, at);
    };
"""


def open_song(context: BrowserContext, song_id: str, louder_by: str = "0.0") -> Page:
    """The page of a song whose second variation is louder by so many dB."""
    page = context.new_page()
    page.add_init_script(OVERHEAR)
    context.route(f"**/generations/{song_id}/", lambda route: louder(route, louder_by))
    page.goto(f"/generations/{song_id}/")
    expect(page.locator(".card .lane canvas").first).to_be_attached()
    return page


def louder(route: Route, by: str) -> None:
    answer = route.fetch()
    decibels = iter(("0.0", f"-{by}"))
    route.fulfill(
        response=answer, body=re.sub(r'data-db="[^"]*"', lambda _: f'data-db="{next(decibels)}"', answer.text())
    )


def wait_until(page: Page, true: str) -> None:
    """Asked from outside: what waits inside the page would need an eval, which the policy forbids."""
    for _ in range(PATIENCE_MS // 50):
        if page.evaluate(true):
            return
        page.wait_for_timeout(50)
    raise AssertionError(true)


def play_until_both_are_decoded(page: Page) -> None:
    page.get_by_role("button", name="Play A").click()
    expect(page.locator("#player")).to_have_class(re.compile("is-playing"))
    wait_until(page, "window.decoded === 2")


def position(page: Page) -> int:
    return int(page.locator("#player-wave").get_attribute("aria-valuenow") or -1)


def test_both_start_at_one_moment_and_a_switch_only_moves_faders(visit: Visit, song_id: str) -> None:
    with visit.context() as context:
        page = open_song(context, song_id)
        play_until_both_are_decoded(page)
        page.keyboard.press("x")
        expect(page.locator("#player")).to_have_attribute("data-letter", "B")
        wait_until(page, "window.starts.length === 2")
        first, second = page.evaluate("window.starts")
        assert first == second, "the same moment, the same place"
        page.evaluate("window.faders = []")
        for letter in "ABAB":
            page.keyboard.press("x")
            expect(page.locator("#player")).to_have_attribute("data-letter", letter)
        assert page.evaluate("window.starts.length") == 2, "nothing was started anew"
        assert page.evaluate("window.faders.slice(-2)") == [0, 1]
        expect(page.locator("#player")).to_have_class(re.compile("is-playing"))


def test_a_pause_and_a_jump_keep_them_in_step(visit: Visit, song_id: str) -> None:
    with visit.context() as context:
        page = open_song(context, song_id)
        play_until_both_are_decoded(page)
        # Far from the end, however long the decoding took.
        page.locator("#player-wave").press("Home")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("x")
        wait_until(page, "window.starts.length === 2")
        page.keyboard.press("ArrowRight")
        wait_until(page, "window.starts.length === 4")
        page.keyboard.press("Space")
        expect(page.locator("#player")).not_to_have_class(re.compile("is-playing"))
        expect(page.locator("#player-wave")).to_have_attribute("aria-valuenow", re.compile(r"^([5-9]|1\d)$"))
        held = position(page)
        page.keyboard.press("Space")
        wait_until(page, "window.starts.length === 6")
        starts = page.evaluate("window.starts")
        assert held <= starts[-1][1] < held + 1, "from where it was paused"
        assert starts[::2] == starts[1::2]


def test_at_the_end_of_what_is_heard_it_ends(visit: Visit, song_id: str) -> None:
    with visit.context() as context:
        page = open_song(context, song_id)
        play_until_both_are_decoded(page)
        page.keyboard.press("x")
        wait_until(page, "window.starts.length === 2")
        page.locator("#player-wave").press("End")
        expect(page.locator("#player")).not_to_have_class(re.compile("is-playing"))
        expect(page.locator("#player-wave")).to_have_attribute("aria-valuenow", "0")


def test_the_louder_one_is_turned_down_until_somebody_wants_the_originals(visit: Visit, song_id: str) -> None:
    with visit.context() as context:
        page = open_song(context, song_id, louder_by="6.0")
        play_until_both_are_decoded(page)
        page.keyboard.press("x")
        wait_until(page, "window.starts.length === 2")
        page.keyboard.press("x")
        page.keyboard.press("x")
        assert page.evaluate("window.faders.slice(-2)") == pytest.approx([0, 10 ** (-6 / 20)])
        switch = page.get_by_role("button", name="Same loudness", exact=True)
        expect(switch).to_have_attribute("aria-pressed", "true")
        switch.click()
        expect(switch).to_have_attribute("aria-pressed", "false")
        assert page.evaluate("window.faders.slice(-2)") == [0, 1]
        page.reload()
        expect(switch).to_have_attribute("aria-pressed", "false")


def test_what_is_decoded_is_let_go_of_when_another_song_plays(
    visit: Visit, studio: RunningStudio, song_id: str
) -> None:
    with visit.context() as context, studio.client(MUSICIAN) as client:
        another = client.post("/api/generations", json={"prompt": "Another one"}).json()["id"]
        studio.wait_for_state(client, another, "READY")
        page = open_song(context, song_id)
        play_until_both_are_decoded(page)
        page.keyboard.press("x")
        wait_until(page, "window.starts.length === 2")
        page.evaluate(
            """() => {
                window.stops = 0;
                const { stop } = AudioScheduledSourceNode.prototype;
                AudioScheduledSourceNode.prototype.stop = function () { window.stops += 1; return stop.call(this); };
            }"""
        )
        page.get_by_role("link", name="Neo-Apex, to the studio").click()
        other = page.locator(f"#generation-{another}")
        other.get_by_role("button", name="Play A").click()
        expect(other.get_by_role("button", name="Pause A")).to_be_visible()
        assert page.evaluate("window.stops") == 2


def test_one_of_two_is_kept_with_one_click_and_taken_back(page: Page, song_id: str) -> None:
    page.goto("/")
    card = page.locator(f"#generation-{song_id}")
    card.get_by_role("button", name="Keep B").press("Enter")
    kept = card.get_by_role("button", name="B is the keeper")
    expect(kept).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(kept).to_be_visible()
    kept.click()
    expect(card.get_by_role("button", name="Keep B")).to_have_attribute("aria-pressed", "false")


def part_of(page: Page) -> tuple[Locator, Locator]:
    return page.get_by_role("slider", name="The part begins"), page.get_by_role("slider", name="The part ends")


def test_a_part_is_looped_and_its_ends_are_sliders(visit: Visit, song_id: str) -> None:
    with visit.context() as context:
        page = open_song(context, song_id)
        page.get_by_role("button", name="Play A").click()
        page.keyboard.press("Space")
        page.locator("#player-wave").press("Home")
        page.locator("#main").focus()
        page.keyboard.press("Shift+L")
        begins, ends = part_of(page)
        expect(ends).to_have_attribute("aria-valuetext", "0:08")
        for _ in range(5):
            ends.press("ArrowLeft")
        begins.press("ArrowRight")
        expect(begins).to_have_attribute("aria-valuetext", "0:01")
        expect(ends).to_have_attribute("aria-valuetext", "0:03")
        page.get_by_role("button", name="Play", exact=True).click()
        for second in (2, 1, 2, 1):
            expect(page.locator("#player-wave")).to_have_attribute("aria-valuenow", str(second))
        page.get_by_role("button", name="Loop a part").click()
        expect(begins).to_be_hidden()
        expect(page.locator("#player-wave")).to_have_attribute("aria-valuenow", "4")


def test_decoded_variations_loop_the_same_part(visit: Visit, song_id: str) -> None:
    with visit.context() as context:
        page = open_song(context, song_id)
        play_until_both_are_decoded(page)
        page.keyboard.press("x")
        wait_until(page, "window.starts.length === 2")
        page.keyboard.press("Shift+L")
        wait_until(page, "window.starts.length >= 4")
        (_, _, loops, begin, end), other = page.evaluate("window.starts.slice(-2)")
        assert loops
        assert other[2:] == [loops, begin, end]
        assert end - begin == pytest.approx(8, abs=0.1)


def test_an_end_of_the_part_is_drawn_by_finger(visit: Visit, song_id: str) -> None:
    with visit.context(viewport=PHONE, has_touch=True) as context:
        page = open_song(context, song_id)
        page.get_by_role("button", name="Play A").tap()
        page.get_by_role("button", name="More of the player").tap()
        page.get_by_role("button", name="Loop a part").tap()
        _begins, ends = part_of(page)
        before = float(ends.get_attribute("aria-valuenow") or 0)
        box = ends.bounding_box()
        assert box is not None
        assert box["width"] >= 44
        track = page.locator(".player-track").bounding_box()
        assert track is not None
        page.mouse.move(box["x"] + 11, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(track["x"] + track["width"] * 0.9, box["y"] + 20, steps=4)
        page.mouse.up()
        assert float(ends.get_attribute("aria-valuenow") or 0) > before
