"""Takes a picture of every page in both sizes and both themes: `make screenshots`."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from tests.journeys.stack import RunningStudio

FOLDER = Path(__file__).resolve().parents[2] / "screenshots"
SIZES: dict[str, ViewportSize] = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
Theme = Literal["dark", "light"]
THEMES: tuple[Theme, ...] = ("dark", "light")


@dataclass(frozen=True, slots=True)
class View:
    """A page, and what is done on it before the picture."""

    name: str
    path: str
    act: Callable[[Page], object] | None = None
    who: Literal["studio", "admin", "stranger"] = "studio"
    whole: bool = False


# A view, the name of a size, and a theme.
Picture = tuple[View, str, Theme]
# The pages of what is made from a track.
MADE_FROM = ("choose-section", "extend", "lineage", "retouch")


def views(at: Mapping[str, str]) -> Iterator[View]:
    """`at` says where the pages are whose addresses nobody knows beforehand."""
    yield View("studio", "/")
    yield View("studio-example", "/?example=1", lambda page: page.locator("#lyrics").scroll_into_view_if_needed())
    yield View("studio-tags", "/?example=1", _complete)
    yield View("songs", "/#songs", whole=True)
    yield View("songs-playing", "/#songs", _play)
    yield View("refused", "/?example=1", _refuse)
    yield View("keys", "/", lambda page: page.keyboard.press("?"))
    yield View("song", at["song"], whole=True)
    yield View("library", "/library/")
    yield View("library-grid", "/library/?view=grid")
    yield View("library-chosen", "/library/", _choose)
    yield View("library-nothing", "/library/?q=zither&rating=5")
    yield View("recipe", at["recipe"], whole=True)
    yield View("recipe-beside", "/", _open_recipe)
    yield View("diff", at["diff"], whole=True)
    yield View("projects", "/projects/")
    yield View("project", at["project"], whole=True)
    yield View("shared", at["shared"], who="stranger")
    for name in MADE_FROM:
        yield View(name, at[name], whole=True)
    yield View("compare-settings", at["song"], _compare, whole=True)
    yield View("experiments", "/experiments/")
    yield View("experiment", "/experiments/", _open_experiment, whole=True)
    yield View("blind", "/experiments/", _listen_blind)
    yield View("reading", "/experiments/reading/vibe_strength/", whole=True)
    yield View("empty", "/#songs", who="admin")
    yield View("budget", "/budget/", whole=True)
    yield View("trash", "/trash/")
    yield View("tokens", "/account/tokens/")
    yield View("password", "/accounts/password/set/")
    yield View("email", "/accounts/email/")
    yield View("logout", "/accounts/logout/")
    yield View("not-found", "/nowhere/")
    yield View("login", "/accounts/login/", who="stranger")
    yield View("signup", "/accounts/signup/", who="stranger")
    yield View("password-reset", "/accounts/password/reset/", who="stranger")
    yield View("stale-link", "/welcome/?sesame=used", who="stranger")


def _complete(page: Page) -> None:
    page.locator("[data-browse] summary").click()
    page.locator("[data-shelf] button").first.wait_for()
    page.locator("#tags").press_sequentially("gu", delay=40)
    page.locator("#tags-list li").first.wait_for()


def _play(page: Page) -> None:
    lane = page.locator("[data-lanes]:has([data-track] ~ [data-track]) [data-play]").first
    lane.scroll_into_view_if_needed()
    lane.click()
    page.locator(".player.is-playing").wait_for()
    page.evaluate("document.querySelector('.lane.is-here .wave').scrollIntoView({block: 'center'})")
    page.keyboard.press("ArrowRight")


def _compare(page: Page) -> None:
    page.get_by_role("link", name="Compare settings").first.click()
    page.get_by_role("heading", name="Compare settings").wait_for()


def _open_experiment(page: Page) -> None:
    page.locator(".experiment-list a").first.click()
    page.locator("[data-voices]").wait_for()


def _listen_blind(page: Page) -> None:
    _open_experiment(page)
    under_way = page.get_by_role("link", name="Go on with it")
    page.get_by_role("button", name="Which do I prefer?").or_(under_way).click()
    page.get_by_role("heading", name="Which do you prefer?").wait_for()
    page.get_by_role("button", name="Hear 2").wait_for()


def _refuse(page: Page) -> None:
    page.locator("#bpm").fill("900")
    page.locator("#error-bpm p").wait_for()


def _choose(page: Page) -> None:
    for place in (0, 1):
        page.locator("[data-choose]").nth(place).click()


def _open_recipe(page: Page) -> None:
    if page.viewport_size == SIZES["phone"]:
        page.goto(page.url.rstrip("/") + "/#songs")
    page.locator("[data-drawer]").last.scroll_into_view_if_needed()
    # Older songs come as they come into sight, and would move what is to be pressed.
    page.wait_for_timeout(500)
    page.locator("[data-drawer]").last.click()
    page.get_by_text("Vibe Strength").last.wait_for()


def all_pictures(at: Mapping[str, str]) -> list[Picture]:
    """Every view in both sizes and themes."""
    return list(product(views(at), SIZES, THEMES))


def some_pictures(at: Mapping[str, str]) -> list[Picture]:
    """Every view once, but in both sizes where something is done on it, for each size has its own way to it."""
    looks = cycle(product(SIZES, THEMES))
    picked: list[Picture] = []
    for view in views(at):
        size, theme = next(looks)
        picked.append((view, size, theme))
        if view.act:
            picked.append((view, "phone" if size == "wide" else "wide", theme))
    return picked


def take(studio: RunningStudio, browser: Browser, pictures: list[Picture], folder: Path = FOLDER) -> list[Path]:
    """These pictures, in `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for who, size, theme in product(("studio", "admin", "stranger"), SIZES, THEMES):
        mine = [picture[0] for picture in pictures if (picture[0].who, *picture[1:]) == (who, size, theme)]
        if not mine:
            continue
        context = browser.new_context(viewport=SIZES[size], color_scheme=theme, has_touch=size == "phone")
        if who != "stranger":
            context.new_page().goto(studio.login_link(who))
        made += [_picture(context, studio.url, view, folder / f"{view.name}-{size}-{theme}.png") for view in mine]
        context.close()
    return made


def _picture(context: BrowserContext, url: str, view: View, path: Path) -> Path:
    page = context.new_page()
    page.goto(url + view.path)
    # The waveforms in sight are drawn when their peaks have come.
    page.wait_for_timeout(400)
    if view.act:
        view.act(page)
        page.wait_for_timeout(400)
    page.screenshot(path=path, full_page=view.whole, animations="disabled")
    page.evaluate("localStorage.clear(); sessionStorage.clear()")
    page.close()
    return path


if __name__ == "__main__":
    sys.exit(pytest.main(["-m", "screenshots", "-s", str(Path(__file__).parent)]))
