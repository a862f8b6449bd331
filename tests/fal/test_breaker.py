"""The circuit breaker: what opens it, who may send while it is half-open, and what becomes of it without Redis."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from pytest_django import Settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from studio import redis_server
from studio.fal import breaker
from studio.fal.errors import (
    AccountLocked,
    Ambiguous,
    EndpointRetired,
    FalError,
    InputRefused,
    KeyRefused,
    NotAccepted,
    Refused,
    Said,
    Unreachable,
)

ROOT = Path(__file__).resolve().parents[2]
OPENED_AT = f"{breaker.NAMESPACE}:pybreaker:opened_at"
STATE = f"{breaker.NAMESPACE}:pybreaker:state"


@pytest.fixture(autouse=True)
def closed_at_first(settings: Settings) -> Iterator[None]:
    settings.NEOAPEX_BREAKER_FAILURES, settings.NEOAPEX_BREAKER_SECONDS = 3, 60
    forget()
    yield
    forget()


def forget() -> None:
    for key in redis_server.connection().scan_iter(f"{breaker.NAMESPACE}:*"):
        redis_server.connection().delete(key)


def failure(status: int = 503) -> Ambiguous:
    return Ambiguous(said=Said(status), provider_failed=True)


def open_it() -> None:
    for _ in range(3):
        breaker.note(failure())
    assert breaker.reach().is_open


def let_time_pass() -> None:
    """As if it had been open for long enough."""
    long_ago = int((datetime.now(UTC) - timedelta(seconds=61)).timestamp())
    redis_server.connection().set(OPENED_AT, long_ago)


def state() -> str:
    return breaker.reach().state


# --- What opens it ----------------------------------------------------------------------------------------------------


def test_it_is_closed_until_fal_has_failed_so_often_in_a_row() -> None:
    for _ in range(2):
        breaker.note(failure())
    assert (state(), breaker.seconds_out_of_reach()) == ("closed", 0)
    breaker.note(failure(502))
    reach = breaker.reach()
    assert (reach.state, reach.is_open) == ("open", True)
    assert 55 <= reach.retry_seconds <= 60
    assert reach.why.startswith("502 fal.ai's answer got lost")
    assert breaker.admit() is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        NotAccepted(said=Said(429)),
        InputRefused(said=Said(422)),
        EndpointRetired(said=Said(404)),
        Refused(said=Said(400)),
        Ambiguous(said=Said(409)),
    ],
    ids=repr,
)
def test_an_answer_of_fals_own_shows_that_it_is_there(answer: FalError | None) -> None:
    for _ in range(4):
        breaker.note(failure())
        breaker.note(failure())
        breaker.note(answer)
    assert state() == "closed"


@pytest.mark.parametrize("answer", [AccountLocked(provider_failed=True), KeyRefused(provider_failed=True)], ids=repr)
def test_a_locked_account_and_a_wrong_key_open_it_at_once(answer: FalError) -> None:
    breaker.note(answer)
    assert state() == "open"
    assert breaker.reach().why == answer.message


def test_failures_to_tell_about_a_request_count_and_telling_does_not() -> None:
    for _ in range(3):
        with breaker.watching():
            pass
        with pytest.raises(Unreachable), breaker.watching():
            raise Unreachable(said=Said(500), provider_failed=True)
    assert state() == "open"
    let_time_pass()
    with breaker.watching():
        pass
    assert state() == "open", "a status that comes says nothing about the next submit"


def test_what_goes_wrong_on_our_side_is_nobodys_failure() -> None:
    class Killed(BaseException):
        pass

    for error in (ValueError("ours"), Killed()):
        for _ in range(5):
            with pytest.raises(type(error)), breaker.watching():
                raise error
    assert state() == "closed"


def test_failures_far_apart_are_no_row() -> None:
    breaker.note(failure())
    left = redis_server.connection().ttl(f"{breaker.NAMESPACE}:pybreaker:fail_counter")
    assert 0 < left <= breaker.IN_A_ROW_SECONDS


# --- Half-open --------------------------------------------------------------------------------------------------------


def at_once(count: int, act: Callable[[], object]) -> list[object]:
    start, answers = threading.Barrier(count), []

    def run() -> None:
        start.wait(30)
        answers.append(act())

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == count
    return answers


def test_however_many_race_one_is_let_through_as_a_probe() -> None:
    for _ in range(10):
        forget()
        open_it()
        let_time_pass()
        permits = [permit for permit in at_once(20, breaker.admit) if permit is not None]
        assert [permit.is_probe for permit in permits if isinstance(permit, breaker.Permit)] == [True]
        assert state() == "half-open"


def test_a_probe_that_fails_opens_it_anew_for_the_whole_time() -> None:
    open_it()
    let_time_pass()
    permit = breaker.admit()
    assert permit is not None
    with permit:
        assert breaker.admit() is None
        breaker.note(failure())
    assert breaker.seconds_out_of_reach() > 55
    assert breaker.admit() is None


def test_whoever_gets_the_lock_just_after_a_failed_probe_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the state and the lock another's probe has come and gone."""
    open_it()
    let_time_pass()
    acquire = redis.lock.Lock.acquire

    def late(self: redis.lock.Lock, *_: object, **__: object) -> bool:
        breaker.note(failure())
        return bool(acquire(self, blocking=False))

    monkeypatch.setattr(redis.lock.Lock, "acquire", late)
    assert breaker.admit() is None
    assert redis_server.connection().get(breaker.PROBE_KEY) is None, "and keeps nobody from the next one"


