"""While fal fails: nothing is sent, nothing new is taken in, nobody pays, and it mends by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from ledger.errors import InsufficientBudget
from studio import dispatch, generations, queries, redis_server, sweep
from studio.errors import FalUnavailable, InvalidInput, TooManyWaiting
from studio.fal import breaker
from studio.fal.errors import (
    AccountLocked,
    Ambiguous,
    FalError,
    GenerationFailed,
    InputRefused,
    KeyRefused,
    NotAccepted,
    Said,
    Unreachable,
)
from studio.fal.interface import Status
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.people import (
    ONE_SONG,
    aged,
    asked_for,
    errors_in,
    kinds_of,
    money_of,
    nothing_was_written,
    person,
    posts,
    race,
    submitted,
)


@pytest.fixture(autouse=True)
def few_failures(settings: Settings) -> None:
    settings.NEOAPEX_BREAKER_FAILURES, settings.NEOAPEX_BREAKER_SECONDS = 3, 60
    settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = 5


def down() -> NotAccepted:
    return NotAccepted("fal.ai is out of reach.", provider_failed=True)


def open_it() -> None:
    for _ in range(3):
        breaker.note(down())


def let_time_pass() -> None:
    long_ago = int((datetime.now(UTC) - timedelta(seconds=61)).timestamp())
    redis_server.connection().set(f"{breaker.NAMESPACE}:pybreaker:opened_at", long_ago)


def states() -> list[str]:
    return sorted(Generation.objects.values_list("state", flat=True))


# --- Open -------------------------------------------------------------------------------------------------------------


def test_while_it_is_open_no_song_is_claimed_and_each_keeps_its_place_and_money(ada: User, fal: MockFalClient) -> None:
    for _ in range(2):
        asked_for(ada)
    open_it()
    assert dispatch.dispatch() == 0
    assert posts(fal) == 0
    assert set(Generation.objects.values_list("state", "attempts")) == {(State.QUEUED, 0)}
    assert money_of(ada) == (2 * ONE_SONG, 0)


def test_fals_failures_in_a_row_open_it_and_the_songs_behind_stay_in_line(ada: User, fal: MockFalClient) -> None:
    for _ in range(5):
        asked_for(ada)
    fal.will_raise("submit", *[down() for _ in range(9)])
    dispatch.dispatch()
    assert posts(fal) == 3
    assert breaker.reach().is_open
    assert states() == [State.QUEUED] * 5
    assert money_of(ada) == (5 * ONE_SONG, 0)


def test_the_failure_that_opens_it_is_booked_as_what_it_was(ada: User, fal: MockFalClient) -> None:
    """A song that fal may have is not put back in line, least of all by the breaker's own error."""
    line = [asked_for(ada) for _ in range(3)]
    fal.will_raise("submit", *[Ambiguous(said=Said(500), provider_failed=True)] * 3)
    dispatch.dispatch()
    assert breaker.reach().is_open
    assert states() == [State.SUBMITTED] * 3
    let_time_pass()
    dispatch.dispatch()
    assert posts(fal) == 3
    assert {tuple(kinds_of(generation)) for generation in line} == {("HOLD",)}


def test_a_song_that_waits_too_long_for_fal_ends_and_its_money_comes_back(ada: User, settings: Settings) -> None:
    generation = asked_for(ada)
    open_it()
    aged(generation, created_at=settings.NEOAPEX_QUEUE_TIMEOUT + 1)
    sweep.sweep()
    generation.refresh_from_db()
    assert (generation.state, generation.reason_code, generation.reason_whose) == (State.FAILED, "queue_timeout", "fal")
    assert kinds_of(generation) == ["HOLD", "RELEASE"]
    assert money_of(ada) == (0, 0)


def test_a_new_song_is_refused_and_nothing_is_held(ada: User) -> None:
    open_it()
    with pytest.raises(FalUnavailable) as caught:
        asked_for(ada)
    assert 55 <= caught.value.retry_after_seconds <= 60
    assert nothing_was_written()
    assert money_of(ada) == (0, 0)


def test_a_repeat_of_what_was_started_before_still_gets_its_song(ada: User) -> None:
    inputs: dict[str, object] = {"prompt": "rain"}
    first = generations.start(person=ada, inputs=inputs, idempotency_key="key")
    open_it()
    assert generations.start(person=ada, inputs=inputs, idempotency_key="key") == first


