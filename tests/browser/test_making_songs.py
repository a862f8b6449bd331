"""From the composer to a song that is ready, as it looks in a browser."""

import re
from decimal import Decimal

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PATIENCE_MS, Visit
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)


def describe(page: Page, prompt: str, songs: int = 1) -> None:
    page.locator("#prompt").fill(prompt)
    page.locator(f"[name=num_songs][value='{songs}']").check()
    expect(page.locator("#generate-label")).to_contain_text("2 songs · $0.1125" if songs == 2 else "1 song · $0.075")
    expect(page.locator("#generate")).not_to_have_attribute("aria-disabled", "true")


def set_mood(studio: RunningStudio, **mood: object) -> None:
    """What fal does with the next songs."""
    httpx.post(f"{studio.sim.url}/_sim/moods", json=mood, trust_env=False).raise_for_status()


def left(page: Page) -> Decimal:
    text = page.locator("#budget-line .budget-left").inner_text()
    return Decimal(text.removeprefix("$").removesuffix(" left"))


def expect_left(page: Page, dollars: Decimal) -> None:
    digits = re.escape(f"{dollars:f}".rstrip("0").rstrip("."))
    expect(page.locator("#budget-line .budget-left")).to_have_text(re.compile(rf"\${digits}\.?0* left"))


def test_a_song_moves_through_its_states_until_it_is_ready_without_a_reload(page: Page, studio: RunningStudio) -> None:
    # Long enough for the look at fal that tells running from sent.
    set_mood(studio, run_seconds=8)
    page.goto("/")
    before = left(page)
    describe(page, "Glass harmonica at noon", songs=2)
    page.locator("#generate").click()
    song = page.locator(".card", has_text="Glass harmonica at noon")
    expect(song).to_have_attribute("data-phase", re.compile("waiting|sent|running"))
    expect(song.get_by_role("button", name="Cancel")).to_be_visible()
    expect_left(page, before - Decimal("0.1125"))
    expect(song).to_have_attribute("data-phase", "running")
    expect(song).to_have_attribute("data-phase", "ready")
    expect(song.get_by_role("slider")).to_have_count(2)
    expect(song.locator(".fact-money")).to_have_text("charged $0.1125")
    expect(page.locator("#announcer")).to_have_text("Glass harmonica at noon: Ready")
    expect(page).to_have_title(re.compile(r"^\(\d+\) Studio"))
    seen = song.locator(".facts").inner_text()
    page.reload()
    expect(song).to_have_attribute("data-phase", "ready")
    assert song.locator(".facts").inner_text() == seen


@pytest.mark.slow
def test_a_reload_in_any_state_shows_the_same_and_goes_on(page: Page, studio: RunningStudio) -> None:
    set_mood(studio, queue_seconds=2, run_seconds=6)
    page.goto("/")
    describe(page, "Reload me in every state")
    page.locator("#generate").click()
    song = page.locator(".card", has_text="Reload me in every state")
    for phase in ("sent", "running", "ready"):
        expect(song).to_have_attribute("data-phase", phase)
        facts = song.locator(".facts").inner_text()
        page.reload()
        expect(song).to_have_attribute("data-phase", phase)
        assert song.locator(".facts").inner_text() == facts


@pytest.mark.slow
def test_what_was_typed_is_still_there_after_generating_so_that_it_can_be_changed(page: Page) -> None:
    page.goto("/")
    describe(page, "Kora and snow")
    key = page.locator("#idempotency-key").input_value()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".card", has_text="Kora and snow")).to_be_visible()
    expect(page.locator("#prompt")).to_have_value("Kora and snow")
    expect(page.locator("#idempotency-key")).not_to_have_value(key)


def test_a_double_click_makes_one_song(page: Page, studio: RunningStudio) -> None:
    page.goto("/")
    describe(page, "Only one of me")
    page.locator("#generate").dblclick()
    song = page.locator(".card", has_text="Only one of me")
    expect(song).to_have_attribute("data-phase", "ready")
    expect(song).to_have_count(1)
    with studio.client() as client:
        made = [
            row
            for row in client.get("/api/generations").json()["items"]
            if row["recipe"].get("prompt") == "Only one of me"
        ]
    assert len(made) == 1