@pytest.mark.parametrize("answer", [None, InputRefused("no")], ids=repr)
def test_a_probe_that_fal_answers_closes_it(answer: FalError | None) -> None:
    open_it()
    let_time_pass()
    permit = breaker.admit()
    assert permit is not None
    with permit:
        breaker.note(answer)
    assert state() == "closed"
    again = breaker.admit()
    assert again is not None
    assert not again.is_probe


def test_a_probe_that_found_nothing_to_send_leaves_its_turn_to_the_next() -> None:
    open_it()
    let_time_pass()
    for _ in range(3):
        permit = breaker.admit()
        assert permit is not None
        assert permit.is_probe
        with permit:
            pass


def test_a_probe_that_was_killed_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "PROBE_SECONDS", 0.05)
    open_it()
    let_time_pass()
    assert breaker.admit() is not None
    gone = threading.Event()
    while redis_server.connection().exists(breaker.PROBE_KEY):
        gone.wait(0.01)
    second = breaker.admit()
    assert second is not None
    assert second.is_probe


def test_what_was_sent_before_it_opened_neither_closes_nor_prolongs_it() -> None:
    open_it()
    redis_server.connection().decrby(OPENED_AT, 30)
    breaker.note(None)
    breaker.note(failure())
    reach = breaker.reach()
    assert reach.state == "open"
    assert 20 <= reach.retry_seconds <= 31


# --- By hand, and across processes ------------------------------------------------------------------------------------


def test_closing_it_by_hand_counts_from_nothing_again() -> None:
    open_it()
    breaker.close()
    assert state() == "closed"
    for _ in range(2):
        breaker.note(failure())
    assert state() == "closed"


@pytest.mark.slow
def test_a_process_that_starts_later_finds_it_open() -> None:
    open_it()
    code = "import django; django.setup(); from studio.fal import breaker; print(breaker.reach().state)"
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "neoapex.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "open"


def test_a_clock_that_was_ahead_does_not_keep_it_open() -> None:
    open_it()
    redis_server.connection().incrby(OPENED_AT, 86_400)
    permit = breaker.admit()
    assert permit is not None
    with permit:
        breaker.note(None)
    assert state() == "closed"


# --- Without Redis ----------------------------------------------------------------------------------------------------


@pytest.fixture
def redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = redis.Redis(port=1, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(breaker, "connection", lambda: nowhere)


@pytest.mark.usefixtures("redis_is_away")
def test_without_redis_it_is_closed_and_nothing_breaks() -> None:
    for _ in range(4):
        breaker.note(failure())
    permit = breaker.admit()
    assert permit is not None
    with permit:
        breaker.note(None)
    assert breaker.reach() == breaker.Reach("closed", None, 0, "")
    breaker.close()


def test_redis_that_goes_away_between_two_looks_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    open_it()
    let_time_pass()

    def away(*_: object, **__: object) -> bool:
        raise redis.ConnectionError

    monkeypatch.setattr(redis.lock.Lock, "acquire", away)
    permit = breaker.admit()
    assert permit is not None
    assert not permit.is_probe


def test_a_flushed_redis_is_a_closed_breaker() -> None:
    open_it()
    forget()
    assert state() == "closed"
    assert breaker.admit() is not None
    assert not redis_server.connection().exists(STATE), "a look writes nothing"
