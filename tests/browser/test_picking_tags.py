"""Tags in the composer: typed, completed, looked through, thrown and taken away, by keyboard, mouse and finger."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PATIENCE_MS, PHONE, Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)


def open_tags(page: Page) -> Locator:
    """The field, in the mode that shows it."""
    page.goto("/")
    page.get_by_role("radio", name="Describe + tags").check(force=True)
    tags = page.get_by_role("combobox", name="Tags")
    expect(tags).to_be_visible()
    return tags


def expect_tags(page: Page, *tags: str) -> None:
    """As chips, and as what is sent."""
    expect(page.locator(".chip-tag")).to_have_text(list(tags))
    expect(page.locator("input[name=tags]")).to_have_value(", ".join(tags))


def test_tags_are_completed_by_keyboard(page: Page) -> None:
    tags = open_tags(page)
    tags.press_sequentially("acoustic guit", delay=20)
    options = page.locator("#tags-list").get_by_role("option")
    expect(options.first).to_contain_text("acoustic guitar")
    expect(tags).to_have_attribute("aria-expanded", "true")
    marked = page.locator("#tags-list").get_by_role("option", selected=True)
    expect(marked).to_have_count(1)
    expect(tags).to_have_attribute("aria-activedescendant", str(marked.get_attribute("id")))
    tags.press("Enter")
    expect_tags(page, "acoustic guitar")
    expect(tags).to_have_value("")
    expect(options).to_have_count(0)
    expect(page.locator("#announcer")).to_have_text("Added: acoustic guitar")
    tags.press_sequentially("jazz", delay=20)
    expect(options.nth(1)).to_be_visible()
    second = options.nth(1).get_attribute("data-name")
    tags.press("ArrowDown")
    tags.press("Enter")
    expect_tags(page, "acoustic guitar", str(second))
    tags.press("Backspace")
    expect_tags(page, "acoustic guitar")
    expect(page.locator("#announcer")).to_have_text(f"Removed: {second}")
    expect(tags).to_be_focused()


def test_enter_in_the_field_never_asks_for_a_song(page: Page) -> None:
    tags = open_tags(page)
    page.locator("#prompt").fill("Nobody asked for me")
    tags.press("Enter")
    tags.press_sequentially("warm")
    tags.press("Enter")
    tags.press("Enter")
    expect_tags(page, "warm")
    page.wait_for_timeout(300)
    expect(page.locator(".card", has_text="Nobody asked for me")).to_have_count(0)


def test_an_unknown_tag_is_kept_marked_and_sent_on(page: Page) -> None:
    tags = open_tags(page)
    page.locator("#prompt").fill("With a tag of my own")
    tags.press_sequentially("zz9 of my own, warm, ", delay=10)
    expect_tags(page, "zz9 of my own", "warm")
    expect(page.locator("#tags-note")).to_have_text("Not in Sonauto’s list, may be refused or ignored: zz9 of my own")
    expect(page.locator(".chip-tag.is-unknown")).to_have_text("zz9 of my own")
    expect(page.get_by_role("button", name="Remove zz9 of my own, which is not in Sonauto’s list")).to_be_visible()
    expect(page.locator("#generate")).not_to_have_attribute("aria-disabled", "true")
    page.locator("#generate").click()
    song = page.locator(".card", has_text="With a tag of my own")
    expect(song).to_be_visible()
    song.get_by_role("link", name="Recipe").click()
    expect(page.locator("#drawer .recipe-list")).to_contain_text("zz9 of my own, warm")


def test_an_own_tag_is_the_last_choice_in_the_list(page: Page) -> None:
    tags = open_tags(page)
    tags.press_sequentially("jazzzy", delay=10)
    expect(page.locator("#tags-list").get_by_role("option").last).to_have_text("Add “jazzzy” all the same")
    tags.press("ArrowUp")
    tags.press("Enter")
    expect_tags(page, "jazzzy")


def test_what_is_pasted_becomes_tags(page: Page) -> None:
    tags = open_tags(page)
    tags.evaluate(
        """field => {
            const data = new DataTransfer();
            data.setData("text", "fado, Warm\\nfado\\npiano");
            field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        }"""
    )
    expect_tags(page, "fado", "Warm", "piano")


def test_related_tags_follow_what_is_chosen(page: Page) -> None:
    tags = open_tags(page)
    related = page.get_by_role("group", name="Tags that go with them")
    expect(related).to_be_hidden()
    tags.press_sequentially("dream pop,")
    first = related.get_by_role("button").first
    expect(first).to_have_text("alternative rock")
    first.click()
    expect_tags(page, "dream pop", "alternative rock")
    expect(first).not_to_have_text("alternative rock")
    expect(page.locator("[data-row] button:focus, #tags:focus")).to_have_count(1)


def test_groups_are_looked_through_by_keyboard_and_more_of_each(page: Page) -> None:
    open_tags(page)
    page.get_by_text("Browse tags").click()
    shelf = page.locator("[data-shelf]").get_by_role("button")
    expect(shelf).to_have_count(24)
    page.get_by_role("tab", name="Genre", exact=True).focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Mood")).to_be_focused()
    expect(page.get_by_role("tab", selected=True)).to_have_text("Mood")
    expect(page.get_by_role("tabpanel", name="Mood")).to_be_visible()
    expect(shelf.filter(has_text="warm").first).to_be_visible()
    page.get_by_role("button", name="More", exact=True).click()
    expect(shelf).to_have_count(48)
    warm = page.locator("[data-shelf] [data-name=warm]")
    warm.click()
    expect_tags(page, "warm")
    expect(warm).to_have_attribute("aria-pressed", "true")
    warm.click()
    expect_tags(page)
    expect(warm).to_have_attribute("aria-pressed", "false")


def test_the_dice_fill_what_is_open_and_leave_what_was_chosen(page: Page) -> None:
    tags = open_tags(page)
    tags.press_sequentially("jazz,")
    dice = page.get_by_role("button", name="Roll the dice")
    dice.click()
    expect(page.locator(".chip-tag")).to_have_count(4)
    expect(page.locator(".chip-tag").first).to_have_text("jazz")
    thrown = page.locator("input[name=tags]").input_value()
    for _ in range(5):
        dice.click()
        page.wait_for_timeout(150)
    expect(page.locator(".chip-tag")).to_have_count(4)
    assert page.locator("input[name=tags]").input_value() != thrown
    assert page.locator("input[name=tags]").input_value().startswith("jazz, ")


def test_a_finger_picks_and_removes_tags_on_a_phone(visit: Visit) -> None:
    with visit.context(viewport=PHONE, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        tags = open_tags(page)
        page.get_by_text("Browse tags").tap()
        piece = page.locator("[data-shelf] button").first
        name = piece.inner_text()
        piece.tap()
        expect_tags(page, name)
        tags.tap()
        tags.press_sequentially("pian", delay=20)
        page.locator("#tags-list").get_by_role("option", name=re.compile("^piano")).first.tap()
        expect_tags(page, name, "piano")
        page.get_by_role("button", name=f"Remove {name}", exact=True).tap()
        expect_tags(page, "piano")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_without_javascript_tags_go_by_commas_and_unknown_ones_are_named(visit: Visit) -> None:
    with visit.context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/")
        page.locator("[name=mode][value=describe-tags]").check(force=True)
        expect(page.get_by_text("separated by commas")).to_be_visible()
        expect(page.get_by_text("Roll the dice")).to_be_hidden()
        page.locator("#tags").fill("fado, zz9")
        page.locator("#generate").click()
        expect(page.locator("#tags-note")).to_contain_text("may be refused or ignored: zz9")
        expect(page.locator("#tags")).to_have_value("fado, zz9")
    visit.complaints[:] = [said for said in visit.complaints if "422" not in said]
