"""What was typed is there again: after a reload, on another device, and after logging in again; for nobody else."""

import re

import pytest
from django.test import Client

from studio import drafts
from studio.models import Draft, User
from tests import factories
from tests.views.test_starting import FORM, HTMX

TYPED = FORM | {
    "mode": "exact",
    "tags": "fado, lisbon",
    "lyrics": "[Verse]\nA boat",
    "seed_choice": "number",
    "seed": "9007199254740993",
    "seed_last": "7",
}


def test_what_was_typed_is_on_the_page_again(browser: Client) -> None:
    assert browser.post("/draft/", TYPED).status_code == 204
    html = browser.get("/").content.decode()
    assert 'value="exact" checked' in html
    assert 'value="number" checked' in html
    assert "[Verse]\nA boat</textarea>" in html
    for name in ("tags", "seed"):
        assert re.search(rf'name="{name}"[^>]*value="{TYPED[name]}"', html), name


def test_the_last_word_wins_and_there_is_one_draft_each(browser: Client, ada: User) -> None:
    browser.post("/draft/", TYPED)
    browser.post("/draft/", FORM | {"prompt": "Later"})
    assert Draft.objects.get().fields["prompt"] == "Later"
    assert "tags" not in drafts.read(ada)


def test_what_a_browser_wrote_earlier_and_sent_on_a_slower_way_changes_nothing(browser: Client, ada: User) -> None:
    def wrote(prompt: str, at: object, writer: str = "laptop") -> str:
        browser.post("/draft/", FORM | {"prompt": prompt, "draft_writer": writer, "draft_written_ms": str(at)})
        return drafts.read(ada)["prompt"]

    assert wrote("new", 1_000_000) == "new"
    assert wrote("older", 999_000) == "new"
    assert wrote("newest", 1_000_001) == "newest"
    assert wrote("elsewhere", 5, "phone") == "elsewhere"
    assert wrote("new", 1_000_000) == "new"
    assert wrote("the clock was set back", 900_000) == "the clock was set back"
    for nonsense in ("", "x", "-1", "9" * 30, "١"):
        assert wrote(f"at {nonsense}", nonsense) == f"at {nonsense}"


def test_neither_the_key_of_a_request_nor_a_token_is_kept(browser: Client) -> None:
    browser.post("/draft/", TYPED | {"csrfmiddlewaretoken": "x", "someone": "y"})
    kept = Draft.objects.get().fields
    assert kept == {name: TYPED[name] for name in TYPED if name not in ("idempotency_key", "seed_last")}
    first, second = (
        re.search(r'id="idempotency-key"[^>]*value="([^"]+)"', browser.get("/").content.decode()) for _ in range(2)
    )
    assert first is not None
    assert second is not None
    assert first[1] != second[1] != FORM["idempotency_key"]


def test_a_draft_is_its_owner_s_alone(browser: Client, ben_browser: Client) -> None:
    browser.post("/draft/", TYPED)
    assert "A boat" not in ben_browser.get("/").content.decode()
    ben_browser.post("/draft/clear")
    assert "A boat" in browser.get("/").content.decode()


def test_it_survives_logging_out(browser: Client, ada: User) -> None:
    browser.post("/draft/", TYPED)
    browser.logout()
    assert browser.post("/draft/", FORM | {"prompt": "A stranger's"}).status_code == 302
    browser.force_login(ada, "allauth.account.auth_backends.AuthenticationBackend")
    assert "A boat" in browser.get("/").content.decode()


def test_starting_over_leaves_an_empty_composer(browser: Client) -> None:
    browser.post("/draft/", TYPED)
    answer = browser.post("/draft/clear")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert "A boat" not in browser.get("/").content.decode()


def test_without_a_script_what_was_sent_is_kept(browser: Client) -> None:
    browser.post("/generations/", FORM)
    assert factories.PROMPT in browser.get("/").content.decode()
    browser.post("/generations/", FORM | {"prompt": "By a script", "idempotency_key": "second"}, headers=HTMX)
    assert Draft.objects.get().fields["prompt"] == factories.PROMPT


def test_what_is_asked_for_by_the_address_comes_before_the_draft(browser: Client) -> None:
    browser.post("/draft/", TYPED)
    assert "The kettle hums" in browser.get("/?example=1").content.decode()
    song = factories.make_song(recipe={"prompt": "Of a song"})
    assert "Of a song</textarea>" in browser.get(f"/?recipe={song.pk}").content.decode()
    for query in ("recipe=nonsense", "preset=nonsense", "preset=7"):
        assert "A boat" in browser.get(f"/?{query}").content.decode()


@pytest.mark.parametrize("text", ["\0", "\ud800", "\U0001f600" * 10_000])
def test_odd_characters_are_kept_as_far_as_the_database_can(browser: Client, text: str) -> None:
    body = "prompt=" + "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
    answer = browser.post("/draft/", body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 204
    assert browser.get("/").status_code == 200


def test_more_than_a_draft_holds_changes_nothing(browser: Client, ada: User) -> None:
    browser.post("/draft/", TYPED)
    assert browser.post("/draft/", TYPED | {"lyrics": "a" * drafts.MAX_CHARACTERS}).status_code == 413
    assert drafts.read(ada)["lyrics"] == TYPED["lyrics"]
