"""Starting a song from the form: once for each click, and nothing typed is ever lost."""

import re
from typing import Any

import pytest
from django.test import Client
from limits import parse
from pytest_django import Settings

from ledger.models import Quota
from ledger.queries import balance
from studio.fal import breaker
from studio.fal.errors import AccountLocked
from studio.models import Generation, User
from tests import factories

HTMX = {"HX-Request": "true"}
FORM = {
    "mode": "describe",
    "prompt": factories.PROMPT,
    "vibe_strength": "2.0",
    "balance_strength": "0.7",
    "num_songs": "1",
    "output_format": "wav",
    "idempotency_key": "first",
}


def test_a_plain_form_makes_a_song_and_leads_to_its_card(browser: Client, ada: User) -> None:
    answer = browser.post("/generations/", FORM)
    generation = Generation.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/#generation-{generation.pk}"
    assert generation.recipe["prompt"] == factories.PROMPT
    assert balance(ada).held_micros == 75_000


def test_htmx_gets_the_card_a_new_key_the_price_and_the_budget(browser: Client) -> None:
    answer = browser.post("/generations/", FORM, headers=HTMX)
    html = answer.content.decode()
    assert answer.status_code == 201
    assert f'id="generation-{Generation.objects.get().pk}"' in html
    key = re.search(r'id="idempotency-key"[^>]*value="([^"]+)"[^>]*hx-swap-oob', html)
    assert key is not None
    assert key.group(1) != "first"
    assert "$9.925 left" in html
    assert html.count('hx-swap-oob="true"') >= 4


def test_the_same_key_twice_is_one_song(browser: Client) -> None:
    for _ in range(2):
        assert browser.post("/generations/", FORM).status_code == 302
    assert Generation.objects.count() == 1


def test_a_key_that_was_used_for_another_song_is_replaced(browser: Client) -> None:
    browser.post("/generations/", FORM)
    answer = browser.post("/generations/", FORM | {"prompt": "Something else"})
    assert answer.status_code == 409
    key = re.search(r'id="idempotency-key"[^>]*value="([^"]+)"', answer.content.decode())
    assert key is not None
    assert (
        browser.post("/generations/", FORM | {"prompt": "Something else", "idempotency_key": key.group(1)}).status_code
        == 302
    )
    assert Generation.objects.count() == 2


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_a_refused_form_keeps_every_typed_word_and_its_key(browser: Client, headers: dict[str, str]) -> None:
    typed = FORM | {
        "mode": "exact",
        "tags": "fado, lisbon",
        "lyrics": "[Verse]\nA boat",
        "bpm": "fast",
        "seed": "12x",
        "vibe_strength": "9",
    }
    answer = browser.post("/generations/", typed, headers=headers)
    html = answer.content.decode()
    assert answer.status_code == 422
    for name in ("tags", "bpm", "seed", "vibe_strength", "idempotency_key"):
        assert re.search(rf'name="{name}"[^>]*value="{typed[name]}"', html), name
    assert "[Verse]\nA boat</textarea>" in html
    # What is out of sight is kept as well.
    assert f"{factories.PROMPT}</textarea>" in html
    for name in ("bpm", "seed", "vibe_strength"):
        assert re.search(rf'id="error-{name}" class="field-error"><p>', html), name
    assert Generation.objects.count() == 0


def test_htmx_is_told_where_a_refusal_goes(browser: Client) -> None:
    answer = browser.post("/generations/", FORM | {"prompt": ""}, headers=HTMX)
    assert answer["HX-Retarget"] == "#composer"
    assert answer["HX-Reswap"] == "outerHTML"
    assert "<html" not in answer.content.decode()


