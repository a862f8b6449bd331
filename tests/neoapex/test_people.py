"""Who may come in: sessions, personal tokens, login links, and what strangers can find out."""

import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from studio import people, tokens
from studio.management.commands.seed_demo import login_path
from studio.models import AccessToken, User
from tests.neoapex.shapes import assert_structured

HTML = {"Accept": "text/html"}
PASSWORD = "a waltz for upright piano"
BALANCE = "/api/credits/balance"


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": value}


def test_a_token_lets_its_owner_in_until_it_is_revoked(stranger: Client, ada: User) -> None:
    token, raw = tokens.create(ada, "laptop")
    assert stranger.get(BALANCE, headers=bearer(f"Bearer {raw}")).status_code == 200
    assert stranger.get(BALANCE, headers=bearer(f"bearer {raw}")).status_code == 200
    tokens.revoke(ada, token.pk)
    for method in ("get", "post"):
        path = BALANCE if method == "get" else "/api/quotes"
        answer = getattr(stranger, method)(path, headers=bearer(f"Bearer {raw}"))
        assert_structured(answer, 401, "unauthenticated")


def test_a_deactivated_person_is_a_stranger_to_browser_and_program(
    browser: Client, stranger: Client, ada: User
) -> None:
    _token, raw = tokens.create(ada, "laptop")
    assert browser.get(BALANCE).status_code == 200
    people.deactivate(ada, author=User.objects.create_superuser("boss@example.com"), reason="left")
    assert_structured(browser.get(BALANCE), 401, "unauthenticated")
    assert_structured(stranger.get(BALANCE, headers=bearer(f"Bearer {raw}")), 401, "unauthenticated")
    assert browser.get("/", headers=HTML).headers["Location"].startswith("/accounts/login/")


def test_a_token_is_kept_as_a_hash_and_notes_its_use(stranger: Client, ada: User) -> None:
    token, raw = tokens.create(ada, "laptop")
    stranger.get(BALANCE, headers=bearer(f"Bearer {raw}"))
    token.refresh_from_db()
    assert token.last_used_at
    assert token.last_used_at <= timezone.now()
    assert raw not in str(AccessToken.objects.filter(pk=token.pk).values())
    assert raw.startswith(token.hint)


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Bearer x", "Bearer nxa_", "Bearer nxa_\xff\xfe", "Bearer nxa_" + "a" * 5000,
     "Token {raw}", "Basic {raw}", "{raw}", "Bearer  {raw}x", "Bearer {raw}\0", "Bearer {half}"],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_rubbish_in_place_of_a_token_lets_nobody_in(stranger: Client, ada: User, value: str) -> None:
    _token, raw = tokens.create(ada, "laptop")
    answer = stranger.get(BALANCE, headers=bearer(value.format(raw=raw, half=raw[:20])))
    assert_structured(answer, 401, "unauthenticated")


def test_a_token_in_the_address_is_ignored(stranger: Client, ada: User) -> None:
    _token, raw = tokens.create(ada, "laptop")
    for query in (f"token={raw}", f"access_token={raw}", f"authorization=Bearer%20{raw}", f"sesame={raw}"):
        assert_structured(stranger.get(f"{BALANCE}?{query}"), 401)


def test_a_token_is_for_programs_and_opens_no_page(program: Client) -> None:
    answer = program.get("/")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/login/")


def test_a_deactivated_person_is_out_at_once(stranger: Client, browser: Client, ada: User) -> None:
    _token, raw = tokens.create(ada, "laptop")
    assert browser.get("/").status_code == 200
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert_structured(stranger.get(BALANCE, headers=bearer(f"Bearer {raw}")), 401)
    assert_structured(browser.get(BALANCE), 401)
    assert browser.get("/").status_code == 302


def test_a_changed_password_ends_every_session(browser: Client, ada: User) -> None:
    ada.set_password("another")
    ada.save(update_fields=["password"])
    assert_structured(browser.get(BALANCE), 401)


@pytest.mark.parametrize(
    "key", ["x", "a" * 32, "a" * 5000, '"\\000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"', "' OR 1=1 --------"]
)
def test_a_made_up_session_is_no_session_and_no_server_error(stranger: Client, db: None, key: str) -> None:
    answer = stranger.get(BALANCE, headers={"Cookie": f"neoapex_session={key}"})
    assert_structured(answer, 401)
    assert stranger.get("/", headers={"Cookie": f"neoapex_session={key}"}).status_code == 302


# --- Login links -----------------------------------------------------------------------------------------------------


def test_a_login_link_works_once(ada: User) -> None:
    link = login_path(ada, "/budget/")
    first, second = Client(), Client()
    answer = first.get(link)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/budget/")
    assert first.get("/budget/").status_code == 200
    assert second.get(link).status_code == 403
    assert second.get("/budget/").status_code == 302


def test_a_login_link_leads_nowhere_else(ada: User) -> None:
    for target in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"):
        ada.refresh_from_db()
        answer = Client().get(login_path(ada, target))
        assert answer.status_code == 302
        assert answer.headers["Location"] == "/"


def test_a_login_link_of_a_deactivated_person_is_dead(ada: User) -> None:
    link = login_path(ada, "/")
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert Client().get(link).status_code == 403