def test_a_quote_says_so_and_when_to_ask_again(ada: User) -> None:
    open_it()
    answer = generations.quote(person=ada, endpoint="text-to-music", inputs={"prompt": "rain"})
    assert [reason.code for reason in answer.reasons] == ["fal_unavailable"]
    assert answer.retry_after_seconds
    breaker.close()
    answer = generations.quote(person=ada, endpoint="text-to-music", inputs={"prompt": "rain"})
    assert (answer.reasons, answer.retry_after_seconds) == ([], None)


def test_bad_input_is_told_before_and_a_full_line_after(settings: Settings, db: None) -> None:
    settings.NEOAPEX_USER_WAITING = 1
    poor = person("poor", songs=1)
    asked_for(poor)
    open_it()
    with pytest.raises(InvalidInput):
        asked_for(poor, vibe_strength=9)
    with pytest.raises(FalUnavailable):
        asked_for(poor)
    breaker.close()
    with pytest.raises(TooManyWaiting):
        asked_for(poor)


def test_our_own_refusals_never_open_it(db: None, settings: Settings) -> None:
    settings.NEOAPEX_USER_WAITING = 0
    nobody = person("nobody", songs=0)
    for _ in range(5):
        with pytest.raises(TooManyWaiting):
            asked_for(nobody)
        with pytest.raises(InvalidInput):
            asked_for(nobody, num_songs=7)
    settings.NEOAPEX_USER_WAITING = 9
    for _ in range(5):
        with pytest.raises(InsufficientBudget):
            asked_for(nobody)
    assert breaker.reach().state == "closed"


def test_songs_that_fal_refuses_one_by_one_never_open_it(ada: User, fal: MockFalClient) -> None:
    for _ in range(5):
        asked_for(ada)
    fal.will_raise("submit", *[InputRefused("no") for _ in range(5)])
    dispatch.dispatch()
    assert states() == [State.FAILED] * 5
    assert breaker.reach().state == "closed"


def test_a_song_that_we_can_not_even_make_a_request_of_is_no_failure_of_fals(ada: User) -> None:
    for _ in range(4):
        asked_for(ada)
    Generation.objects.update(recipe={"prompt": "x", "vibe_strength": 99})
    dispatch.dispatch()
    assert breaker.reach().state == "closed"


def test_fal_that_fails_to_tell_about_songs_counts_as_failing(ada: User, fal: MockFalClient) -> None:
    generation = submitted(ada)
    fal.will_raise("status", *[FalError(said=Said(502), provider_failed=True) for _ in range(3)])
    for _ in range(3):
        with pytest.raises(FalError):
            sweep._hear(generation)
    assert breaker.reach().is_open


def test_fal_that_fails_to_give_results_counts_as_failing(ada: User, fal: MockFalClient) -> None:
    generation = submitted(ada)
    fal.advance(str(generation.request_id))
    fal.will_raise("result", *[Unreachable(said=Said(503), provider_failed=True)] * 3)
    for _ in range(3):
        assert not breaker.reach().is_open
        assert not sweep.settle_from_fal(generation, str(generation.request_id))
    assert breaker.reach().is_open


def test_a_song_that_failed_at_fal_is_no_failure_to_tell_of_it(ada: User, fal: MockFalClient) -> None:
    for _ in range(4):
        generation = submitted(ada)
        fal.fail(str(generation.request_id), GenerationFailed(said=Said(500)))
        assert sweep.settle_from_fal(generation, str(generation.request_id))
    assert breaker.reach().state == "closed"


def test_songs_that_fal_has_are_settled_while_it_is_open(ada: User, fal: MockFalClient) -> None:
    generation = submitted(ada)
    open_it()
    fal.advance(str(generation.request_id), Status("COMPLETED"))
    assert sweep.settle_from_fal(generation, str(generation.request_id))
    generation.refresh_from_db()
    assert generation.state == State.INGESTING
    assert breaker.reach().is_open


# --- Half-open --------------------------------------------------------------------------------------------------------


def test_a_probe_that_fal_takes_brings_all_the_others_after_it(ada: User, fal: MockFalClient) -> None:
    for _ in range(4):
        asked_for(ada)
    open_it()
    let_time_pass()
    assert dispatch.dispatch() == 4
    assert breaker.reach().state == "closed"
    assert posts(fal) == 4