def test_a_budget_that_is_too_small_is_a_402_with_the_reason(browser: Client, ada: User) -> None:
    Quota.objects.create(person=ada, monthly_micros=40_000)
    answer = browser.post("/generations/", FORM)
    assert answer.status_code == 402
    assert "$0.04" in answer.content.decode()
    assert Generation.objects.count() == 0


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_a_budget_that_is_too_small_is_said_once(browser: Client, ada: User, headers: dict[str, str]) -> None:
    Quota.objects.create(person=ada, monthly_micros=40_000)
    html = browser.post("/generations/", FORM, headers=headers).content.decode()
    reasons = re.search(r'<ul class="reasons"[^>]*>(.*?)</ul>', html, re.DOTALL)
    assert reasons is not None
    said = re.findall(r"<li>(.*?)</li>", reasons.group(1))
    assert len(said) == 1
    assert html.count(said[0]) == 1


def test_a_refused_value_is_explained_at_its_field_only(browser: Client) -> None:
    html = browser.post("/generations/", FORM | {"bpm": "900", "seed": "12x"}, headers=HTMX).content.decode()
    assert html.count("Use &quot;auto&quot;") == 1
    assert "Put right what is marked: BPM, Seed." in html


def test_a_text_that_is_missing_is_said_at_its_field_once_it_was_asked_for(browser: Client) -> None:
    html = browser.post("/generations/", FORM | {"prompt": ""}, headers=HTMX).content.decode()
    assert html.count("A song needs something to start from.") == 1


def test_a_bpm_of_zero_is_refused_like_any_other_bad_one(browser: Client) -> None:
    answer = browser.post("/generations/", FORM | {"bpm": "0"})
    assert answer.status_code == 422
    assert '<div id="error-bpm" class="field-error"><p>' in answer.content.decode()
    assert Generation.objects.count() == 0


@pytest.mark.parametrize(("name", "limit"), [("prompt", 2_000), ("lyrics", 10_000)])
def test_a_text_over_its_limit_is_kept_and_told_at_its_field(browser: Client, name: str, limit: int) -> None:
    assert "maxlength" not in browser.get("/").content.decode()
    typed = FORM | {"mode": "describe-lyrics", "lyrics": "La"} | {name: "a" * (limit + 1)}
    answer = browser.post("/generations/", typed)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert re.search(rf'<div id="error-{name}" class="field-error"><p>[^<]*longer than {limit} characters', html)
    assert "a" * (limit + 1) in html


def test_a_frozen_budget_is_a_403(browser: Client, ada: User) -> None:
    Quota.objects.create(person=ada, monthly_micros=10_000_000, frozen=True)
    answer = browser.post("/generations/", FORM, headers=HTMX)
    assert answer.status_code == 403
    assert "frozen" in answer.content.decode()
    assert answer["HX-Retarget"] == "#composer"


def test_too_many_in_line_is_a_429(browser: Client, settings: Settings) -> None:
    settings.NEOAPEX_USER_WAITING = 1
    browser.post("/generations/", FORM)
    answer = browser.post("/generations/", FORM | {"idempotency_key": "second"})
    assert answer.status_code == 429


@pytest.mark.parametrize(
    ("typed", "inputs"),
    [
        ({"mode": "describe", "tags": "fado", "lyrics": "x"}, {"tags": None, "lyrics": None}),
        ({"mode": "describe-tags", "tags": "fado, , lisbon"}, {"tags": ["fado", "lisbon"], "lyrics": None}),
        ({"mode": "describe-lyrics", "lyrics": ""}, {"prompt": factories.PROMPT, "lyrics": ""}),
        ({"mode": "exact", "tags": "fado", "lyrics": "x"}, {"prompt": None, "tags": ["fado"], "lyrics": "x"}),
        (
            {"bpm": "96", "seed": "9007199254740993", "num_songs": "2"},
            {"bpm": 96, "seed": 9_007_199_254_740_993, "num_songs": 2},
        ),
        ({"bpm": "", "vibe_strength": "2,5"}, {"bpm": "auto", "vibe_strength": 2.5}),
    ],
)
def test_the_mode_decides_what_is_sent(browser: Client, typed: dict[str, str], inputs: dict[str, Any]) -> None:
    assert browser.post("/generations/", FORM | typed).status_code == 302
    recipe = Generation.objects.get().recipe
    assert {name: recipe[name] for name in inputs} == inputs


