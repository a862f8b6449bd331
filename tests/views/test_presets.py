"""Saved recipes: saved under a name, used, deleted, and bounded."""

import re

import pytest
from django.test import Client

from studio import drafts, presets
from studio.errors import TooManyPresets
from studio.models import Preset, User
from tests.views.test_drafts import TYPED
from tests.views.test_starting import HTMX


def save(browser: Client, name: str, **more: str) -> str:
    return browser.post("/presets/", TYPED | {"preset_name": name} | more, headers=HTMX).content.decode()


def test_what_the_composer_holds_is_saved_used_and_deleted(browser: Client) -> None:
    html = save(browser, "  Fado \n nights ")
    preset = Preset.objects.get()
    assert preset.name == "Fado nights"
    assert f'href="/?preset={preset.pk}"' in html
    assert "<html" not in html
    used = browser.get(f"/?preset={preset.pk}").content.decode()
    assert "[Verse]\nA boat</textarea>" in used
    assert re.search(r'name="tags"[^>]*value="fado, lisbon"', used)
    assert "data-filled" in used
    html = browser.post(f"/presets/{preset.pk}/delete", headers=HTMX).content.decode()
    assert "Fado nights" not in html
    assert not Preset.objects.exists()


def test_without_a_script_the_last_draft_is_saved(browser: Client, ada: User) -> None:
    drafts.save(ada, {"prompt": "From the draft"})
    assert browser.post("/presets/", {"preset_name": "Plain"}).status_code == 302
    assert Preset.objects.get().fields == {"prompt": "From the draft"}
    assert browser.post(f"/presets/{Preset.objects.get().pk}/delete").status_code == 302
    assert not Preset.objects.exists()


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
@pytest.mark.parametrize(
    ("name", "said"),
    [("", "needs a name"), ("x" * 61, "1 to 60 characters"), ("FADO", "You have a saved recipe of this name.")],
)
def test_a_name_that_won_t_do_is_kept_with_the_reason(
    browser: Client, name: str, said: str, headers: dict[str, str]
) -> None:
    save(browser, "Fado")
    answer = browser.post("/presets/", TYPED | {"preset_name": name}, headers=headers)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert said in html
    assert f'value="{name}"' in html
    assert ("<html" in html) is (not headers)
    assert Preset.objects.count() == 1


def test_there_is_a_bound_and_deleting_one_makes_room(browser: Client, ada: User) -> None:
    Preset.objects.bulk_create(Preset(person=ada, name=f"n{n}", fields={}) for n in range(presets.MAX_PRESETS))
    with pytest.raises(TooManyPresets):
        presets.save(ada, "One more", {})
    assert "as many saved recipes as you may" in save(browser, "One more")
    presets.delete(ada, presets.of(ada)[0].pk)
    assert presets.save(ada, "One more", {}).pk


def test_more_than_a_preset_holds_is_refused(browser: Client) -> None:
    assert "more than can be saved" in save(browser, "Long", lyrics="a" * drafts.MAX_CHARACTERS)
    assert not Preset.objects.exists()


def test_somebody_elses_is_neither_listed_nor_used_nor_deleted(browser: Client, ben_browser: Client) -> None:
    save(browser, "Ada's own")
    preset = Preset.objects.get()
    assert "Ada" not in ben_browser.get("/").content.decode()
    assert "A boat" not in ben_browser.get(f"/?preset={preset.pk}").content.decode()
    assert ben_browser.post(f"/presets/{preset.pk}/delete").status_code == 404
    assert "Ada&#x27;s own" in save(ben_browser, "Ada's own"), "a name is taken for one person only"
    assert Preset.objects.count() == 2
