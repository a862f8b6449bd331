"""The composer's settings, drafts, saved recipes and offers, as they work in a browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE_MS)


def choose(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).check(force=True)


def test_the_seed_row_keeps_what_the_last_song_had(page: Page) -> None:
    page.goto("/?example=1")
    expect(page.locator("#seed")).to_be_hidden()
    choose(page, "Random")
    page.locator("#generate").click()
    expect(page.locator(".card").first).to_contain_text("reproducible")
    first = page.locator(".card").first.get_attribute("data-seed")
    choose(page, "Keep")
    expect(page.locator("#seed-last")).to_contain_text(str(first))
    choose(page, "Number")
    page.get_by_role("button", name="Last used").click()
    expect(page.locator("#seed")).to_have_value(str(first))


def test_sections_go_where_the_caret_is_and_what_is_sung_is_counted(page: Page) -> None:
    page.goto("/")
    choose(page, "Describe + my lyrics")
    lyrics = page.get_by_role("textbox", name="Lyrics")
    lyrics.fill("")
    for section, line in (("Verse", "A boat that never asks"), ("Pre-Chorus", "🎹")):
        page.get_by_role("button", name=section, exact=True).click()
        expect(lyrics).to_be_focused()
        page.keyboard.type(line)
    expect(lyrics).to_have_value("[Verse]\nA boat that never asks\n\n[Pre-Chorus]\n🎹")
    expect(page.locator("[data-lines]")).to_have_text("2 lines")
    expect(page.locator("[data-characters=lyrics]")).to_have_text("46 of 10,000 characters")
    lyrics.fill("a" * 10_001)
    expect(page.locator("[data-characters=lyrics]")).to_have_class(re.compile("is-over"))
    expect(page.locator("#error-lyrics")).to_contain_text("longer than 10000 characters")
    lyrics.fill("")


def test_a_style_suggests_a_vibe_and_never_takes_it_from_a_hand(page: Page) -> None:
    page.goto("/")
    choose(page, "Describe + tags")
    vibe = page.get_by_role("spinbutton", name="Vibe Strength")
    vibe.fill("2.2")
    page.get_by_role("combobox", name="Tags").fill("phonk,")
    expect(page.locator("#vibe-hint")).to_contain_text("Suits phonk: 3.0")
    expect(vibe).to_have_value("2.2")
    slider = page.get_by_role("slider", name="Vibe Strength")
    expect(slider).to_have_attribute("aria-valuetext", "2.2, balanced")
    page.get_by_role("button", name="Use it").click()
    expect(vibe).to_have_value("3.0")
    expect(slider).to_have_attribute("aria-valuetext", "3, crunchy, follows every word")
    expect(page.locator("#vibe-hint")).to_be_empty()


def test_a_bit_rate_is_asked_for_only_where_there_is_one(page: Page) -> None:
    page.goto("/")
    page.get_by_role("combobox", name="Format").select_option("WAV")
    expect(page.get_by_label("Bit rate")).to_be_hidden()
    page.get_by_role("combobox", name="Format").select_option("MP3")
    expect(page.get_by_label("Bit rate")).to_be_visible()
    page.get_by_role("combobox", name="Format").select_option("WAV")
