"""The pictures of every page, as a run of its own."""

import pytest
from playwright.sync_api import Browser

from studio.management.commands.seed_demo import MUSICIAN
from tests.browser import scenes, screenshots
from tests.journeys.stack import running_studio

pytestmark = [pytest.mark.slow, pytest.mark.screenshots, pytest.mark.timeout(600)]


def test_every_page_has_a_picture_in_both_sizes_and_themes(chromium: Browser) -> None:
    with running_studio(song_seconds=48) as studio:
        scenes.make_heard_songs(studio)
        # From here on nobody works: what is laid stays as it is.
        studio.stop("beat")
        studio.stop("worker")
        studio.shell("from tests.browser import scenes; scenes.lay_other_states()")
        with studio.client(MUSICIAN) as client:
            songs = client.get("/api/generations", params={"state": "READY"}).json()["items"]
        song_id = next(song["id"] for song in songs if len(song["tracks"]) == 2)
        made = screenshots.take(studio, chromium, song_id)
    assert len(made) == len(set(made)) == len(list(screenshots.views(song_id))) * 4
