"""What was made already is offered for free; making it once more takes one click more, and says so."""

import re

import pytest
from django.test import Client

from studio.models import Generation, User
from studio.states import GenerationState as State
from tests import factories
from tests.views.test_composer import quoted
from tests.views.test_starting import FORM, HTMX

EXACT = FORM | {"mode": "exact", "tags": "fado", "lyrics": "A boat", "seed": "42", "seed_choice": "number"}


@pytest.fixture
def made(browser: Client) -> Generation:
    """Ada's, asked for in the form and ready."""
    browser.post("/generations/", EXACT)
    Generation.objects.update(
        state=State.READY, charged_micros=75_000, finished_at="2026-05-03T10:00Z", created_at="2026-05-03T10:00Z"
    )
    generation = Generation.objects.get()
    factories.make_track(generation, title="Fado, and a boat")
    return generation


def test_it_is_offered_with_its_day_a_link_and_what_a_new_one_costs(browser: Client, made: Generation) -> None:
    html = quoted(browser, **EXACT)
    assert f'href="/generations/{made.pk}/"' in html
    assert "“Fado, and a boat”, made on 3 May 2026" in html
    assert "Make it once more for $0.075" in html
    assert "It would be the same song again." in html
    assert "data-off" in html
    assert html.count("You have made exactly this already.") == 1


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_only_the_click_more_makes_it_again(browser: Client, made: Generation, headers: dict[str, str]) -> None:
    asked = EXACT | {"idempotency_key": "second"}
    refused = browser.post("/generations/", asked, headers=headers)
    html = refused.content.decode()
    assert refused.status_code == 409
    assert "A boat</textarea>" in html
    assert html.count("You have made exactly this already.") == 1
    assert Generation.objects.count() == 1
    ticked = re.search(r'name="once_more" value="([0-9a-f]{64})"', html)
    assert ticked is not None
    asked |= {"once_more": ticked[1]}
    assert "data-off" not in quoted(browser, **asked)
    assert browser.post("/generations/", asked, headers=headers).status_code in (201, 302)
    assert Generation.objects.count() == 2


def test_the_click_is_for_this_recipe_only(browser: Client, made: Generation) -> None:
    other = EXACT | {"seed": "43", "idempotency_key": "other"}
    browser.post("/generations/", other)
    Generation.objects.exclude(pk=made.pk).update(
        state=State.READY, charged_micros=75_000, finished_at="2026-05-04T10:00Z"
    )
    factories.make_track(Generation.objects.exclude(pk=made.pk).get())
    answer = browser.post("/generations/", other | {"once_more": made.recipe_digest, "idempotency_key": "third"})
    assert answer.status_code == 409


def test_a_described_song_is_said_to_come_out_otherwise(browser: Client, ada: User) -> None:
    asked = FORM | {"seed": "42", "seed_choice": "number"}
    browser.post("/generations/", asked)
    Generation.objects.update(state=State.READY, charged_micros=75_000, finished_at="2026-05-03T10:00Z")
    factories.make_track(Generation.objects.get())
    assert "a description is read anew each time" in quoted(browser, **asked)
    assert "free</b>" not in quoted(browser, **asked | {"seed_choice": "random"})


def test_somebody_elses_song_is_not_mentioned(ben_browser: Client, made: Generation) -> None:
    assert "made exactly this" not in quoted(ben_browser, **EXACT)


def test_the_click_is_not_part_of_a_draft(browser: Client, made: Generation) -> None:
    browser.post("/draft/", EXACT | {"once_more": made.recipe_digest})
    html = browser.get("/").content.decode()
    assert 'name="once_more"' in html
    assert not re.search(r'name="once_more"[^>]*checked', html)
