"""How often somebody may ask: the windows, their order among the refusals, and the time when Redis is away."""

import time

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext
from limits import parse
from pytest_django import Settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from ledger.errors import InsufficientBudget
from studio import generations, limits, redis_server
from studio.errors import (
    AddressRateReached,
    FalUnavailable,
    InvalidInput,
    OrganisationRateReached,
    TooManyWaiting,
    UserRateReached,
)
from studio.fal import breaker
from studio.fal.errors import AccountLocked
from studio.models import Generation, User
from tests.studio.crowds import lay, plan, rows_read
from tests.studio.people import DESCRIBED, aged, asked_for, errors_in, money_of, nothing_was_written, person, race


@pytest.fixture(autouse=True)
def empty_windows(settings: Settings) -> None:
    settings.NEOAPEX_USER_RATE = parse("3/minute")
    settings.NEOAPEX_ORG_RATE = settings.NEOAPEX_ADDRESS_RATE = None
    for key in redis_server.connection().scan_iter("neoapex:rate:*"):
        redis_server.connection().delete(key)


@pytest.fixture
def redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = redis.Redis(port=1, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(limits, "connection", lambda: nowhere)
    # Each look opens its windows anew instead of those that the process has.
    monkeypatch.setattr(limits, "_windows", limits._windows.__wrapped__)


def test_one_more_than_the_rate_is_refused_and_nothing_is_held(ada: User) -> None:
    held = [asked_for(ada).cost_micros for _ in range(3)]
    with pytest.raises(UserRateReached) as caught:
        asked_for(ada)
    assert 1 <= caught.value.retry_after_seconds <= 60
    assert money_of(ada) == (sum(held), 0)
    assert Generation.objects.count() == 3


def test_the_window_moves(ada: User, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room comes back song by song, as each leaves the window, and not all at once at the full minute."""
    now = time.time()
    for second in (0, 20, 40):
        monkeypatch.setattr(time, "time", lambda second=second: now + second)
        limits.count_start(ada)
    for second, wait in ((50, 10), (59, 1)):
        monkeypatch.setattr(time, "time", lambda second=second: now + second)
        refusal = limits.refusal_of_start(ada)
        assert refusal is not None
        assert abs(refusal.retry_after_seconds - wait) <= 1
    monkeypatch.setattr(time, "time", lambda: now + 61)
    limits.count_start(ada)
    assert limits.refusal_of_start(ada) is not None, "the second is still in the window"


def test_a_refusal_counts_for_nothing(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is refused and asks on is let in as soon as the window has room."""
    now = time.time()
    for _ in range(3):
        limits.count_start(ada)
    for second in range(0, 60, 5):
        monkeypatch.setattr(time, "time", lambda second=second: now + second)
        with pytest.raises(UserRateReached):
            limits.count_start(ada)
    monkeypatch.setattr(time, "time", lambda: now + 62)
    limits.count_start(ada)


def test_one_persons_rate_is_nobody_elses(ada: User, bo: User) -> None:
    for _ in range(3):
        limits.count_start(ada)
    limits.count_start(bo)


def test_all_together_have_a_rate_of_their_own(ada: User, bo: User, settings: Settings) -> None:
    settings.NEOAPEX_ORG_RATE = parse("4/minute")
    for user in (ada, bo, ada, bo):
        limits.count_start(user)
    with pytest.raises(OrganisationRateReached):
        limits.count_start(bo)


def test_without_a_rate_nothing_is_counted(ada: User, settings: Settings) -> None:
    settings.NEOAPEX_USER_RATE = None
    for _ in range(9):
        limits.count_start(ada)
    assert not list(redis_server.connection().scan_iter("neoapex:rate:*"))


def test_a_quote_costs_nothing_and_says_that_the_rate_is_reached(ada: User) -> None:
    for _ in range(9):
        assert generations.quote(person=ada, endpoint="text-to-music", inputs=DESCRIBED).reasons == []
    for _ in range(3):
        limits.count_start(ada)
    answer = generations.quote(person=ada, endpoint="text-to-music", inputs=DESCRIBED)
    assert [reason.code for reason in answer.reasons] == ["user_rate_reached"]
    assert answer.retry_after_seconds
    assert nothing_was_written()


def test_a_repeat_gives_its_song_without_new_money_and_counts_for_the_rate(ada: User) -> None:
    first = generations.start(person=ada, inputs=DESCRIBED, idempotency_key="key")
    for _ in range(2):
        assert generations.start(person=ada, inputs=DESCRIBED, idempotency_key="key") == first
    with pytest.raises(UserRateReached):
        generations.start(person=ada, inputs=DESCRIBED, idempotency_key="key")
    assert money_of(ada) == (first.cost_micros, 0)


def test_refusals_come_as_rate_input_reach_waiting_budget(settings: Settings, db: None) -> None:
    """Whoever it is comes before all of them: nobody gets here without a person."""
    poor = person("poor", songs=1)
    settings.NEOAPEX_USER_WAITING = 1
    asked_for(poor)
    breaker.note(AccountLocked(provider_failed=True))
    settings.NEOAPEX_USER_RATE = parse("1/minute")
    limits.count_start(poor)
    bad: dict[str, object] = {"prompt": "x", "vibe_strength": 9}
    with pytest.raises(UserRateReached):
        generations.start(person=poor, inputs=bad)
    settings.NEOAPEX_USER_RATE = None
    with pytest.raises(InvalidInput):
        generations.start(person=poor, inputs=bad)
    with pytest.raises(FalUnavailable):
        asked_for(poor)
    breaker.close()
    with pytest.raises(TooManyWaiting):
        asked_for(poor)
    settings.NEOAPEX_USER_WAITING = 9
    with pytest.raises(InsufficientBudget):
        asked_for(poor)
    assert Generation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_no_more_than_the_rate(ada: User) -> None:
    answers = race(12, lambda _: limits.count_start(ada))
    refused = errors_in(answers)
    assert len(refused) == 9
    assert {type(error) for error in refused} == {UserRateReached}


# --- Addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::1%eth0", "2001:db8:1:2::"),
        ("no address", "no address"),
    ],
)
def test_a_whole_network_of_new_addresses_counts_as_one(address: str, network: str) -> None:
    assert limits.network_of(address) == network


