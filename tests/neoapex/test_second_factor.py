"""A second factor: set up by whoever wants one, asked for at login, and the only way into the admin."""

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from studio import people
from studio.models import User
from tests.neoapex.shapes import assert_structured

PASSWORD = "a waltz for upright piano"
HTML = {"Accept": "text/html"}
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def as_in_production(settings: Settings) -> Settings:
    settings.NEOAPEX_ADMIN_MFA = True
    return settings


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss@example.com", PASSWORD)


@pytest.fixture
def client() -> Client:
    """A browser whose forms need no token here; that they need one otherwise, other tests know."""
    return Client(headers=HTML)


def code_of(secret: str, *, steps_away: int = 0) -> str:
    before, now, after = yield_hotp_counters_from_time()
    assert before < now < after
    return str(format_hotp_value(hotp_value(secret, now + steps_away)))


def used_codes_are_forgotten() -> None:
    """As if half a minute had passed: a code works once."""
    cache.clear()


def log_in(client: Client, person: User) -> Any:
    return client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})


def with_totp(person: User) -> User:
    TOTP.activate(person, SECRET)
    return person


def test_an_admin_without_one_is_led_to_setting_it_up_and_back(client: Client, boss: User) -> None:
    log_in(client, boss)
    for path in ("/admin/", "/admin/studio/user/", "/admin/month.csv", "/admin/ledger/quota/"):
        answer = client.get(path)
        assert answer.status_code == 302, path
        assert answer.headers["Location"].startswith("/accounts/2fa/?next="), path
    page = client.get("/accounts/2fa/").content.decode()
    assert "administration is open to people with a second factor" in page
    assert client.get("/accounts/2fa/totp/activate/").headers["Location"].startswith("/accounts/reauthenticate/")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/").content.decode()
    secret = re.search(r"<code>([A-Z2-7]{16,})</code>", page)
    assert secret is not None
    assert 'src="data:image/svg+xml' in page
    wrong = client.post("/accounts/2fa/totp/activate/", {"code": "000000"})
    assert "Incorrect code" in wrong.content.decode()
    done = client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret[1])})
    assert done.status_code == 302
    codes = re.findall(r"\b\d{8}\b", client.get(done.headers["Location"]).content.decode())
    assert len(codes) == 10
    # This session has shown none at its login, so it is asked for it once.
    answer = client.get("/admin/")
    assert answer.headers["Location"].startswith("/accounts/2fa/reauthenticate/?next=%2Fadmin%2F")
    used_codes_are_forgotten()
    shown = client.post(answer.headers["Location"], {"code": code_of(secret[1]), "next": "/admin/"})
    assert shown.headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_the_first_superuser_can_do_it_where_addresses_must_be_confirmed(
    client: Client, boss: User, settings: Settings
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    assert log_in(client, boss).headers["Location"] == "/accounts/confirm-email/"
    link = re.search(r"http://\S+(/accounts/confirm-email/\S+)", str(mail.outbox[-1].body))
    assert link is not None
    client.post(link[1])
    log_in(client, boss)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/").content.decode()
    secret = re.search(r"<code>([A-Z2-7]{16,})</code>", page)
    assert secret is not None
    client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret[1])})
    used_codes_are_forgotten()
    client.post("/accounts/2fa/reauthenticate/?next=/admin/", {"code": code_of(secret[1])})
    assert client.get("/admin/").status_code == 200


def test_a_login_with_one_asks_for_it_before_anything_is_open(client: Client, boss: User) -> None:
    with_totp(boss)
    answer = log_in(client, boss)
    assert answer.headers["Location"] == "/accounts/2fa/authenticate/"
    for path in ("/", "/budget/", "/admin/", "/account/tokens/"):
        assert client.get(path).headers["Location"].startswith(("/accounts/login/", "/admin/login/")), path
    assert_structured(client.get("/api/credits/balance", headers={"Accept": "application/json"}), 401)
    assert client.get("/accounts/2fa/authenticate/").status_code == 200
    done = client.post("/accounts/2fa/authenticate/", {"code": code_of(SECRET)})
    assert done.status_code == 302
    assert client.get("/admin/").status_code == 200


def test_a_recovery_code_works_once(client: Client, boss: User) -> None:
    with_totp(boss)
    [code, *_] = RecoveryCodes.activate(boss).get_unused_codes()
    for expected in (200, 302):
        log_in(client, boss)
        client.post("/accounts/2fa/authenticate/", {"code": code})
        assert client.get("/admin/").status_code == expected
        client.post("/accounts/logout/")


def test_a_code_works_once(client: Client, boss: User) -> None:
    with_totp(boss)
    code = code_of(SECRET)
    for expected in (200, 302):
        log_in(client, boss)
        client.post("/accounts/2fa/authenticate/", {"code": code})
        assert client.get("/admin/").status_code == expected
        client.post("/accounts/logout/")