def test_a_changed_login_link_is_dead(ada: User) -> None:
    link = login_path(ada, "/")
    token = parse_qs(urlsplit(link).query)["sesame"][0]
    for other in ("", "x", token[:-1], token[::-1], token + "a", "\0"):
        assert Client().get("/welcome/", {"sesame": other}).status_code == 403


# --- Login by password -----------------------------------------------------------------------------------------------


@pytest.fixture
def with_password(ada: User) -> User:
    ada.set_password(PASSWORD)
    ada.save()
    return ada


def login(email: str, password: str, client: Client | None = None) -> Any:
    return (client or Client()).post("/accounts/login/", {"login": email, "password": password})


def told(answer: Any) -> str:
    """The page without what differs from one request to the next, and without what was typed."""
    text = re.sub(r'(value|nonce|content)="[^"]*"', "", answer.content.decode())
    return re.sub(r"[\w.]+@example\.com", "", text)


def test_the_admin_logs_in_where_everybody_does(stranger: Client, db: None) -> None:
    answer = stranger.get("/admin/", headers=HTML, follow=True)
    assert unquote(answer.redirect_chain[-1][0]) == "/accounts/login/?next=/admin/"


def test_who_is_no_admin_is_told_so_and_not_sent_in_circles(browser: Client) -> None:
    answer = browser.get("/admin/", headers={"Accept": "application/json"}, follow=True)
    assert_structured(answer, 403, "forbidden")


def test_a_staff_member_comes_in(browser: Client, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True, is_superuser=True)
    assert browser.get("/admin/", headers=HTML).status_code == 200


@pytest.mark.slow
def test_guessing_a_password_is_stopped_even_when_the_guess_is_right(with_password: User) -> None:
    for _attempt in range(5):
        assert login(with_password.email, "wrong").status_code == 200
    answer = login(with_password.email, PASSWORD)
    assert answer.status_code == 200, "no redirect: not logged in"
    assert b"Too many failed login attempts" in answer.content


def test_logins_from_one_address_are_limited_with_a_structured_answer(with_password: User, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login": "2/m/ip"}
    for _attempt in range(2):
        login("nobody@example.com", "x")
    answer = Client().post("/accounts/login/", {"login": "a@example.com", "password": "x"})
    assert_structured(answer, 429, "too_many_requests")


def test_login_tells_nobody_who_has_an_account(with_password: User) -> None:
    known, unknown = login(with_password.email, "wrong"), login("zoe@example.com", "wrong")
    assert known.status_code == unknown.status_code == 200
    assert told(known) == told(unknown)


def test_a_password_reset_tells_nobody_who_has_an_account(with_password: User) -> None:
    answers = [
        Client().post("/accounts/password/reset/", {"email": email}, follow=True)
        for email in (with_password.email, "zoe@example.com")
    ]
    assert answers[0].redirect_chain == answers[1].redirect_chain
    assert told(answers[0]) == told(answers[1])
    assert {message.to[0] for message in mail.outbox} == {with_password.email, "zoe@example.com"}
    assert sum("password/reset/key" in str(message.body) for message in mail.outbox) == 1


def test_a_reset_link_is_not_bent_to_another_host(with_password: User) -> None:
    answer = Client().post(
        "/accounts/password/reset/", {"email": with_password.email}, headers={"Host": "evil.example"}
    )
    assert_structured(answer, 400)
    assert mail.outbox == []


def test_signing_up_twice_tells_nobody_who_has_an_account(with_password: User, settings: Settings) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    typed = {"password1": "Upright-piano-7", "password2": "Upright-piano-7"}
    answers = [
        Client().post("/accounts/signup/", typed | {"email": email})
        for email in (with_password.email, "zoe@example.com")
    ]
    assert {(answer.status_code, answer.headers.get("Location")) for answer in answers} == {
        (302, reverse("account_email_verification_sent"))
    }
    assert User.objects.filter(email=with_password.email).count() == 1


def test_a_closed_sign_up_makes_no_account(db: None, settings: Settings) -> None:
    settings.NEOAPEX_SIGNUP = False
    typed = {"email": "zoe@example.com", "password1": "Upright-piano-7", "password2": "Upright-piano-7"}
    assert Client().post("/accounts/signup/", typed).status_code == 200
    assert not User.objects.exists()


def test_the_next_page_after_login_is_ours(with_password: User) -> None:
    typed = {"login": with_password.email, "password": PASSWORD, "next": "https://evil.example/"}
    answer = Client().post("/accounts/login/", typed)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_the_login_renews_the_session(with_password: User) -> None:
    client = Client()
    planted = client.session
    planted["seen"] = True
    planted.save()
    client.cookies["neoapex_session"] = str(planted.session_key)
    assert login(with_password.email, PASSWORD, client).status_code == 302
    assert client.cookies["neoapex_session"].value != planted.session_key


def test_cookies_stay_with_us(with_password: User) -> None:
    client = Client()
    login(with_password.email, PASSWORD, client)
    client.get("/")
    session, csrf = client.cookies["neoapex_session"], client.cookies["neoapex_csrf"]
    assert session["httponly"]
    assert csrf["httponly"]
    assert session["samesite"] == csrf["samesite"] == "Lax"