def test_each_address_has_its_own_window(settings: Settings) -> None:
    settings.NEOAPEX_ADDRESS_RATE = parse("2/minute")
    for last in (1, 2):
        limits.count_stranger(f"2001:db8::{last}")
    with pytest.raises(AddressRateReached) as caught:
        limits.count_stranger("2001:db8::3")
    assert 1 <= caught.value.retry_after_seconds <= 60
    limits.count_stranger("192.0.2.1")


# --- Without Redis ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("redis_is_away")
def test_without_redis_songs_are_counted_in_the_database(ada: User, bo: User, settings: Settings) -> None:
    started = [asked_for(ada) for _ in range(3)]
    with pytest.raises(UserRateReached) as caught:
        asked_for(ada)
    assert 58 <= caught.value.retry_after_seconds <= 60
    asked_for(bo)
    aged(started[0], created_at=45)
    refusal = limits.refusal_of_start(ada)
    assert refusal is not None
    assert 14 <= refusal.retry_after_seconds <= 16
    aged(started[0], created_at=61)
    asked_for(ada)


@pytest.mark.usefixtures("redis_is_away")
def test_without_redis_all_together_are_counted_too(ada: User, bo: User, settings: Settings) -> None:
    settings.NEOAPEX_ORG_RATE = parse("2/minute")
    asked_for(ada), asked_for(bo)
    with pytest.raises(OrganisationRateReached):
        asked_for(bo)


@pytest.mark.usefixtures("redis_is_away")
def test_without_redis_the_songs_of_long_ago_are_not_read_again(ada: User, settings: Settings) -> None:
    settings.NEOAPEX_ORG_RATE = parse("5/minute")
    lay(100, 50)
    asked_for(ada)
    with CaptureQueriesContext(connection) as queries:
        assert limits.refusal_of_start(ada) is None
    told = [query["sql"] for query in queries if "studio_generation" in query["sql"]]
    assert len(told) == 2, "hers and everybody's"
    assert [rows_read(plan(sql)) <= 5 for sql in told] == [True, True]


@pytest.mark.usefixtures("redis_is_away")
def test_without_redis_strangers_are_let_through(settings: Settings) -> None:
    """They can start nothing, and a login page that Redis could shut would lock everybody out."""
    settings.NEOAPEX_ADDRESS_RATE = parse("1/minute")
    for _ in range(3):
        limits.count_stranger("192.0.2.1")


def test_a_clock_that_goes_back_shuts_nobody_out_for_longer_than_a_window(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    for _ in range(3):
        limits.count_start(ada)
    monkeypatch.setattr(time, "time", lambda: now)
    refusal = limits.refusal_of_start(ada)
    assert refusal is not None
    assert refusal.retry_after_seconds <= 60
    [key] = redis_server.connection().scan_iter("neoapex:rate:*")
    assert 0 < redis_server.connection().ttl(key) <= 60, "Redis forgets the window by its own clock"
