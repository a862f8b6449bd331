"""What the composer says and offers, as it is sent to a browser without JavaScript."""

import re

import pytest
from django.test import Client
from pytest_django import Settings

from studio.forms import ComposerForm, from_recipe
from studio.models import Generation, User
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


# --- Settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ({"seed_choice": "random", "seed": "7", "seed_last": "8"}, {"seed": None}),
        ({"seed_choice": "keep", "seed": "7", "seed_last": "8"}, {"seed": "8"}),
        ({"seed_choice": "keep", "seed": "7", "seed_last": ""}, {"seed": None}),
        ({"seed_choice": "number", "seed": " 7 ", "seed_last": "8"}, {"seed": "7"}),
        ({"seed": "7"}, {"seed": "7"}),
        ({"bpm": " Free "}, {"bpm": None}),
        ({"bpm": "AUTO"}, {"bpm": "auto"}),
        ({"bpm": ""}, {"bpm": "auto"}),
        ({"bpm": "96"}, {"bpm": 96}),
        ({"output_format": "mp3", "output_bit_rate": "192"}, {"output_bit_rate": 192}),
    ],
)
def test_a_setting_is_read_as_it_is_shown(typed: dict[str, str], asked: dict[str, object]) -> None:
    inputs = ComposerForm(FORM | typed).inputs()
    assert {name: inputs[name] for name in asked} == asked


@pytest.mark.parametrize("typed", [{"output_format": "wav", "output_bit_rate": "192"}, {"output_format": "mp3"}])
def test_a_bit_rate_is_sent_only_where_there_is_one(typed: dict[str, str]) -> None:
    assert "output_bit_rate" not in ComposerForm(FORM | typed).inputs()


def test_the_seed_of_the_last_song_is_offered_and_kept(browser: Client) -> None:
    assert "The first song draws one" in browser.get("/").content.decode()
    typed = FORM | {"seed_choice": "keep", "seed_last": ""}
    html = browser.post("/generations/", typed, headers=HTMX).content.decode()
    first = Generation.objects.get()
    assert f'name="seed_last" value="{first.seed}"' in html
    assert f'name="seed_last" value="{first.seed}"' in browser.get("/").content.decode()
    browser.post("/generations/", typed | {"seed_last": str(first.seed), "idempotency_key": "second"})
    assert set(Generation.objects.values_list("seed", flat=True)) == {first.seed}


def test_a_seed_that_is_out_of_sight_is_not_complained_of(browser: Client) -> None:
    html = quoted(browser, seed_choice="random", seed="12x")
    assert 'id="error-seed" class="field-error" hx-swap-oob="true"></div>' in html
    assert "data-off" not in html
    assert re.search(r'id="error-seed"[^>]*><p>', quoted(browser, seed_choice="number", seed="12x"))


def test_a_recipe_comes_back_as_it_was_asked_for(browser: Client) -> None:
    recipe = factories.make_recipe(bpm=None, output_format="mp3", output_bit_rate=320, vibe_strength=2.5)
    inputs = ComposerForm(from_recipe(recipe)).inputs()
    seed = inputs.pop("seed")
    assert str(recipe.pop("seed")) == seed
    assert inputs == recipe


def test_only_a_style_with_a_basis_is_given_a_vibe(browser: Client) -> None:
    typed = {"mode": "describe-tags", "tags": "drift phonk, warm"}
    html = quoted(browser, **typed)
    assert "Suits phonk: 3.0" in html
    assert 'data-vibe="3.0"' in html
    assert "Suits" not in quoted(browser, **typed | {"vibe_strength": "3"})
    assert "Suits" not in quoted(browser, **typed | {"mode": "describe"})
    assert "Suits" not in quoted(browser, mode="describe-tags", tags="fado, zz9")
