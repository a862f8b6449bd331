"""The player, the waveforms and the keys."""

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from studio.management.commands.seed_demo import MUSICIAN
from tests.browser.conftest import PATIENCE_MS, PHONE, WIDE, Visit
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)

# What the browser itself decodes of the preview of the first variation.
LISTEN = """async (id) => {
    const [track] = (await (await fetch(`/api/generations/${id}`)).json()).tracks;
    const bytes = await (await fetch(track.preview_url)).arrayBuffer();
    const audio = await new OfflineAudioContext(2, 44100, 44100).decodeAudioData(bytes);
    let peak = 0, squares = 0;
    for (const sample of audio.getChannelData(0)) {
        peak = Math.max(peak, Math.abs(sample));
        squares += sample * sample;
    }
    const rms = Math.sqrt(squares / audio.length);
    return {peak, rms, seconds: audio.duration, told_seconds: track.duration_seconds};
}"""


@pytest.fixture
def song(page: Page, song_id: str) -> Locator:
    page.goto(f"/generations/{song_id}/")
    card = page.locator(f"#generation-{song_id}")
    expect(card.get_by_role("slider")).to_have_count(2)
    return card


def position(page: Page) -> float:
    return float(page.locator("#player-wave").get_attribute("aria-valuenow") or -1)


def test_the_first_variation_plays_by_the_space_bar(page: Page, song: Locator) -> None:
    page.keyboard.press("Space")
    expect(page.locator("#player")).to_have_class(re.compile("is-playing"))
    expect(page.locator("#player")).to_have_attribute("data-letter", "A")
    expect(song.get_by_role("button", name="Pause A")).to_be_visible()
    page.keyboard.press("Space")
    expect(page.locator("#player")).not_to_have_class(re.compile("is-playing"))


def test_time_advances_while_it_plays_and_what_plays_is_no_silence(page: Page, song: Locator, song_id: str) -> None:
    song.get_by_role("button", name="Play A").click()
    expect(page.locator("#player-wave")).to_have_attribute("aria-valuenow", re.compile("^[2-9]$"))
    heard = page.evaluate(LISTEN, song_id)
    assert heard["seconds"] == pytest.approx(heard["told_seconds"], abs=0.2)
    assert heard["peak"] > 0.1
    assert heard["rms"] > 0.02


def test_a_switch_to_the_other_variation_keeps_the_place(page: Page, song: Locator) -> None:
    song.get_by_role("button", name="Play A").click()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#player-wave")).to_have_attribute("aria-valuenow", re.compile("^[567]$"))
    before = position(page)
    page.keyboard.press("x")
    expect(page.locator("#player")).to_have_attribute("data-letter", "B")
    expect(page.locator("#player")).to_have_class(re.compile("is-playing"))
    assert before <= position(page) <= before + 2
    page.keyboard.press("1")
    expect(page.locator("#player")).to_have_attribute("data-letter", "A")
    expect(page.get_by_role("button", name="A", exact=True)).to_have_attribute("aria-pressed", "true")


def test_the_waveform_is_a_slider_that_says_where_it_is(page: Page, song: Locator) -> None:
    slider = song.get_by_role("slider", name="Position in B")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^0:00 of 0:1\d$"))
    slider.focus()
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^0:05 of 0:1\d$"))
    slider.press("Shift+ArrowLeft")
    expect(slider).to_have_attribute("aria-valuenow", "4")
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "0")
    expect(page.locator("#player")).to_have_attribute("data-letter", "B")
    expect(page.locator("#player")).not_to_have_class(re.compile("is-playing"))


def test_a_click_on_a_waveform_plays_from_there(page: Page, song: Locator) -> None:
    wave = song.get_by_role("slider", name="Position in A").locator(".wave-paint")
    box = wave.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#player")).to_have_class(re.compile("is-playing"))
    assert 5 <= position(page) <= 8


def test_both_variations_are_drawn_from_peaks_and_no_audio_is_fetched_to_draw(visit: Visit, song_id: str) -> None:
    with visit.context() as context:
        page = context.new_page()
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(f"/generations/{song_id}/")
        expect(page.locator(".lane canvas").first).to_be_attached()
        page.wait_for_timeout(300)
        assert sum("/peaks" in url for url in fetched) == 2
        assert not [url for url in fetched if "/preview" in url or "/master" in url]


def test_the_player_goes_on_while_pages_change(page: Page, song: Locator) -> None:
    song.get_by_role("button", name="Play A").click()
    expect(page.locator("#player")).to_have_class(re.compile("is-playing"))
    page.evaluate("document.getElementById('player').dataset.mine = 'yes'")
    page.get_by_role("link", name="Budget", exact=True).first.click()
    expect(page.get_by_role("heading", level=1, name="Budget")).to_be_visible()
    expect(page).to_have_title("Budget · Neo-Apex")
    expect(page.locator("#player[data-mine]")).to_have_class(re.compile("is-playing"))
    page.go_back()
    expect(song).to_be_visible()
    expect(song.get_by_role("button", name="Pause A")).to_be_visible()
    expect(page.locator("#player[data-mine]")).to_have_count(1)


