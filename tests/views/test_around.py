"""Everything around the songs: who gets in, budget, tokens, account and error pages, and the security policy."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries
from sesame.utils import get_query_string

from ledger import operations as ledger
from studio.models import AccessToken, User
from studio.states import GenerationState as State
from studio.views.context import budget_line
from tests import factories

HTMX = {"HX-Request": "true"}
MINE = ("/", "/budget/", "/account/tokens/", "/accounts/password/set/", "/accounts/email/", "/accounts/logout/")
NOBODYS = "00000000-0000-4000-8000-000000000001"
STRANGERS = (
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-set-password/",
    "/accounts/password/reset/key/done/",
)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/", "/budget/", "/account/tokens/", f"/generations/{NOBODYS}/", f"/generations/{NOBODYS}/card"]
)
def test_strangers_log_in_first_and_come_back(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer["Location"] == f"/accounts/login/?next={path}"


@pytest.mark.django_db
def test_a_fragment_for_a_stranger_moves_the_whole_page_to_the_login(client: Client) -> None:
    answer = client.post("/quote/", headers=HTMX | {"HX-Current-URL": "http://testserver/?example=1"})
    assert answer["HX-Redirect"] == "/accounts/login/?next=/%3Fexample%3D1"


@pytest.mark.parametrize("path", MINE)
def test_every_page_of_mine_is_there(browser: Client, path: str) -> None:
    assert browser.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/budget/", "/account/tokens/"])
def test_no_cache_keeps_what_is_mine(browser: Client, path: str) -> None:
    assert "no-store" in browser.get(path)["Cache-Control"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", STRANGERS)
def test_every_page_for_strangers_is_in_the_look_of_the_studio(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert b'class="wordmark"' in answer.content
    assert b'id="player"' not in answer.content


@pytest.mark.parametrize("path", [*MINE, "/?example=1", "/nowhere/"])
def test_no_page_needs_what_the_security_policy_forbids(browser: Client, path: str) -> None:
    for state in State.values:
        factories.make_generation(state=state)
    answer = browser.get(path, headers={"Accept": "text/html"})
    html = answer.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", html)
    assert not re.search(r"<[^>]+\sstyle=", html)
    assert not re.search(r"<[^>]+\son[a-z]+=", html)
    assert "hx-on" not in html
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]


def test_the_policy_admits_the_nonce_that_the_page_carries(browser: Client) -> None:
    answer = browser.get("/")
    nonce = re.search(r'name="csp-nonce" content="([^"]+)"', answer.content.decode())
    assert nonce is not None
    assert f"'nonce-{nonce.group(1)}'" in answer["Content-Security-Policy"]


def test_the_budget_line_is_empty_for_strangers_and_reads_nothing_until_it_is_shown(ada: User, browser: Client) -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    assert budget_line(request) == {}
    request.COOKIES["neoapex_session"] = "stale"
    assert not budget_line(request)["budget"]
    request.user = ada
    line = budget_line(request)["budget"]
    assert line.available_micros == 10_000_000  # type: ignore[attr-defined]


@pytest.mark.parametrize(("cookie", "theme"), [("dark", "dark"), ("light", "light"), ('"><b>', None), ("auto", None)])
def test_only_a_known_theme_is_drawn(browser: Client, cookie: str, theme: str | None) -> None:
    browser.cookies["neoapex_theme"] = cookie
    html = browser.get("/").content.decode()
    assert ("data-theme=" in html.partition(">\n<head")[0]) == (theme is not None)
    assert "<b>" not in html.partition("<head")[0]


# --- Messages ---


def test_a_message_takes_no_room_and_can_be_dismissed_without_a_script(browser: Client) -> None:
    song = factories.make_song()
    html = browser.post(f"/generations/{song.pk}/cancel", follow=True).content.decode()
    toast = re.search(r'<dialog class="messages" open[^>]*>(.*?)</dialog>', html, re.DOTALL)
    assert toast is not None
    assert '<ul role="status"><li>' in toast.group(1)
    assert '<form method="dialog"><button' in toast.group(1)


@pytest.mark.django_db
def test_coming_and_going_is_not_worth_a_message(client: Client, ada: User) -> None:
    ada.set_password("a-long-phrase-of-ada")
    ada.save()
    EmailAddress.objects.create(user=ada, email=ada.email, primary=True, verified=True)
    typed = {"login": ada.email, "password": "a-long-phrase-of-ada"}
    came = client.post("/accounts/login/", typed, follow=True)
    assert came.redirect_chain[-1][0] == "/"
    assert 'class="messages"' not in came.content.decode()
    gone = client.post("/accounts/logout/", follow=True)
    assert 'class="messages"' not in gone.content.decode()


# --- Budget ---


def test_the_budget_page_shows_every_entry_with_its_song(browser: Client, ada: User) -> None:
    song = factories.make_song(songs=2)
    failed = factories.make_generation(state=State.FAILED)
    html = browser.get("/budget/").content.decode()
    for words in ("Granted", "Set aside", "Charged", "Given back", "$9.8875", "$0.1125"):
        assert words in html
    assert f"/generations/{song.pk}/" in html
    assert f"/generations/{failed.pk}/" in html


def test_the_budget_page_links_each_entry_by_the_title_of_its_song(browser: Client, ada: User) -> None:
    factories.make_song(recipe={"prompt": "Glass harmonica at noon"})
    factories.make_generation(recipe={"prompt": None, "tags": ["fado", "lisbon"], "lyrics": ""})
    html = browser.get("/budget/").content.decode()
    titles = [title.strip() for title in re.findall(r'class="entry-song"[^>]*>([^<]*)</a>', html)]
    assert titles == ["fado, lisbon", "Glass harmonica at noon", "Glass harmonica at noon"]


def test_the_budget_page_asks_for_all_songs_at_once(
    browser: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    factories.make_song()
    with CaptureQueriesContext(connection) as one:
        browser.get("/budget/")
    for _ in range(3):
        factories.make_song()
    with django_assert_num_queries(len(one)):
        browser.get("/budget/")


def test_an_amount_has_the_sign_of_what_it_does_to_the_budget(browser: Client, ada: User) -> None:
    factories.make_song(songs=1)
    factories.make_generation(state=State.FAILED)
    html = browser.get("/budget/").content.decode()
    cells = r'entry-what">(\w[\w ]*)</td><td role="cell" class="amount figure">([^<]+)</td>'
    amounts = re.findall(cells, html)
    assert sorted(amounts) == [
        ("Charged", "\u2212$0.075"),
        ("Given back", "+$0.075"),
        ("Granted", "+$10.00"),
        ("Set aside", "$0.075"),
        ("Set aside", "$0.075"),
    ]


def test_a_month_that_is_none_is_not_there(browser: Client) -> None:
    assert browser.get("/budget/?month=2026-13").status_code == 404
    assert browser.get("/budget/?month=2026-01").status_code == 200


def test_entries_go_on_over_pages(browser: Client, ada: User) -> None:
    for number in range(60):
        ledger.hold(person=ada, amount_micros=1, reference=f"generation:{NOBODYS}-{number}")
    first = browser.get("/budget/").content.decode()
    more = re.search(r'href="(\?month=[^"]+cursor=\d+)"', first)
    assert more is not None
    second = browser.get("/budget/" + more.group(1).replace("&amp;", "&")).content.decode()
    assert first.count("<time") + second.count("<time") == 61


# --- Tokens ---


def test_a_token_is_shown_once_and_works(browser: Client, client: Client) -> None:
    answer = browser.post("/account/tokens/", {"name": "live coding", "scopes": ["read"]})
    raw = re.search(r"<code>(nxa_[^<]+)</code>", answer.content.decode())
    assert raw is not None
    assert answer.status_code == 201
    assert client.get("/api/credits/balance", headers={"Authorization": f"Bearer {raw.group(1)}"}).status_code == 200
    again = browser.get("/account/tokens/").content.decode()
    assert raw.group(1) not in again
    assert "live coding" in again


def test_a_token_without_a_name_is_not_made(browser: Client) -> None:
    answer = browser.post("/account/tokens/", {"name": "  ", "scopes": ["read"]})
    assert answer.status_code == 422
    assert "A token needs a name" in answer.content.decode()
    assert AccessToken.objects.count() == 0


def test_a_revoked_token_is_gone_and_nobody_elses_can_be_revoked(browser: Client, ben_browser: Client) -> None:
    browser.post("/account/tokens/", {"name": "old", "scopes": ["read"]})
    token = AccessToken.objects.get()
    assert ben_browser.post(f"/account/tokens/{token.pk}/revoke").status_code == 404
    assert browser.post(f"/account/tokens/{token.pk}/revoke").status_code == 302
    assert "old" not in browser.get("/account/tokens/").content.decode()


# --- The link that logs in ---


def test_a_login_link_works_once_and_leads_on(client: Client, ada: User) -> None:
    link = f"/welcome/{get_query_string(ada)}&next=/budget/"
    assert client.get(link)["Location"] == "/budget/"
    assert client.get("/").status_code == 200
    # Opened again by the same person it leads on; by anybody else it is used up.
    assert client.get(link)["Location"] == "/budget/"
    used = Client().get(link)
    assert used.status_code == 403
    assert "worked once already" in used.content.decode()


def test_a_login_link_never_leads_off_the_site(client: Client, ada: User) -> None:
    assert client.get(f"/welcome/{get_query_string(ada)}&next=https://evil.example/")["Location"] == "/"


# --- Errors ---


def test_an_address_that_is_not_there_says_so_in_the_look_of_the_studio(browser: Client) -> None:
    answer = browser.get("/nowhere/", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert b'class="wordmark"' in answer.content
    assert b"Request id" in answer.content


@pytest.mark.parametrize("name", ["400.html", "403.html", "404.html", "500.html", "error.html"])
def test_an_error_page_needs_no_request_and_no_database(name: str) -> None:
    assert "To the studio" in render_to_string(name)


def test_the_urls_that_others_rely_on_have_their_names() -> None:
    names = {
        "studio": "/",
        "start": "/generations/",
        "quote": "/quote/",
        "budget": "/budget/",
        "tokens": "/account/tokens/",
        "welcome": "/welcome/",
    }
    assert {name: reverse(name) for name in names} == names
