"""The composer's settings, drafts, saved recipes and offers, as they work in a browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, PHONE, Visit
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
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


# --- Drafts and saved recipes -----------------------------------------------------------------------------------------


def saved(page: Page) -> None:
    """Wait until the server has all that was typed."""
    expect(page.locator("#composer:not([data-unsaved])")).to_be_visible()


def test_a_draft_is_there_on_another_device_and_not_in_this_browser(page: Page, visit: Visit) -> None:
    page.goto("/")
    choose(page, "Describe + tags")
    page.locator("#prompt").fill("Begun on a laptop")
    page.get_by_role("combobox", name="Tags").fill("fado, lisbon")
    saved(page)
    assert "Begun on a laptop" not in page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    with visit.context(viewport=PHONE, has_touch=True) as phone:
        other = phone.new_page()
        other.goto("/")
        expect(other.locator("#prompt")).to_have_value("Begun on a laptop")
        expect(other.locator(".chip-tag")).to_have_text(["fado", "lisbon"])


def test_a_reload_right_after_a_key_loses_nothing(page: Page) -> None:
    page.goto("/")
    choose(page, "Describe it")
    for word in ("Faster", "than", "the server"):
        page.locator("#prompt").fill(word)
        page.reload()
        expect(page.locator("#prompt")).to_have_value(word)


def test_what_is_typed_offline_is_sent_when_the_network_is_back(page: Page, visit: Visit) -> None:
    page.goto("/")
    saved(page)
    page.context.set_offline(True)
    page.locator("#prompt").fill("Typed in a tunnel")
    page.wait_for_timeout(1_500)
    page.context.set_offline(False)
    saved(page)
    # A price that could not be asked for meanwhile is complained of by the page's library.
    visit.complaints.clear()
    page.evaluate("sessionStorage.clear()")
    page.reload()
    expect(page.locator("#prompt")).to_have_value("Typed in a tunnel")


def test_nobody_who_comes_after_finds_a_draft_on_a_shared_machine(
    page: Page, visit: Visit, studio: RunningStudio
) -> None:
    page.goto("/")
    saved(page)
    page.evaluate("localStorage.setItem('neoapex-1-draft', '{}')")
    page.route("**/draft/", lambda route: route.abort())
    page.locator("#prompt").fill("For my eyes only")
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
    page.wait_for_load_state("load")
    held = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "eyes only" not in held
    assert "draft" not in held
    page.unroute("**/draft/")
    page.goto(studio.login_link("admin"))
    page.goto("/")
    expect(page.locator("#prompt")).to_have_value("")
    visit.complaints[:] = [said for said in visit.complaints if "ERR_FAILED" not in said]


def test_a_recipe_is_saved_under_a_name_used_again_and_deleted(page: Page, visit: Visit) -> None:
    page.goto("/")
    choose(page, "Describe + tags")
    page.locator("#prompt").fill("Worth keeping")
    page.locator("#presets summary").click()
    name = page.get_by_role("textbox", name="Name of the recipe")
    name.fill("My bossa")
    name.press("Enter")
    expect(page.get_by_role("link", name="My bossa")).to_be_visible()
    expect(page.locator(".card", has_text="Worth keeping")).to_have_count(0)
    name.fill("my BOSSA")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#preset-refusal")).to_contain_text("You have a saved recipe of this name.")
    page.locator("#prompt").fill("Something else")
    saved(page)
    page.get_by_role("link", name="My bossa").click()
    expect(page.locator("#prompt")).to_have_value("Worth keeping")
    expect(page).to_have_url(re.compile(r"/$"))
    page.locator("#presets summary").click()
    page.get_by_role("button", name="Delete My bossa").click()
    expect(page.get_by_role("link", name="My bossa")).to_have_count(0)
    expect(page.locator("#presets summary")).to_be_focused()
    visit.complaints[:] = [said for said in visit.complaints if "422" not in said]


def test_starting_over_asks_and_then_clears_everything(page: Page) -> None:
    page.goto("/")
    page.locator("#prompt").fill("Soon gone")
    page.locator("#presets summary").click()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("#prompt")).to_have_value("Soon gone")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Start over").click()
    expect(page.locator("#prompt")).to_have_value("")
    page.reload()
    expect(page.locator("#prompt")).to_have_value("")


# --- Made already -----------------------------------------------------------------------------------------------------


def test_what_was_made_already_is_free_and_once_more_is_one_click_more(page: Page) -> None:
    page.goto("/?example=1")
    choose(page, "Number")
    page.get_by_role("button", name="New", exact=True).click()
    page.locator("[name=num_songs][value='1']").check(force=True)
    seed = page.locator("#seed").input_value()
    page.locator("#generate").click()
    mine = page.locator(f".card[data-seed='{seed}']")
    expect(mine).to_have_attribute("data-phase", "ready")
    offer = page.locator("[data-already]")
    expect(offer).to_contain_text("free")
    expect(page.locator("#generate")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#announcer")).to_contain_text("You have made exactly this already.")
    expect(mine).to_have_count(1)
    offer.get_by_role("checkbox", name="Make it once more for $0.075").check()
    expect(page.locator("#generate")).not_to_have_attribute("aria-disabled", "true")
    expect(offer.get_by_role("checkbox")).to_be_checked()
    page.locator("#generate").click()
    expect(mine).to_have_count(2)
    offer.get_by_role("link").click()
    expect(page).to_have_url(re.compile("/generations/"))