@pytest.mark.parametrize(
    "error", [down(), AccountLocked(provider_failed=True), KeyRefused(provider_failed=True)], ids=repr
)
def test_a_song_that_was_only_the_probe_keeps_its_place_its_tries_and_its_money(
    ada: User, fal: MockFalClient, error: FalError
) -> None:
    first, second = asked_for(ada), asked_for(ada)
    open_it()
    for _ in range(7):
        let_time_pass()
        fal.will_raise("submit", error)
        assert dispatch.dispatch() == 1
    first.refresh_from_db()
    assert (first.state, first.attempts, second.state) == (State.QUEUED, 0, State.QUEUED)
    assert breaker.reach().is_open
    let_time_pass()
    dispatch.dispatch()
    assert [call.arguments["seed"] for call in fal.submitted() if call.arguments][-2:] == [first.seed, second.seed]
    assert money_of(ada) == (2 * ONE_SONG, 0)


@pytest.mark.parametrize("error", [AccountLocked(provider_failed=True), KeyRefused(provider_failed=True)], ids=repr)
def test_a_locked_account_costs_one_song_its_chance_and_no_more(ada: User, fal: MockFalClient, error: FalError) -> None:
    for _ in range(4):
        asked_for(ada)
    fal.will_raise("submit", *[error] * 4)
    dispatch.dispatch()
    assert posts(fal) == 1
    assert states() == [State.FAILED] + [State.QUEUED] * 3


def test_a_failure_is_counted_before_what_is_booked_wakes_the_next(
    ada: User, fal: MockFalClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next song would go into the same locked account."""
    was_open: list[bool] = []
    book = dispatch._not_taken

    def look_then_book(*what: Any, **how: Any) -> None:
        was_open.append(breaker.reach().is_open)
        book(*what, **how)

    monkeypatch.setattr(dispatch, "_not_taken", look_then_book)
    asked_for(ada)
    fal.will_raise("submit", KeyRefused(provider_failed=True))
    dispatch.dispatch()
    assert was_open == [True]


def test_a_probe_that_a_wish_to_cancel_overtook_is_cancelled(ada: User, fal: MockFalClient) -> None:
    generation = asked_for(ada)
    open_it()
    let_time_pass()
    permit = breaker.admit()
    assert permit is not None
    claimed = dispatch.claim_next()
    assert claimed is not None
    generations.cancel(person=ada, generation_id=generation.pk)
    fal.will_raise("submit", down())
    with permit:
        dispatch.submit(claimed, is_probe=True)
    generation.refresh_from_db()
    assert generation.state == State.CANCELLED
    assert kinds_of(generation) == ["HOLD", "RELEASE"]


def test_once_the_time_is_over_a_new_song_is_taken_and_becomes_the_probe(ada: User, fal: MockFalClient) -> None:
    """Else nobody would ever find out that fal is there again."""
    open_it()
    let_time_pass()
    asked_for(ada)
    dispatch.dispatch()
    assert (posts(fal), breaker.reach().state) == (1, "closed")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_back", [False, True])
def test_ten_dispatchers_send_one_probe_between_them(ada: User, fal: MockFalClient, is_back: bool) -> None:
    """`is_back` false: fal still fails, so the one probe is all that is ever sent."""
    for _ in range(5):
        asked_for(ada)
    open_it()
    for _ in range(3):
        before = posts(fal)
        let_time_pass()
        if not is_back:
            fal.will_raise("submit", down())
        assert errors_in(race(10, lambda _: dispatch.dispatch())) == []
        if is_back:
            break
        assert posts(fal) == before + 1
        assert states() == [State.QUEUED] * 5
    if is_back:
        # The others were turned away while the probe was under way, or came after it: nobody is sent twice.
        dispatch.dispatch()
        assert posts(fal) == 5
        assert set(Generation.objects.values_list("attempts", flat=True)) == {1}


# --- Without Redis, and on the card -----------------------------------------------------------------------------------


def test_a_redis_that_was_flushed_strands_nothing(ada: User, fal: MockFalClient) -> None:
    generation = asked_for(ada)
    open_it()
    redis_server.connection().flushdb()
    dispatch.dispatch()
    generation.refresh_from_db()
    assert generation.state == State.SUBMITTED


def test_a_waiting_card_says_that_fal_is_out_of_reach(ada: User) -> None:
    generation = asked_for(ada)
    open_it()
    assert queries.card(ada, generation.pk).sentence.startswith("fal is out of reach just now.")
    breaker.close()
    assert queries.card(ada, generation.pk).sentence == "Waiting for a free place at fal."
