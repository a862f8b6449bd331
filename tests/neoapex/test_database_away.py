"""A database that has no connection left, or only reads: everybody is asked to come again, and nothing is lost."""

from typing import Any

import pytest
from django.test import Client

from ledger.models import Entry
from studio.models import AccessToken, Generation, User
from tests.database_faults import no_connection_left, only_reading
from tests.neoapex.shapes import assert_structured

SONG = {"endpoint": "text-to-music", "tags": ["rock"], "lyrics": "la la"}

pytestmark = pytest.mark.django_db(transaction=True)
FAULTS = pytest.mark.parametrize("fault", [no_connection_left, only_reading])


@FAULTS
def test_a_song_that_can_not_be_written_is_refused_for_now_and_made_when_asked_again(
    ada: User, program: Client, fault: Any
) -> None:
    def ask() -> Any:
        key = {"Idempotency-Key": "once"}
        return program.post("/api/generations", SONG, content_type="application/json", headers=key)

    with fault():
        body = assert_structured(ask(), 503, "not_ready")
    assert "read-only" not in str(body)
    assert not Generation.objects.exists()
    assert not Entry.objects.filter(kind="HOLD").exists()
    assert ask().status_code == 201
    assert Generation.objects.of(ada).count() == Entry.objects.filter(kind="HOLD").count() == 1


@FAULTS
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_a_form_that_can_not_be_written_says_when_to_come_again(ada: User, fault: Any, accept: str) -> None:
    browser = Client(raise_request_exception=False, headers={"Accept": accept})
    browser.force_login(ada)
    with fault():
        answer = browser.post("/account/tokens/", {"name": "laptop", "scopes": ["read"]})
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["X-Request-Id"] in answer.content.decode()
    assert not AccessToken.objects.exists()


def test_what_is_only_read_is_still_there(browser: Client, program: Client) -> None:
    program.get("/api/generations")
    with only_reading():
        assert browser.get("/").status_code == 200
        assert program.get("/api/generations").status_code == 200


def test_where_no_connection_is_left_pages_say_so(browser: Client, program: Client) -> None:
    with no_connection_left():
        assert_structured(program.get("/api/generations"), 503, "not_ready")
        page = browser.get("/", headers={"Accept": "text/html"})
        assert_structured(browser.get("/readyz"), 503, "not_ready")
    assert page.status_code == 503
