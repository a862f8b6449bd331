"""The library, projects and recipes as people use them: by mouse, by keyboard, without a script and by a link."""

import re
from collections.abc import Iterator
from itertools import count

import pytest
from playwright.sync_api import Page, Request, expect

from studio.management.commands.seed_demo import MUSICIAN
from tests.browser.conftest import PATIENCE_MS, PHONE, Visit
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)
NUMBERS = count(1)


@pytest.fixture(scope="module")
def shelf(studio: RunningStudio) -> Iterator[list[str]]:
    """Four tracks of a name that nothing else has, newest first: their ids."""
    word = f"zwieback{next(NUMBERS)}"
    with studio.client(MUSICIAN) as client:
        for songs in (2, 2):
            body = {"prompt": f"{word} for a choir", "num_songs": songs}
            made = client.post("/api/generations", json=body).json()
            studio.wait_for_state(client, made["id"], "READY")
        yield [item["id"] for item in client.get("/api/tracks", params={"q": word}).json()["items"]]


@pytest.fixture(autouse=True)
def tidy(studio: RunningStudio, shelf: list[str]) -> Iterator[None]:
    """As they were, whatever the test before did with them."""
    yield
    with studio.client(MUSICIAN) as client:
        for track_id in shelf:
            client.post(f"/api/tracks/{track_id}/restore-from-trash")
            body = {"title": "Zwieback1 for a choir", "rating": None, "favourite": False, "project": None}
            client.patch(f"/api/tracks/{track_id}", json=body).raise_for_status()


def here(page: Page, query: str = "q=zwieback") -> None:
    page.goto(f"/library/?{query}")
    expect(page.locator(".item")).to_have_count(4)


