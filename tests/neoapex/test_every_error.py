"""Every error of every address has the one shape, and tells strangers nothing."""

import logging
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError, connection
from django.test import Client

from ledger.errors import LedgerError
from studio import generations, queries, tokens
from studio.errors import InvalidInput, Problem, StudioError
from studio.http_statuses import STATUSES, status_of
from studio.models import Generation, User
from tests import factories
from tests.neoapex.addresses import SOME_ID, Operation, operations, pages
from tests.neoapex.shapes import assert_structured

JSON = {"Accept": "application/json"}
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
# What somebody who isn't logged in may see. A new page that shows up here must be meant to.
PUBLIC = {
    "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/accounts/password/reset/done/",
    "/accounts/password/reset/key/done/", "/accounts/confirm-email/", "/accounts/inactive/", "/healthz", "/readyz",
    "/metrics", "/favicon.ico", "/admin/jsi18n/", "/accounts/confirm-email/x/", "/accounts/password/reset/key/x-x/",
    "/accounts/2fa/webauthn/login/",
}  # fmt: skip
PUBLIC_OPERATIONS: set[str] = set()


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


@pytest.mark.parametrize("kind", [*subclasses(StudioError), *subclasses(LedgerError)], ids=lambda kind: kind.__name__)
def test_every_domain_error_has_a_status_of_its_own(kind: type[Exception]) -> None:
    assert kind in STATUSES
    assert STATUSES[kind] in {402, 403, 404, 409, 422, 429, 500, 503}
    assert kind.code != kind.__mro__[1].code, "a code of its own, too"  # type: ignore[attr-defined]