def test_a_reload_finds_the_same_song_at_the_same_place(page: Page, song: Locator) -> None:
    song.get_by_role("button", name="Play B").click()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#player-wave")).to_have_attribute("aria-valuenow", re.compile("^[567]$"))
    page.keyboard.press("Space")
    before = position(page)
    page.reload()
    expect(page.locator("#player")).to_be_visible()
    expect(page.locator("#player")).to_have_attribute("data-letter", "B")
    expect(page.locator("#player-wave")).to_have_attribute("aria-valuenow", f"{before:.0f}")
    expect(page.locator("#player")).not_to_have_class(re.compile("is-playing"))


def test_volume_mute_and_loop_have_keys_and_buttons(page: Page, song: Locator) -> None:
    song.get_by_role("button", name="Play A").click()
    page.keyboard.press("m")
    expect(page.get_by_role("button", name="Mute")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("m")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("slider", name="Volume")).to_have_value("0.9")
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Loop", exact=True)).to_have_attribute("aria-pressed", "true")


def test_keys_are_letters_while_somebody_types_and_can_be_switched_off(page: Page, song: Locator) -> None:
    song.get_by_role("button", name="Play A").click()
    expect(page.locator("#player")).to_have_class(re.compile("is-playing"))
    page.get_by_role("link", name="Neo-Apex, to the studio").click()
    page.locator("#prompt").click()
    page.keyboard.type("x mellow 1 ")
    expect(page.locator("#prompt")).to_have_value("x mellow 1 ")
    expect(page.locator("#player")).to_have_attribute("data-letter", "A")
    page.locator("#main").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.get_by_role("checkbox", name="Single keys are shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.locator("#main").focus()
    page.keyboard.press("x")
    expect(page.locator("#player")).to_have_attribute("data-letter", "A")


def test_i_opens_the_recipe_of_what_plays_and_space_still_pauses(
    page: Page, studio: RunningStudio, song_id: str
) -> None:
    with studio.client(MUSICIAN) as client:
        newer = client.post("/api/generations", json={"prompt": "Newer than what plays"}).json()["id"]
        studio.wait_for_state(client, newer, "READY")
    page.goto("/")
    page.locator(f"#generation-{song_id}").get_by_role("button", name="Play A").click()
    expect(page.locator("#player")).to_have_class(re.compile("is-playing"))
    page.locator("#main").focus()
    page.keyboard.press("i")
    expect(page.locator("#drawer a").first).to_have_attribute("href", f"/generations/{song_id}/")
    page.keyboard.press("Space")
    expect(page.locator("#player")).not_to_have_class(re.compile("is-playing"))
    page.keyboard.press("i")
    expect(page.locator("#drawer")).to_be_hidden()


def test_only_a_fold_turns_its_arrow(page: Page) -> None:
    page.goto("/")
    page.locator("#presets > summary").click()
    page.locator(".menu > summary").click()
    turned = "icon => getComputedStyle(icon).transform"
    assert page.locator("#presets > summary .icon").evaluate(turned) != "none"
    assert page.locator(".menu > summary .icon").evaluate(turned) == "none"


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("milliseconds", [95_000, 91_000, 12_300])
def test_the_ruler_goes_to_the_end_and_cuts_no_number_off(
    visit: Visit, song_id: str, size: dict[str, int], milliseconds: int
) -> None:
    with visit.context(viewport=size) as context:
        page = context.new_page()
        context.route(f"**/generations/{song_id}/", lambda route: longer(route, milliseconds))
        page.goto(f"/generations/{song_id}/")
        marks = page.locator(".axis.is-drawn span")
        expect(marks.first).to_be_visible()
        axis = page.locator(".axis").bounding_box()
        boxes = [mark.bounding_box() for mark in marks.all()]
        assert axis is not None
        assert all(box is not None and box["x"] + box["width"] <= axis["x"] + axis["width"] + 0.5 for box in boxes)
        starts = [box["x"] for box in boxes if box is not None]
        assert starts == sorted(starts)
        if milliseconds > 90_000:
            expect(marks.last).to_have_text("1:30")


def longer(route: Route, milliseconds: int) -> None:
    """The page of a song as if its tracks were of this length."""
    answer = route.fetch()
    route.fulfill(response=answer, body=re.sub(r'data-ms="\d+"', f'data-ms="{milliseconds}"', answer.text()))


def test_the_master_downloads_under_a_sensible_name(page: Page, song: Locator) -> None:
    with page.expect_download() as coming:
        song.get_by_role("link", name="Download WAV of A", exact=True).click()
    assert re.search(r"two-of-a-kind|Two of a kind", coming.value.suggested_filename, re.IGNORECASE)
    assert coming.value.suggested_filename.endswith(".wav")


def test_a_phone_has_the_player_above_its_tabs(visit: Visit, song_id: str) -> None:
    with visit.context(viewport=PHONE, has_touch=True) as context:
        page = context.new_page()
        page.goto("/")
        expect(page.locator("#prompt")).to_be_visible()
        expect(page.locator("#feed")).to_be_hidden()
        page.get_by_role("link", name="Songs", exact=True).tap()
        expect(page.locator("#feed")).to_be_visible()
        expect(page.locator("#prompt")).to_be_hidden()
        page.locator(f"#generation-{song_id}").get_by_role("button", name="Play A").tap()
        expect(page.locator("#player")).to_have_class(re.compile("is-playing"))
        player, tabs = page.locator("#player").bounding_box(), page.locator(".tabs").bounding_box()
        assert player is not None
        assert tabs is not None
        assert player["y"] + player["height"] <= tabs["y"] + 1