def test_typed_words_survive_a_reload(page: Page) -> None:
    page.goto("/")
    page.get_by_role("radio", name="Exact: tags + lyrics").check(force=True)
    page.locator("#tags").fill("fado, lisbon")
    page.locator("#lyrics").fill("[Verse]\nA boat that never asks")
    page.get_by_role("radio", name="Number").check(force=True)
    page.locator("#seed").fill("9007199254740993")
    page.locator("#vibe_strength").fill("2.7")
    page.reload()
    expect(page.locator("[name=mode]:checked")).to_have_value("exact")
    expect(page.locator("[name=tags]")).to_have_value("fado, lisbon")
    expect(page.locator("#lyrics")).to_have_value("[Verse]\nA boat that never asks")
    expect(page.locator("#seed")).to_have_value("9007199254740993")
    expect(page.get_by_role("slider", name="Vibe Strength")).to_have_value("2.7")


@pytest.mark.slow
def test_a_new_seed_has_more_digits_than_a_javascript_number_keeps(page: Page) -> None:
    page.goto("/")
    page.get_by_role("radio", name="Number").check(force=True)
    seen = set()
    for _ in range(5):
        page.locator("[data-seed-new]").click()
        seen.add(int(page.locator("#seed").input_value()))
    assert len(seen) == 5
    assert any(seed != int(float(seed)) for seed in seen)
    assert all(0 <= seed < 2**63 for seed in seen)