def test_an_error_without_a_line_takes_its_parents() -> None:
    unheard_of = type("Unheard", (InvalidInput,), {})
    assert status_of(unheard_of([Problem("x", "y")])) == 422


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_a_stranger_is_asked_who_they_are(stranger: Client, db: None, operation: Operation) -> None:
    answer = stranger.generic(operation.method, operation.path, b"{}", content_type="application/json")
    if operation.path not in PUBLIC_OPERATIONS:
        assert_structured(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_a_wrong_method_is_told_the_right_ones(program: Client, operation: Operation) -> None:
    for method in ("TRACE", "BREW", "OPTIONS"):
        answer = program.generic(method, operation.path)
        body = assert_structured(answer, 405, "method_not_allowed")
        assert operation.method in answer.headers["Allow"]
        assert operation.method in body["hint"]
        assert answer.headers["Content-Length"] == str(len(answer.content))
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.fixture
def bens(ben: User) -> list[str]:
    """The ids of all that Ben has."""
    ready = factories.make_song(person=ben)
    waiting = factories.make_generation(person=ben)
    return [str(ready.pk), str(waiting.pk), *(str(track.pk) for track in ready.tracks.all())]


def test_what_is_another_persons_looks_like_what_is_not_there(program: Client, bens: list[str]) -> None:
    with_ids = [one for one in operations() if SOME_ID in one.path]
    assert with_ids
    for one in with_ids:
        # Sound, so that it is not the body that is refused.
        change = b'{"title": "x"}' if one.method == "PATCH" else b"{}"
        nowhere = program.generic(one.method, one.path, change, content_type="application/json")
        body = assert_structured(nowhere, 404, "not_found")
        for foreign_id in bens:
            path = one.path.replace(SOME_ID, foreign_id)
            answer = program.generic(one.method, path, change, content_type="application/json")
            assert assert_structured(answer, 404) | {"requestId": ""} == body | {"requestId": ""}
    assert Generation.objects.filter(state="CANCELLED").count() == 0


@pytest.mark.parametrize(
    "path", [one for one in pages() if SOME_ID in one and not one.startswith(("/webhooks/", "/admin/"))]
)
def test_pages_of_another_persons_songs_are_not_there(browser: Client, bens: list[str], path: str) -> None:
    browser.handler.enforce_csrf_checks = False
    for foreign_id in bens:
        for method in ("GET", "POST"):
            answer = browser.generic(method, path.replace(SOME_ID, foreign_id), headers=JSON)
            assert_structured(answer)
            assert answer.status_code in {404, 405}
    assert not Generation.objects.filter(state="CANCELLED").exists()


def test_another_persons_token_can_not_be_revoked(browser: Client, ben: User) -> None:
    token, _raw = tokens.create(ben, "x")
    browser.handler.enforce_csrf_checks = False
    assert_structured(browser.post(f"/account/tokens/{token.pk}/revoke", headers=JSON), 404)
    assert_structured(browser.post(f"/account/tokens/{'9' * 40}/revoke", headers=JSON), 404)
    token.refresh_from_db()
    assert token.revoked_at is None


@pytest.mark.parametrize("path", pages())
def test_a_stranger_sees_only_what_is_meant_for_strangers(stranger: Client, db: None, path: str) -> None:
    answer = stranger.get(path, headers=JSON)
    if path == "/welcome/":
        assert answer.status_code == 403, "a page that explains it, for people alone"
    elif answer.status_code >= 400:
        assert_structured(answer)
        assert answer.status_code in {401, 404, 405}
    elif answer.status_code == 200:
        assert path in PUBLIC
    elif path not in PUBLIC:
        assert answer.headers["Location"].startswith(("/accounts/login/", "/admin/login/")) or "logout" in path


@pytest.mark.parametrize("path", pages())
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
def test_no_address_takes_a_write_from_another_site(browser: Client, path: str, method: str) -> None:
    answer = browser.generic(method, path, headers=JSON)
    assert_structured(answer)
    # A browser's report has no token; it writes a line of the log.
    assert answer.status_code in {403, 404, 405} or (path, answer.status_code) == ("/csp-reports/", 422)


@pytest.mark.parametrize("path", ["/", "/nope", "/budget/?month=x", f"/generations/{SOME_ID}/", "/admin/"])
def test_a_browser_gets_the_same_as_a_page(browser: Client, path: str) -> None:
    answer = browser.post(path, headers=HTML) if path == "/" else browser.get(path, headers=HTML, follow=True)
    assert answer.status_code in {403, 404, 405}
    assert answer.headers["Content-Type"].startswith("text/html")
    text = unescape(answer.content.decode())
    assert answer.headers["X-Request-Id"] in text
    assert answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("accept", ["*/*", "", "application/json", "image/png", "text/html;q=0.1,application/json"])
def test_who_does_not_ask_for_a_page_gets_json(stranger: Client, db: None, accept: str) -> None:
    assert_structured(stranger.get("/nope", headers={"Accept": accept}), 404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/api/nope", "/api/generations/x", "/api/generations/", "/api/%00", "/api/%ff", "/api/generations/../../x",
        f"/api/tracks/{SOME_ID}", "/credits/nope", "/webhooks/nope", "/webhooks/fal/x/", "/healthz/", "/readyz/x",
        "/static/nope.js", "/.env", "/%2e%2e/etc/passwd", "/accounts/nope/",
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_in_one_shape(program: Client, path: str) -> None:
    answer = program.get(path)
    assert_structured(answer)
    assert answer.status_code in {404, 422}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
def test_the_front_door_takes_posts_only(stranger: Client, method: str) -> None:
    answer = stranger.generic(method, f"/webhooks/fal/{SOME_ID}/")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    if method != "HEAD":
        assert_structured(answer, 405)


def test_a_callback_that_nobody_signed_is_refused_in_the_one_shape(stranger: Client, db: None) -> None:
    answer = stranger.post(f"/webhooks/fal/{SOME_ID}/", b"{}", content_type="application/json")
    assert_structured(answer, 403)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_health_checks_are_read_only(stranger: Client, db: None, path: str) -> None:
    assert stranger.get(path).status_code == 200
    assert_structured(stranger.post(path), 405, "method_not_allowed")


def test_a_foreign_host_is_refused(stranger: Client, db: None) -> None:
    for path in ("/", "/api/tags", "/healthz"):
        assert_structured(stranger.get(path, headers={"Host": "evil.example"}), 400, "bad_request")


def break_with(error: Exception) -> Callable[..., Any]:
    def broken(*_: object, **__: object) -> None:
        raise error

    return broken


@pytest.mark.parametrize("path", ["/api/generations", "/"])
def test_a_fault_of_ours_shows_its_number_and_nothing_else(
    browser: Client, path: str, monkeypatch: pytest.MonkeyPatch, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    monkeypatch.setattr(queries, "feed", break_with(ZeroDivisionError("the secret of the house")))
    answer = browser.get(path, headers=JSON)
    body = assert_structured(answer, 500, "internal_error")
    page = browser.get(path, headers=HTML)
    for text in (str(body), page.content.decode()):
        assert "secret" not in text
        assert "ZeroDivisionError" not in text
        assert ".py" not in text
    told = [line for line in log_lines() if line["request_id"] == body["requestId"]]
    assert any("ZeroDivisionError" in line.get("exc_info", "") for line in told)


@pytest.mark.parametrize("path", ["/", "/api/tags", "/budget/", "/credits/balance"])
@pytest.mark.parametrize("headers", [JSON, HTML], ids=["json", "html"])
def test_without_a_database_everybody_is_asked_to_come_again(
    browser: Client, path: str, headers: dict[str, str]
) -> None:
    with connection.execute_wrapper(break_with(OperationalError("the server closed the connection"))):
        answer = browser.get(path, headers=headers)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["X-Request-Id"] in answer.content.decode()


def test_a_program_is_told_in_shape_that_the_database_is_away(program: Client) -> None:
    with connection.execute_wrapper(break_with(OperationalError("the server closed the connection"))):
        answer = program.post("/api/generations", "{}", content_type="application/json")
    assert_structured(answer, 503, "not_ready")
    assert "closed the connection" not in answer.content.decode()


def test_a_page_for_errors_that_breaks_itself_becomes_json(
    browser: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("neoapex.problems.render", break_with(RuntimeError("no such template")))
    with caplog.at_level(logging.ERROR):
        assert_structured(browser.get("/nope", headers=HTML), 404, "not_found")
    assert "error page not rendered" in caplog.text


def test_a_suspicious_request_is_no_fault_of_ours(program: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "quote", break_with(SuspiciousOperation("x")))
    answer = program.post("/api/quotes", "{}", content_type="application/json")
    assert_structured(answer, 400, "bad_request")


def test_a_post_by_session_needs_the_token_of_the_page(browser: Client) -> None:
    answer = browser.post("/api/generations", '{"prompt": "x"}', content_type="application/json")
    assert_structured(answer, 403, "csrf_failed")
    browser.get("/", headers=HTML)
    token = browser.cookies["neoapex_csrf"].value
    sent = {"X-CSRFToken": token}
    answer = browser.post("/api/generations", '{"prompt": "x"}', content_type="application/json", headers=sent)
    assert answer.status_code == 201


@pytest.mark.parametrize("given", ["not a guid", "x" * 5000, "\xff", "11111111111141118111111111111111"])
def test_the_request_id_is_a_guid_whatever_was_sent(stranger: Client, db: None, given: str) -> None:
    answer = stranger.get("/nope", headers={"X-Request-Id": given})
    body = assert_structured(answer, 404)
    assert len(body["requestId"]) == 32
    assert (body["requestId"] == given) == (given.isalnum() and len(given) == 32)
