"""What a token may be used for: each call says what it needs, and a token without it is told so."""

import json
import re
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client

from neoapex import scopes
from neoapex.api import api
from studio import tokens
from studio.models import AccessToken, Generation, User
from studio.states import Scope
from tests.neoapex.addresses import SOME_ID, Operation, operations
from tests.neoapex.shapes import assert_structured

SONG = {"prompt": "a calm piano piece at night"}
Limited = Callable[..., Client]


def described() -> list[tuple[str, str]]:
    paths = api.get_openapi_schema()["paths"]
    return [(method.upper(), path.removeprefix(scopes.ROOT)) for path, methods in paths.items() for method in methods]


@pytest.fixture
def limited(ada: User) -> Limited:
    """A program whose token has these scopes alone."""

    def make(*wanted: Scope) -> Client:
        raw = tokens.create(ada, "limited", wanted)[1]
        return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {raw}"})

    return make


def test_every_call_that_writes_says_what_it_needs_and_nothing_else_does() -> None:
    writing = {f"{method} {path}" for method, path in described() if method != "GET"}
    assert writing == scopes.WRITES.keys()


def test_a_write_without_a_line_needs_everything() -> None:
    assert set(scopes.needed_for("POST", "/unheard-of")) == set(Scope)
    assert set(scopes.needed_for("HEAD", "/unheard-of")) == {Scope.READ}


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_a_token_that_lacks_the_scope_is_refused_before_anything_is_looked_at(
    limited: Limited, operation: Operation
) -> None:
    by_path = {re.sub(r"\{\w+\}", SOME_ID, path): path for _, path in described()}
    [needed] = scopes.needed_for(operation.method, by_path[operation.path.removeprefix(scopes.ROOT)])
    others = [scope for scope in Scope if scope != needed]
    answer = limited(*others).generic(operation.method, operation.path, b"{nonsense", content_type="application/json")
    assert needed in assert_structured(answer, 403, "scope_missing")["hint"]
    answer = limited(needed).generic(operation.method, operation.path, b"{nonsense", content_type="application/json")
    assert answer.status_code != 403


def test_a_token_for_reading_starts_nothing(limited: Limited) -> None:
    reader = limited(Scope.READ)
    body = json.dumps(SONG)
    assert reader.post("/api/quotes", body, content_type="application/json").status_code == 200
    assert_structured(reader.post("/api/generations", body, content_type="application/json"), 403, "scope_missing")
    assert not Generation.objects.exists()


def test_the_balance_at_its_old_address_needs_the_same(limited: Limited) -> None:
    assert limited(Scope.READ).get("/credits/balance").status_code == 200
    assert_structured(limited(Scope.SONGS).get("/credits/balance"), 403, "scope_missing")


def test_a_session_needs_no_scope(browser: Client) -> None:
    browser.handler.enforce_csrf_checks = False
    assert browser.get("/api/credits/balance").status_code == 200
    assert browser.post("/api/generations", json.dumps(SONG), content_type="application/json").status_code == 201


def test_a_token_from_before_there_were_scopes_may_do_everything(ada: User) -> None:
    AccessToken.objects.bulk_create([AccessToken(person=ada, name="old", hint="nxa_x", digest="d")])
    assert AccessToken.objects.get(digest="d").scopes == list(Scope.values)


@pytest.mark.parametrize("wrong", [[], ["root"], ["read", "root"]])
def test_the_database_keeps_no_token_without_a_use_it_knows(ada: User, wrong: list[str]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessToken.objects.create(person=ada, name="x", hint="x", digest="x", scopes=wrong)


def test_the_command_makes_a_token_for_what_is_said(ada: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_token", ada.email)
    call_command("create_token", ada.email, "--scope", "library", "--scope", "read")
    everything, some = AccessToken.objects.order_by("pk").values_list("scopes", flat=True)
    assert everything == ["read", "songs", "library"]
    assert some == ["read", "library"]
    assert all(line.startswith("nxa_") for line in capsys.readouterr().out.split())
    with pytest.raises(CommandError):
        call_command("create_token", ada.email, "--scope", "root")


def test_the_page_asks_what_for_and_shows_it_afterwards(browser: Client, ada: User) -> None:
    browser.handler.enforce_csrf_checks = False
    page = browser.get("/account/tokens/").content.decode()
    assert page.count('name="scopes"') == page.count('name="scopes" value=') == len(Scope)
    assert len(re.findall(r'name="scopes" value="\w+" checked>', page)) == len(Scope)
    answer = browser.post("/account/tokens/", {"name": "player", "scopes": ["read"]})
    assert answer.status_code == 201
    assert ada.access_tokens.get().scopes == ["read"]
    answer = browser.post("/account/tokens/", {"name": "player"})
    assert answer.status_code == 422
    assert "Choose at least one" in answer.content.decode()
    assert ada.access_tokens.count() == 1
