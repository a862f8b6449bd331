"""Reports of browsers: one short line each, without what an address carries, and never more than a few."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from studio.redis_server import connection
from tests.neoapex.shapes import assert_structured

Lines = Callable[[], list[dict[str, Any]]]
OLD = {
    "csp-report": {
        "document-uri": "https://studio.example.com/welcome/?sesame=hunter2",
        "violated-directive": "script-src 'self'",
        "effective-directive": "script-src",
        "blocked-uri": "https://evil.example/x.js?stolen=hunter2",
    }
}
NEW = [
    {
        "type": "csp-violation",
        "body": {
            "documentURL": "https://studio.example.com/budget/",
            "effectiveDirective": "img-src",
            "blockedURL": "inline",
        },
    }
]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_reported_before() -> Iterator[None]:
    for key in connection().scan_iter("neoapex:rate*report*"):
        connection().delete(key)
    yield
    for key in connection().scan_iter("neoapex:rate*report*"):
        connection().delete(key)


def report(client: Client, body: object, **more: Any) -> Any:
    return client.post("/csp-reports/", json.dumps(body), content_type="application/csp-report", **more)


def test_every_page_tells_browsers_where_to_report(stranger: Client) -> None:
    assert "report-uri /csp-reports/" in stranger.get("/accounts/login/").headers["Content-Security-Policy"]


def test_a_report_is_one_line_that_gives_nothing_away(stranger: Client, log_lines: Lines) -> None:
    assert report(stranger, OLD).status_code == 204
    assert report(stranger, NEW).status_code == 204
    first, second = (line for line in log_lines() if line["message"] == "csp violation")
    assert (first["directive"], first["blocked"], first["page"]) == ("script-src", "https://evil.example", "/welcome/")
    assert (second["directive"], second["blocked"], second["page"]) == ("img-src", "inline", "/budget/")
    assert "hunter2" not in str(first)


@pytest.mark.parametrize("body", ["", "x", "[]x", "null", "7", '"x"', "{}", "[7]", '{"csp-report": 7}', "[" * 4000])
def test_what_is_no_report_is_refused_and_not_logged(stranger: Client, log_lines: Lines, body: str) -> None:
    answer = stranger.post("/csp-reports/", body, content_type="application/csp-report")
    assert_structured(answer, 422, "invalid_report")
    assert not [line for line in log_lines() if line["message"] == "csp violation"]


def test_a_long_report_is_cut_and_a_longer_one_not_read(stranger: Client, log_lines: Lines) -> None:
    report(stranger, {"csp-report": {"effective-directive": "x\n" * 500, "blocked-uri": 7, "document-uri": None}})
    [line] = [line for line in log_lines() if line["message"] == "csp violation"]
    assert len(line["directive"]) == 60
    assert line["blocked"] == "7"
    assert_structured(report(stranger, {"csp-report": {"x": "y" * 9000}}), 413)


def test_many_at_once_are_logged_up_to_a_few(stranger: Client, log_lines: Lines) -> None:
    assert report(stranger, NEW * 30).status_code == 204
    assert len([line for line in log_lines() if line["message"] == "csp violation"]) == 5


def test_a_flood_is_dropped_from_one_address_and_from_all_together(stranger: Client, log_lines: Lines) -> None:
    """Without a word: a browser would show a refusal as an error of the page."""
    assert [report(stranger, NEW).status_code for _ in range(12)] == [204] * 12
    assert len([line for line in log_lines() if line["message"] == "csp violation"]) == 10
    for number in range(60):
        report(stranger, NEW, REMOTE_ADDR=f"192.0.2.{number}")
    assert len([line for line in log_lines() if line["message"] == "csp violation"]) == 60


def test_only_posts_are_taken(stranger: Client) -> None:
    assert_structured(stranger.get("/csp-reports/"), 405, "method_not_allowed")