@pytest.mark.slow
def test_a_wrong_value_is_named_at_its_field_and_the_button_points_to_it(page: Page) -> None:
    page.goto("/")
    describe(page, "Tempo of a hummingbird")
    page.locator("#bpm").fill("900")
    expect(page.locator("#error-bpm")).to_contain_text("20 to 300")
    expect(page.locator("#bpm")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#generate")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#price .reasons")).to_have_text("Put right what is marked: BPM.")
    page.locator("#generate").click(force=True)
    expect(page.locator("#announcer")).to_have_text("Put right what is marked: BPM.")
    expect(page.locator("#bpm")).to_be_focused()
    expect(page.locator(".card", has_text="Tempo of a hummingbird")).to_have_count(0)
    page.locator("#bpm").fill("120")
    expect(page.locator("#error-bpm")).to_be_empty()
    expect(page.locator("#generate")).not_to_have_attribute("aria-disabled", "true")


@pytest.mark.slow
def test_a_refused_form_is_announced_and_copies_no_style_that_the_policy_forbids(page: Page, visit: Visit) -> None:
    page.goto("/")
    # As a person leaves it who pulls at its corner.
    page.locator("#prompt").evaluate("field => { field.style.height = '12rem'; }")
    page.locator("#prompt").fill("Taller than before")
    page.locator("#bpm").fill("0")
    # Sooner than the quote that would hold it back.
    page.keyboard.press("Control+Enter")
    expect(page.locator("#error-bpm")).to_contain_text("20 to 300")
    expect(page.locator("#announcer")).to_have_text("Put right what is marked: BPM.")
    expect(page.locator("#prompt")).to_have_value("Taller than before")
    page.wait_for_timeout(100)
    visit.complaints[:] = [said for said in visit.complaints if "422" not in said]


def test_a_message_leaves_the_button_in_sight_until_it_is_dismissed(page: Page) -> None:
    page.goto("/")
    before = page.locator("#generate").bounding_box()
    page.evaluate(
        """() => {
            const toast = document.createElement("dialog");
            toast.className = "messages";
            toast.open = true;
            toast.innerHTML = "<ul><li>Done</li></ul><form method=dialog><button>Dismiss</button></form>";
            document.querySelector(".studio").prepend(toast);
        }"""
    )
    toast = page.locator("dialog.messages")
    expect(toast).to_be_visible()
    assert page.locator("#generate").bounding_box() == before
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_be_hidden()


def test_the_mode_shows_the_texts_that_it_takes(page: Page) -> None:
    page.goto("/")
    shown = {
        "describe": "prompt",
        "describe-tags": "prompt tags",
        "describe-lyrics": "prompt lyrics",
        "exact": "tags lyrics",
    }
    for mode, names in shown.items():
        page.locator(f"[name=mode][value={mode}]").check(force=True)
        for name in ("prompt", "tags", "lyrics"):
            assert page.locator(f"#{name}").is_visible() == (name in names.split()), (mode, name)


@pytest.mark.slow
def test_a_failure_says_why_and_that_nothing_was_charged(page: Page, studio: RunningStudio) -> None:
    page.goto("/")
    before = left(page)
    set_mood(studio, fail="content_policy_violation")
    describe(page, "A refused anthem")
    page.locator("#generate").click()
    song = page.locator(".card", has_text="A refused anthem")
    expect(song).to_have_attribute("data-phase", "failed")
    expect(song.locator(".ended-money")).to_contain_text("Nothing was charged: $0.075 is back")
    assert left(page) == before
    expect(song.locator(".whose")).not_to_be_empty()
    song.get_by_role("button", name="Try again · $0.075").click()
    again = page.locator(".card[data-phase=ready]", has_text="A refused anthem")
    expect(again).to_have_count(1)
    assert again.get_attribute("data-seed") == song.last.get_attribute("data-seed")


def test_a_waiting_song_can_be_cancelled(page: Page, studio: RunningStudio) -> None:
    page.goto("/")
    before = left(page)
    # Two places at fal: the third has to wait.
    set_mood(studio, run_seconds=4, next=2)
    for number in ("one", "two", "three"):
        describe(page, f"In line {number}")
        page.locator("#generate").click()
        expect(page.locator(".card", has_text=f"In line {number}")).to_be_visible()
    song = page.locator(".card", has_text="In line three")
    expect(song).to_contain_text("Waiting, #1")
    song.get_by_role("button", name="Cancel").click()
    expect(song).to_have_attribute("data-phase", "cancelled")
    expect(song.locator(".ended-money")).to_contain_text("Nothing was charged")
    expect_left(page, before - Decimal("0.15"))


@pytest.mark.slow
def test_an_answer_that_the_stream_overtook_still_finds_its_place(page: Page, studio: RunningStudio) -> None:
    """The card says cancelled before the click's own answer is there, which brings the budget line too."""
    page.goto("/")
    before = left(page)
    set_mood(studio, run_seconds=30, queue_seconds=30)
    describe(page, "Overtaken by events")
    page.locator("#generate").click()
    song = page.locator(".card", has_text="Overtaken by events")
    expect(song).to_have_attribute("data-phase", "sent")

    def answer_late(route: Route) -> None:
        answer = route.fetch()
        page.wait_for_timeout(1500)
        route.fulfill(response=answer)

    page.route("**/cancel", answer_late)
    song.get_by_role("button", name="Cancel").click()
    expect(song).to_have_attribute("data-phase", "cancelled")
    expect_left(page, before)


@pytest.mark.slow
def test_a_song_appears_in_every_tab_with_one_stream_for_all(visit: Visit, studio: RunningStudio) -> None:
    with visit.context() as context:
        first, second = context.new_page(), context.new_page()
        streams: list[str] = []
        context.on("request", lambda request: streams.append(request.url) if "/api/events" in request.url else None)
        first.goto("/")
        second.goto("/")
        describe(second, "Seen from two windows")
        second.locator("#generate").click()
        for tab in (first, second):
            expect(tab.locator(".card", has_text="Seen from two windows")).to_have_attribute("data-phase", "ready")
            expect(tab.locator(".card", has_text="Seen from two windows")).to_have_count(1)
        assert len(streams) == 1
        visit.close(first)
        describe(second, "Seen from the one that is left")
        second.locator("#generate").click()
        expect(second.locator(".card", has_text="Seen from the one that is left")).to_have_attribute(
            "data-phase", "ready"
        )


@pytest.mark.slow
def test_without_a_stream_the_page_says_so_and_looks_by_itself(visit: Visit) -> None:
    with visit.context() as context:
        context.route("**/api/events", lambda route: route.abort())
        page = context.new_page()
        page.goto("/")
        expect(page.locator("#live-status")).to_contain_text("Live updates are paused")
        describe(page, "Found by looking")
        page.locator("#generate").click()
        expect(page.locator(".card", has_text="Found by looking")).to_have_attribute(
            "data-phase", "ready", timeout=30_000
        )
    visit.complaints[:] = [said for said in visit.complaints if "ERR_FAILED" not in said]


def test_the_same_works_without_javascript(visit: Visit) -> None:
    with visit.context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/")
        page.locator("#prompt").fill("Plain as bread")
        page.locator("#generate").click()
        song = page.locator(".card", has_text="Plain as bread")
        expect(song).to_be_visible()
        for _ in range(60):
            if song.get_attribute("data-phase") == "ready":
                break
            page.wait_for_timeout(250)
            page.reload()
        expect(song.locator("audio[controls]")).to_have_attribute("aria-label", "Plain as bread, A")
        page.locator("[name=mode][value=describe-lyrics]").check(force=True)
        expect(page.locator("#lyrics")).to_be_visible()
        page.locator("#bpm").fill("fast")
        page.locator("#prompt").fill("Nothing typed is lost")
        page.locator("#generate").click()
        expect(page.locator("#error-bpm")).to_contain_text("20 to 300")
        expect(page.locator("#prompt")).to_have_value("Nothing typed is lost")
    visit.complaints[:] = [said for said in visit.complaints if "422" not in said]
