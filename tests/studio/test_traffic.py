"""What admins see of the way to fal, and the breaker closed by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from studio import dispatch, redis_server, traffic
from studio.errors import WhyMissing
from studio.fal import breaker
from studio.fal.errors import AccountLocked, Ambiguous, InputRefused, NotAccepted, Said
from studio.fal.mock import MockFalClient
from studio.models import User
from studio.states import GenerationState as State
from tests.admins import Somebody, boss, browser_of, plain_static_files, staff_with, superuser, text_of
from tests.studio.fixtures import Rings
from tests.studio.people import aged, asked_for, person, put, submitted

__all__ = ["boss", "plain_static_files", "staff_with", "superuser"]
ADDRESS = "/admin/studio/generation/fal/"


@pytest.fixture(autouse=True)
def many_slots(settings: Settings) -> None:
    settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = 20


def locked() -> AccountLocked:
    return AccountLocked(provider_failed=True, said=Said(403))


# --- What is read -----------------------------------------------------------------------------------------------------


def test_slots_name_who_has_them_and_for_how_long(ada: User, bo: User) -> None:
    first = aged(submitted(ada), submit_started_at=125)
    second = aged(put(submitted(bo), State.RUNNING), submit_started_at=5)
    put(submitted(ada), State.LOST)
    found = traffic.read()
    assert [(slot.generation, slot.for_seconds // 5) for slot in found.in_slots] == [(first, 25), (second, 1)]
    assert found.slots == 20


def test_lines_tell_who_waits_with_how_many_and_for_how_long(ada: User, bo: User) -> None:
    for age in (10, 70):
        aged(asked_for(ada), created_at=age)
    aged(asked_for(bo), created_at=130)
    put(asked_for(bo), State.CANCELLED)
    found = traffic.read()
    assert [(line.person, line.songs, line.seconds // 10) for line in found.lines] == [
        ("bo@example.com", 1, 13),
        ("ada@example.com", 2, 7),
    ]
    assert found.waiting == 3


def test_answers_of_the_last_hour_are_told_apart(ada: User, fal: MockFalClient) -> None:
    submitted(ada)
    put(submitted(ada), State.FAILED, reason_code="generation_failed")
    for error in (InputRefused("no"), NotAccepted(), Ambiguous()):
        fal.will_raise("submit", error)
        asked_for(ada)
        dispatch.dispatch()
    aged(put(asked_for(ada), State.READY, started_at=timezone.now()), submit_started_at=3700)
    asked_for(ada)
    told = {(answers.what, answers.reason_code): answers.count for answers in traffic.read().answers}
    assert told == {
        ("accepted", ""): 2,
        ("refused, or given up", "fal_input_refused"): 1,
        ("not taken; in line again", ""): 1,
        ("no answer yet, or it got lost", ""): 1,
    }


@pytest.mark.parametrize("count", [1, 6])
def test_it_takes_as_many_queries_however_much_goes_on(
    count: int, db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    people = [person(f"person{number}") for number in range(count)]
    for user in people:
        submitted(user)
    for user in people:
        asked_for(user)
    with django_assert_num_queries(4):
        found = traffic.read()
        assert [str(slot.generation.person) for slot in found.in_slots]


# --- The page ---------------------------------------------------------------------------------------------------------


def test_closed_it_offers_nothing_to_close(boss: Client) -> None:
    html = text_of(boss.get(ADDRESS))
    assert "songs are sent" in html
    assert "Close it now" not in html


def test_open_it_says_since_when_and_why(boss: Client, ada: User) -> None:
    submitted(ada)
    asked_for(ada)
    breaker.note(locked())
    html = text_of(boss.get(ADDRESS))
    assert f"since {datetime.now(UTC):%Y-%m-%d}" in html
    assert "403 The studio&#x27;s account at fal.ai is locked" in html
    assert "Close it now" in html
    assert "ada@example.com" in html
    assert "1 of 20" in html


def test_half_open_it_says_what_comes_next(boss: Client) -> None:
    breaker.note(locked())
    long_ago = int((datetime.now(UTC) - timedelta(seconds=61)).timestamp())
    redis_server.connection().set(f"{breaker.NAMESPACE}:pybreaker:opened_at", long_ago)
    assert "the next song is the probe" in text_of(boss.get(ADDRESS))


def test_closed_by_hand_with_a_reason_songs_are_sent_and_the_log_says_who_and_why(
    boss: Client, superuser: User, rings: Rings
) -> None:
    breaker.note(locked())
    answer = boss.post(ADDRESS, {"reason": "Topped up"}, follow=True)
    assert "songs are sent again" in text_of(answer)
    assert breaker.reach().state == "closed"
    assert ("studio.dispatch", {}) in rings
    [line] = LogEntry.objects.filter(user=superuser)
    assert (line.object_repr, line.change_message) == (
        "Circuit breaker to fal",
        "Closed, was open. Reason: Topped up",
    )
    assert "Circuit breaker to fal" in text_of(boss.get("/admin/")), "among the latest acts"


@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_it_stays_open(boss: Client, superuser: User, reason: str) -> None:
    breaker.note(locked())
    html = text_of(boss.post(ADDRESS, {"reason": reason}))
    assert "errorlist" in html
    assert breaker.reach().state == "open"
    with pytest.raises(WhyMissing):
        traffic.close_breaker(author=superuser, reason=reason)
    assert not LogEntry.objects.exists()


def test_whoever_may_only_look_can_not_close_it(staff_with: Somebody) -> None:
    breaker.note(locked())
    looker = staff_with("view_generation")
    assert "Close it now" not in text_of(looker.get(ADDRESS))
    assert looker.post(ADDRESS, {"reason": "x"}).status_code == 403
    assert breaker.reach().state == "open"
    closer = staff_with("view_generation", "close_breaker")
    assert closer.post(ADDRESS, {"reason": "x"}).status_code == 302
    assert breaker.reach().state == "closed"


def test_strangers_and_others_do_not_get_in(db: None, staff_with: Somebody) -> None:
    assert Client().get(ADDRESS).status_code == 302
    assert staff_with("view_budget").get(ADDRESS).status_code == 403


def test_closing_it_needs_the_page_and_a_post(superuser: User) -> None:
    breaker.note(locked())
    assert browser_of(superuser, checks_csrf=True).post(ADDRESS, {"reason": "x"}).status_code == 403
    assert browser_of(superuser).put(ADDRESS, "reason=x").status_code == 405
    assert breaker.reach().state == "open"


def test_the_first_page_of_the_admin_says_how_it_stands(boss: Client, staff_with: Somebody) -> None:
    assert "fal is within reach." in text_of(boss.get("/admin/"))
    breaker.note(locked())
    html = text_of(boss.get("/admin/"))
    assert "the circuit breaker is open" in html
    assert ADDRESS in html
    answer: Any = staff_with("view_quota").get("/admin/")
    assert ADDRESS not in text_of(answer)
