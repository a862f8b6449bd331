"""The pictures of every page, as a run of its own; in the ordinary one some of them, to keep the command working."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from studio.management.commands.seed_demo import MUSICIAN
from tests.browser import retouch_scene, scenes, screenshots
from tests.browser.experiment_scene import make_judged_experiment
from tests.journeys.stack import RunningStudio, running_studio

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def gallery(chromium: Browser) -> Iterator[tuple[RunningStudio, dict[str, str]]]:
    """A studio with songs in every state, and where to find what it has."""
    with running_studio(song_seconds=48) as studio:
        made_from = retouch_scene.make(studio).paths
        scenes.make_heard_songs(studio)
        make_judged_experiment(studio)
        # From here on nobody works: what is laid stays as it is.
        studio.stop("beat")
        studio.stop("worker")
        studio.shell("from tests.browser import scenes; scenes.lay_other_states()")
        with studio.client(MUSICIAN) as client:
            songs = client.get("/api/generations", params={"state": "READY"}).json()["items"]
            album = scenes.make_album(client, next(song for song in songs if len(song["tracks"]) == 2))
        yield studio, album | dict(zip(screenshots.MADE_FROM, made_from, strict=True))


@pytest.mark.screenshots
def test_every_page_has_a_picture_in_both_sizes_and_themes(
    chromium: Browser, gallery: tuple[RunningStudio, dict[str, str]]
) -> None:
    studio, at = gallery
    made = screenshots.take(studio, chromium, screenshots.all_pictures(at))
    assert len(made) == len(set(made)) == len(list(screenshots.views(at))) * 4


def test_every_page_has_a_picture_and_what_is_done_on_it_works_in_both_sizes(
    chromium: Browser, gallery: tuple[RunningStudio, dict[str, str]], tmp_path: Path
) -> None:
    studio, at = gallery
    made = screenshots.take(studio, chromium, screenshots.some_pictures(at), tmp_path)
    views = list(screenshots.views(at))
    assert {path.name.rsplit("-", 2)[0] for path in made} == {view.name for view in views}
    assert len(made) == len(set(made)) == len(views) + sum(view.act is not None for view in views)
    assert set(made) == {path for path in tmp_path.iterdir() if path.stat().st_size}
    assert len({tuple(path.stem.rsplit("-", 2)[1:]) for path in made}) == 4