def test_what_is_looked_for_stays_in_the_address_back_forward_and_over_a_reload(page: Page) -> None:
    page.goto("/library/")
    page.get_by_role("searchbox").press_sequentially("zwieback", delay=20)
    expect(page).to_have_url(re.compile(r"/library/\?q=zwieback$"))
    expect(page.locator(".item")).to_have_count(4)
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.get_by_label("Favourites").check()
    expect(page).to_have_url(re.compile(r"\?q=zwieback&favourite=1$"))
    expect(page.get_by_text("Nothing found")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Nothing found")).to_be_visible()
    expect(page.get_by_label("Favourites")).to_be_checked()
    page.go_back()
    expect(page.locator(".item")).to_have_count(4)
    expect(page.get_by_label("Favourites")).not_to_be_checked()
    page.go_forward()
    expect(page.get_by_text("Nothing found")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    expect(page.get_by_role("searchbox")).to_have_value("")


def test_a_grid_shows_the_same_and_stays(page: Page) -> None:
    here(page)
    page.get_by_role("radio", name="Grid").check(force=True)
    expect(page.locator(".items--grid .item")).to_have_count(4)
    page.reload()
    expect(page.locator(".items--grid .item")).to_have_count(4)


def test_one_plays_and_is_rated_by_keys_alone(page: Page, shelf: list[str]) -> None:
    here(page)
    item = page.locator(f"#item-{shelf[1]}")
    item.locator("[data-play]").focus()
    page.keyboard.press("Space")
    expect(page.locator("#player.is-playing")).to_be_visible()
    page.locator("#main").focus()
    page.keyboard.press("4")
    expect(item.locator(".is-lit")).to_have_count(4)
    page.keyboard.press("f")
    expect(item.locator("[data-favourite]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("2")
    expect(item.locator(".is-lit")).to_have_count(2)
    page.reload()
    expect(item.locator(".is-lit")).to_have_count(2)
    # Where the focus is comes before what plays.
    other = page.locator(f"#item-{shelf[3]}")
    other.locator("[data-choose]").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("5")
    expect(other.locator(".is-lit")).to_have_count(5)
    other.locator("[data-stars='5']").click()
    expect(other.locator(".is-lit")).to_have_count(0)


def test_in_a_pair_one_and_two_still_switch(page: Page, song_id: str) -> None:
    page.goto("/")
    page.locator(f"#generation-{song_id}").get_by_role("button", name="Play A").click()
    page.locator("#main").focus()
    page.keyboard.press("2")
    expect(page.locator("#player")).to_have_attribute("data-letter", "B")


def test_a_title_is_changed_in_its_place_and_escape_leaves_it(page: Page, shelf: list[str]) -> None:
    here(page)
    item = page.locator(f"#item-{shelf[0]}")
    pencil = item.locator(".rename > summary")
    pencil.click()
    expect(item.get_by_label("Title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(item.get_by_label("Title")).to_be_hidden()
    expect(pencil).to_be_focused()
    pencil.click()
    expect(item.get_by_label("Title")).to_be_focused()
    page.keyboard.type("Toast for a choir")
    page.keyboard.press("Enter")
    expect(item.locator(".item-title")).to_have_text("Toast for a choir")
    page.goto("/library/?q=toast")
    expect(page.locator(".item")).to_have_count(1)


def test_a_range_is_chosen_with_shift_thrown_away_and_brought_back(page: Page, shelf: list[str]) -> None:
    here(page)
    boxes = page.locator("[data-choose]")
    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(page.locator("[data-count]")).to_have_text("3 chosen")
    page.locator("#chosen").get_by_role("button", name="Trash").click()
    expect(page.locator(".item")).to_have_count(1)
    toast = page.locator("#toast")
    expect(toast).to_contain_text("3 are in the trash.")
    toast.get_by_role("button", name="Undo").click()
    expect(page.locator(".item")).to_have_count(4)
    expect(toast).to_contain_text("3 are back.")
    # For a moment only.
    page.mouse.move(0, 0)
    expect(toast).to_be_empty()


def test_all_that_is_shown_becomes_a_favourite_and_moves(page: Page, studio: RunningStudio) -> None:
    with studio.client(MUSICIAN) as client:
        album = client.post("/api/projects", json={"title": "Breakfast"}).json()["id"]
    here(page)
    page.get_by_label("All shown").check()
    page.locator("#chosen").get_by_role("button", name="Favourite").click()
    expect(page.locator(".item [data-favourite][aria-pressed=true]")).to_have_count(4)
    page.get_by_label("Project to add to").select_option("Breakfast")
    page.locator("#chosen").get_by_role("button", name="Add").click()
    expect(page.locator(".item").get_by_role("link", name="Breakfast")).to_have_count(4)
    page.locator(".item").get_by_role("link", name="Breakfast").first.click()
    expect(page).to_have_url(re.compile(f"/projects/{album}/$"))
    expect(page.locator(".item")).to_have_count(4)
    with page.expect_download() as download:
        page.get_by_role("link", name="All of it as a ZIP").click()
    assert download.value.suggested_filename.endswith(".zip")
    page.locator("[data-choose]").first.click()
    page.get_by_label("Project to add to").select_option("No project")
    page.locator("#chosen").get_by_role("button", name="Add").click()
    expect(page.locator(".item")).to_have_count(3)


def test_what_is_chosen_comes_as_a_zip_and_two_recipes_are_compared(page: Page) -> None:
    here(page)
    boxes = page.locator("[data-choose]")
    boxes.nth(0).click()
    expect(page.get_by_role("button", name="Compare recipes")).to_be_disabled()
    boxes.nth(3).click()
    with page.expect_download() as download:
        page.locator("#chosen").get_by_role("button", name="ZIP").click()
    assert "2-songs" in download.value.suggested_filename
    page.get_by_role("button", name="Compare recipes").click()
    expect(page.get_by_role("heading", name="Two recipes")).to_be_visible()
    expect(page.locator(".diff-row--differs", has_text="Seed").locator("ins")).to_have_count(1)


def test_a_recipe_opens_beside_what_is_being_written_and_a_part_is_taken(page: Page, song_id: str) -> None:
    page.goto("/")
    page.locator("#prompt").fill("Half a thought")
    link = page.locator(f"#generation-{song_id}").get_by_role("link", name="Recipe")
    link.click()
    expect(page.locator("#drawer-title")).to_be_focused()
    expect(page.locator("#prompt")).to_have_value("Half a thought")
    page.keyboard.press("Escape")
    expect(page.locator("#drawer")).to_be_hidden()
    expect(link).to_be_focused()
    link.click()
    seed = page.locator("#drawer [data-copy]").get_attribute("data-copy")
    # At once: what was typed may not be with the server yet.
    page.locator("#prompt").fill("Half a thought, and more")
    page.locator("#drawer").get_by_role("link", name="Seed").click()
    expect(page.locator("#seed")).to_have_value(str(seed))
    expect(page.locator("#prompt")).to_have_value("Half a thought, and more")
    expect(page.locator("#drawer")).to_be_hidden()


def test_on_a_phone_a_recipe_is_a_page(visit: Visit, song_id: str) -> None:
    with visit.context(viewport=PHONE, has_touch=True) as context:
        page = context.new_page()
        page.goto("/#songs")
        page.locator(f"#generation-{song_id}").get_by_role("link", name="Recipe").tap()
        expect(page).to_have_url(re.compile(f"/generations/{song_id}/recipe/$"))
        expect(page.get_by_role("heading", level=1)).to_contain_text("Recipe")
        page.locator(".tabs").get_by_role("link", name="Library").tap()
        expect(page.get_by_role("heading", name="Library")).to_be_visible()
        expect(page.locator(".tabs [aria-current]")).to_have_text("Library")


def test_everything_works_without_a_script(visit: Visit, shelf: list[str]) -> None:
    with visit.context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/library/")
        page.get_by_role("searchbox").fill("zwieback")
        page.get_by_role("button", name="Show").click()
        expect(page.locator(".item")).to_have_count(4)
        item = page.locator(f"#item-{shelf[0]}")
        item.get_by_role("button", name="3 stars").click()
        expect(item.locator(".is-lit")).to_have_count(3)
        expect(page).to_have_url(re.compile("q=zwieback"))
        item.locator("[data-choose]").check()
        page.locator("#chosen").get_by_role("button", name="Trash").click()
        expect(page.locator(".messages")).to_contain_text("1 is in the trash.")
        expect(page.locator(".item")).to_have_count(3)


def test_a_stranger_listens_by_a_link_and_asks_for_previews_alone(
    visit: Visit, studio: RunningStudio, shelf: list[str]
) -> None:
    with studio.client(MUSICIAN) as client:
        album = client.post("/api/projects", json={"title": "For friends"}).json()["id"]
        client.patch(f"/api/tracks/{shelf[0]}", json={"project": album}).raise_for_status()
        link = client.post(f"/api/projects/{album}/links", json={}).json()
        asked: list[str] = []
        with visit.context(logged_in=False) as context:
            page = context.new_page()
            page.on("request", lambda request: asked.append(_path(request)))
            page.goto(link["path"])
            expect(page.get_by_role("heading", level=1)).to_contain_text("For friends")
            expect(page.locator(".item")).to_have_count(1)
            page.locator("[data-play]").click()
            expect(page.locator("#player.is-playing")).to_be_visible()
            expect(page.locator("[data-player-now]")).not_to_have_text("0:00")
            assert {path for path in asked if not path.startswith("/static/")} == {
                link["path"], f"{link['path']}tracks/{shelf[0]}/preview", f"{link['path']}tracks/{shelf[0]}/peaks"
            }  # fmt: skip
            client.delete(f"/api/projects/{album}/links/{link['id']}").raise_for_status()
            gone = page.request.get(f"{link['path']}tracks/{shelf[0]}/preview")
            assert gone.status == 404
            page.close()


def _path(request: Request) -> str:
    return re.sub(r"^https?://[^/]+", "", request.url)