def test_a_quote_names_the_price_and_what_is_missing_and_writes_nothing(browser: Client) -> None:
    answer = browser.post("/quote/", FORM | {"prompt": "", "num_songs": "2"}, headers=HTMX)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert "$0.1125" in html
    assert "$10.00" in html
    assert "$9.8875" in html
    assert "data-off" in html
    assert "A song needs something to start from." in html
    assert Generation.objects.count() == 0


def test_a_quote_says_what_is_wrong_at_its_field_and_points_to_it_at_the_button(browser: Client) -> None:
    html = browser.post("/quote/", FORM | {"bpm": "900"}, headers=HTMX).content.decode()
    assert re.search(r'id="error-bpm" class="field-error" hx-swap-oob="true"><p>', html)
    assert "Put right what is marked: BPM." in html.partition("</ul>")[0]
    assert html.count("Use &quot;auto&quot;") == 1


def test_a_quote_blames_no_field_that_nobody_has_come_to_yet(browser: Client) -> None:
    html = browser.post("/quote/", FORM | {"prompt": ""}, headers=HTMX).content.decode()
    assert "A song needs something to start from." in html.partition("</ul>")[0]
    assert 'id="error-prompt" class="field-error" hx-swap-oob="true"></div>' in html


def test_a_quote_without_reasons_leaves_the_button_on(browser: Client) -> None:
    assert "data-off" not in browser.post("/quote/", FORM, headers=HTMX).content.decode()


def test_the_form_needs_the_token_of_its_page(ada: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada, "allauth.account.auth_backends.AuthenticationBackend")
    assert strict.post("/generations/", FORM).status_code == 403
    assert Generation.objects.count() == 0


# --- Not just now -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_while_fal_is_out_of_reach_the_form_says_so_keeps_every_word_and_asks_again(
    browser: Client, ada: User, headers: dict[str, str]
) -> None:
    breaker.note(AccountLocked(provider_failed=True))
    answer = browser.post("/generations/", FORM, headers=headers)
    html = answer.content.decode()
    assert (answer.status_code, Generation.objects.count(), balance(ada).held_micros) == (503, 0, 0)
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert html.count("fal.ai is out of reach just now, so the studio takes no new songs.") == 1
    assert factories.PROMPT in html
    assert 'hx-trigger="load delay:15s"' in html
    assert ("HX-Reswap" in answer.headers) == bool(headers)
    breaker.close()
    html = browser.post("/quote/", FORM, headers=HTMX).content.decode()
    assert "out of reach" not in html
    assert "load delay" not in html
    assert browser.post("/generations/", FORM).status_code == 302, "with the same key, for nothing was started"


def test_songs_asked_for_too_fast_are_refused_in_friendly_words(browser: Client, settings: Settings) -> None:
    settings.NEOAPEX_USER_RATE = parse("1/minute")
    browser.post("/generations/", FORM)
    answer = browser.post("/generations/", FORM | {"idempotency_key": "second"}, headers=HTMX)
    html = answer.content.decode()
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert html.count("You are asking for songs faster than one person may.") == 1
    assert Generation.objects.count() == 1


def test_trying_again_while_fal_is_out_of_reach_is_refused_on_the_card(browser: Client) -> None:
    song = factories.make_generation(state="FAILED", reason_message="Because.")
    breaker.note(AccountLocked(provider_failed=True))
    answer = browser.post(f"/generations/{song.pk}/again", {"idempotency_key": "x"}, headers=HTMX)
    assert answer.status_code == 503
    assert "fal.ai is out of reach just now" in answer.content.decode()
    assert answer["Retry-After"]
    assert Generation.objects.count() == 1
