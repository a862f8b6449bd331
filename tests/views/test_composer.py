"""What the composer says and offers, as it is sent to a browser without JavaScript."""

import re

import pytest
from django.test import Client
from pytest_django import Settings

from studio.models import User
from studio.states import GenerationState as State
from tests import factories
from tests.views.test_starting import FORM, HTMX


def quoted(browser: Client, **typed: str) -> str:
    """The price line and all that comes with it."""
    answer = browser.post("/quote/", FORM | typed, headers=HTMX)
    assert answer.status_code == 200
    return answer.content.decode()


# --- Modes and reasons ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"mode": "describe"}, "Write a description."),
        ({"mode": "describe-tags"}, "Write a description; the tags go with it."),
        ({"mode": "describe-tags", "tags": "fado"}, "Write a description, or choose “Exact” for tags with lyrics."),
        ({"mode": "describe-lyrics", "lyrics": "x"}, "Write a description, or choose “Exact” for lyrics with tags."),
        ({"mode": "exact", "lyrics": "x"}, "Add at least one tag, or choose “Describe + my lyrics”."),
    ],
)
def test_what_is_missing_is_asked_for_among_the_fields_in_sight(
    browser: Client, typed: dict[str, str], said: str
) -> None:
    html = quoted(browser, prompt="", **typed)
    assert html.count(said) == 1
    assert "data-off" in html
    refused = browser.post("/generations/", FORM | {"prompt": ""} | typed)
    assert refused.status_code == 422
    assert said in refused.content.decode()


def test_every_mode_says_what_it_is_for(browser: Client) -> None:
    html = browser.get("/").content.decode()
    for mode in ("describe", "describe-tags", "describe-lyrics", "exact"):
        assert f'name="mode" value="{mode}"' in html
        assert re.search(rf'class="mode-note mode-note--{mode}">[A-Z]', html), mode


def test_all_that_stands_in_the_way_is_said_at_once(browser: Client, ada: User, settings: Settings) -> None:
    settings.NEOAPEX_USER_WAITING = 1
    factories.make_generation(person=ada)
    factories.freeze(ada)
    html = quoted(browser)
    reasons = re.search(r'<ul class="reasons"[^>]*>(.*?)</ul>', html, re.DOTALL)
    assert reasons is not None
    assert "as many songs waiting as you may" in reasons.group(1)
    assert "frozen" in reasons.group(1)


def test_a_song_that_would_have_to_wait_is_announced_and_allowed(browser: Client, ada: User, ben: User) -> None:
    assert "slots used" not in quoted(browser)
    for _ in range(2):
        factories.make_generation(person=ben, state=State.RUNNING)
    html = quoted(browser)
    assert "places at fal are all taken: yours will wait its turn." in html
    assert "data-off" not in html
    for _ in range(2):
        factories.make_generation(person=ada, state=State.SUBMITTED)
    assert "2 of 2 slots used: yours will wait." in quoted(browser)
