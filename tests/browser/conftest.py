"""A real browser at a real studio.

Where there is no Chromium the tests say so; NEOAPEX_BROWSER_TESTS=required insists.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from studio.management.commands.seed_demo import MUSICIAN
from tests.browser import scenes
from tests.journeys.stack import RunningStudio, running_studio

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 15_000


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Closed after this package: its event loop and Django's database calls can't share a thread."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        missing = "no Chromium on this machine: the browser tests did not run"
        assert os.environ.get("NEOAPEX_BROWSER_TESTS") != "required", missing
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--autoplay-policy=no-user-gesture-required", "--mute-audio"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def studio(chromium: Browser) -> Iterator[RunningStudio]:
    """One studio for all of these tests, with songs long enough to listen and slow enough to watch."""
    with running_studio(song_seconds=12, queue_seconds=0.3, run_seconds=1.2) as running:
        yield running


@pytest.fixture(scope="package")
def song_id(studio: RunningStudio) -> str:
    """A song with two variations."""
    with studio.client(MUSICIAN) as client:
        made = client.post("/api/generations", json={"prompt": "Two of a kind", "num_songs": 2}).json()
        return str(studio.wait_for_state(client, made["id"], "READY")["id"])


@pytest.fixture(scope="package")
def album(studio: RunningStudio, song_id: str) -> dict[str, str]:
    """A project with that song in it, and where to look at it."""
    with studio.client(MUSICIAN) as client:
        return scenes.make_album(client, client.get(f"/api/generations/{song_id}").json())


class Visit:
    """A person's browser: contexts logged in by the one-time link, and everything that the pages complained of."""

    def __init__(self, chromium: Browser, studio: RunningStudio) -> None:
        self._chromium = chromium
        self._studio = studio
        self.complaints: list[str] = []
        self._listening = True
        self._is_fresh = False

    @contextmanager
    def context(self, *, logged_in: bool = True, **options: object) -> Iterator[BrowserContext]:
        context = self._chromium.new_context(**{"viewport": WIDE, "base_url": self._studio.url, **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", self._listen)
        if logged_in:
            # The cookie is all that is wanted here: nobody looks at the page.
            answer = context.request.get(self._studio.login_link())
            assert answer.ok
            self._start_over(context, answer.text())
        yield context
        self.close(context)

    def _start_over(self, context: BrowserContext, page: str) -> None:
        """Once for each visit: what another test has typed is still there, as it should be."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        if not self._is_fresh and token:
            headers = {"Referer": self._studio.url}
            assert context.request.post("/draft/clear", form={"csrfmiddlewaretoken": token[1]}, headers=headers).ok
        self._is_fresh = True

    def close(self, window: BrowserContext | Page) -> None:
        """What is cut off by closing a window is nobody's fault."""
        self._listening = False
        window.close()
        self._listening = True

    def _listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self._note("error", f"{error.name}: {error.message}"))
        page.on("console", lambda said: self._note(said.type, said.text))

    def _note(self, kind: str, text: str) -> None:
        if self._listening and kind in ("error", "warning"):
            self.complaints.append(text)


@pytest.fixture
def visit(chromium: Browser, studio: RunningStudio) -> Iterator[Visit]:
    """No page may complain: neither of a script that failed nor of something that the security policy stopped."""
    started = Visit(chromium, studio)
    yield started
    assert started.complaints == []


@pytest.fixture
def page(visit: Visit) -> Iterator[Page]:
    """A page of the demo musician's."""
    with visit.context() as context:
        yield context.new_page()