def test_a_code_of_long_ago_is_none(client: Client, boss: User) -> None:
    with_totp(boss)
    log_in(client, boss)
    answer = client.post("/accounts/2fa/authenticate/", {"code": code_of(SECRET, steps_away=-3)})
    assert "Incorrect code" in answer.content.decode()


def test_a_session_of_before_it_was_set_up_is_asked_for_it(client: Client, boss: User) -> None:
    log_in(client, boss)
    with_totp(boss)
    assert client.get("/admin/").headers["Location"].startswith("/accounts/2fa/reauthenticate/")
    posted = client.post("/admin/studio/user/add/", {"email": "x@example.com"})
    assert posted.headers["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert not User.objects.filter(email="x@example.com").exists()


def test_the_studio_is_open_to_an_admin_without_one(client: Client, boss: User) -> None:
    log_in(client, boss)
    assert client.get("/").status_code == 200


def test_a_person_who_is_no_admin_gets_no_hint_of_a_second_factor(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.get("/admin/").headers["Location"].startswith("/admin/login/")


def test_where_it_is_switched_off_the_admin_is_as_before(client: Client, boss: User, settings: Settings) -> None:
    settings.NEOAPEX_ADMIN_MFA = False
    log_in(client, boss)
    assert client.get("/admin/").status_code == 200


def test_whoever_is_forgotten_leaves_none_behind(boss: User, ada: User) -> None:
    with_totp(ada)
    people.anonymise(ada, author=boss, reason="asked for it")
    assert not Authenticator.objects.exists()


# --- Guessing --------------------------------------------------------------------------------------------------------


def test_passwords_can_be_guessed_five_times_and_then_the_right_one_is_refused_too(client: Client, boss: User) -> None:
    for _ in range(5):
        answer = client.post("/accounts/login/", {"login": boss.email, "password": "wrong"})
        assert answer.status_code == 200
    answer = log_in(client, boss)
    assert answer.status_code == 200
    assert "Too many failed login attempts" in answer.content.decode()
    assert client.get("/").status_code == 302


def test_another_address_is_not_held_up_by_it(client: Client, boss: User, ada: User) -> None:
    ada.set_password(PASSWORD)
    ada.save(update_fields=["password"])
    for _ in range(6):
        client.post("/accounts/login/", {"login": boss.email, "password": "wrong"})
    assert log_in(client, ada).status_code == 302


def test_codes_can_be_guessed_as_seldom(client: Client, boss: User) -> None:
    with_totp(boss)
    log_in(client, boss)
    for _ in range(5):
        client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    answer = client.post("/accounts/2fa/authenticate/", {"code": code_of(SECRET)})
    assert answer.status_code in {200, 429}
    assert client.get("/").status_code == 302


def test_a_page_asks_a_browser_for_a_passkey_without_any_script_of_its_own(client: Client, boss: User) -> None:
    with_totp(boss)
    login = client.get("/accounts/login/")
    log_in(client, boss)
    second = client.get("/accounts/2fa/authenticate/")
    for page in (login, second):
        scripts = re.findall(r"<script([^>]*)>", page.content.decode())
        assert any("mfa/js/webauthn" in script for script in scripts)
        assert all(" src=" in script or "application/json" in script for script in scripts)
        assert "'unsafe" not in page.headers["Content-Security-Policy"]


def test_what_a_browser_signs_to_log_in_is_made_afresh_each_time(client: Client) -> None:
    asked = [client.get("/accounts/2fa/webauthn/login/", headers={"Accept": "application/json"}) for _ in range(2)]
    challenges = {answer.json()["request_options"]["publicKey"]["challenge"] for answer in asked}
    assert len(challenges) == 2


# --- In the admin ----------------------------------------------------------------------------------------------------


def test_an_admin_sees_who_has_one_and_never_what_it_is_made_of(
    client: Client, boss: User, ada: User, settings: Settings
) -> None:
    settings.NEOAPEX_ADMIN_MFA = False
    with_totp(ada)
    RecoveryCodes.activate(ada)
    client.force_login(boss)
    totp = Authenticator.objects.get(type="totp")
    page = f"/admin/mfa/authenticator/{totp.pk}/"
    for path in ("/admin/mfa/authenticator/", f"{page}change/", f"{page}delete/"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert SECRET not in answer.content.decode()
        assert "seed" not in answer.content.decode()
    assert client.post(f"{page}change/", {"data": "{}"}).status_code == 403
    assert client.post(f"{page}delete/", {"post": "yes"}).status_code == 302
    assert not Authenticator.objects.filter(type="totp").exists()
