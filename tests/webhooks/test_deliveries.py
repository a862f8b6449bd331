"""From a stored delivery to an outcome: what is believed, what is flagged, and what is tried again."""

import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import Settings

from studio import dispatch, generations, settling, sweep
from studio.fal.answers import generation_failed
from studio.fal.errors import NotFinished, NotFound, Said, Unreachable
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.people import (
    ONE_SONG,
    asked_for,
    house_micros,
    kinds_of,
    money_of,
    names_of,
    put,
    song,
    unanswered,
)
from tests.webhooks.delivering import delivered, due_again, ok, stored
from tests.webhooks.signing import error_body, ok_body
from webhooks import deliveries, tasks
from webhooks.models import Delivery, Flag


@pytest.fixture
def unpinned(settings: Settings) -> None:
    settings.NEOAPEX_FAL_USER_ID = ""


def asked(fal: MockFalClient) -> list[str]:
    return [call.request_id for call in fal.calls if call.operation == "result"]


# --- A pinned account: the body is believed ---------------------------------------------------------------------------


def test_a_success_is_settled_from_its_body_without_asking_fal(
    ada: User, generation: Generation, fal: MockFalClient
) -> None:
    delivery = delivered(generation, ok(generation))
    assert (delivery.flag, delivery.attempts) == ("", 1)
    assert delivery.processed_at is not None
    assert generation.state == State.INGESTING
    assert money_of(ada) == (0, ONE_SONG)
    assert asked(fal) == []


def test_a_failure_is_settled_and_says_why(ada: User, generation: Generation) -> None:
    delivery = delivered(generation, error_body(str(generation.request_id)))
    assert delivery.flag == ""
    assert (generation.state, generation.reason_code) == (State.FAILED, "content_policy_violation")
    assert kinds_of(generation) == ["HOLD", "RELEASE"]
    assert money_of(ada) == (0, 0)


def test_a_failure_that_fal_bills_is_found_in_its_result_and_paid_by_the_house(
    ada: User, generation: Generation, fal: MockFalClient
) -> None:
    said = Said(422, error_type="no_media_generated", billable_units=Decimal(1))
    fal.fail(str(generation.request_id), generation_failed(said, None))
    delivered(generation, error_body(str(generation.request_id), kind="no_media_generated"))
    assert generation.state == State.FAILED
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


@pytest.mark.parametrize("trouble", [Unreachable(), NotFound(), NotFinished()])
def test_a_failure_whose_result_can_not_be_had_is_settled_from_its_body(
    generation: Generation, fal: MockFalClient, trouble: Exception
) -> None:
    fal.advance(str(generation.request_id))
    fal.will_raise("result", trouble)  # type: ignore[arg-type] # all of fal's
    assert delivered(generation, error_body(str(generation.request_id))).flag == ""
    assert generation.reason_code == "content_policy_violation"


def test_a_failure_whose_bill_is_out_of_reach_ends_at_once_and_is_paid_when_fal_can_be_asked(
    ada: User, generation: Generation, fal: MockFalClient
) -> None:
    said = Said(422, error_type="no_media_generated", billable_units=Decimal(1))
    fal.fail(str(generation.request_id), generation_failed(said, None))
    fal.will_raise("result", Unreachable())
    delivery = delivered(generation, error_body(str(generation.request_id), kind="no_media_generated"))
    assert (generation.state, money_of(ada), house_micros()) == (State.FAILED, (0, 0), 0)
    due_again(delivery)
    tasks.process_waiting()
    delivery.refresh_from_db()
    assert (delivery.flag, delivery.attempts, delivery.processed_at is None) == ("", 2, False)
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


def test_a_failure_whose_bill_stays_out_of_reach_is_no_dead_delivery(
    generation: Generation, fal: MockFalClient
) -> None:
    fal.will_raise("result", *(Unreachable() for _ in range(deliveries.TRIES)))
    delivery = delivered(generation, error_body(str(generation.request_id)))
    for _ in range(deliveries.TRIES - 1):
        due_again(delivery)
        tasks.process_waiting()
    delivery.refresh_from_db()
    assert (delivery.flag, delivery.attempts, delivery.processed_at is None) == ("", deliveries.TRIES, False)


@pytest.mark.parametrize("error", [None, 7, {"a": 1}, ["x"], "", "no code in here"])
@pytest.mark.parametrize("payload", [None, 7, "text", [], {"detail": 7}, {"detail": [None, 7]}])
def test_a_failure_of_any_shape_is_a_failure(generation: Generation, payload: Any, error: Any) -> None:
    body = ok(generation, payload={}, status="ERROR", error=error)
    delivery = delivered(generation, json.dumps(json.loads(body) | {"payload": payload}).encode())
    assert (delivery.flag, delivery.attempts) == ("", 1)
    assert generation.state == State.FAILED
    assert generation.reason_message


def test_a_cancelled_song_that_was_wished_away_ends_as_cancelled(ada: User, generation: Generation) -> None:
    generations.cancel(person=ada, generation_id=generation.pk)
    delivered(generation, error_body(str(generation.request_id), code=499, kind="client_cancelled"))
    assert generation.state == State.CANCELLED
    assert money_of(ada) == (0, 0)


def test_an_id_of_the_last_try_that_differs_is_nothing_odd(generation: Generation) -> None:
    assert delivered(generation, ok(generation, gateway_request_id="another")).flag == ""
    assert generation.state == State.INGESTING


# --- Without the result: fetched --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"payload": None, "payload_error": "Response payload is not JSON serializable."},
        {"payload_error": "something"},
        {"payload": None},
        {"payload": "text"},
        {"payload": []},
        {"status": "COMPLETED"},
        {"status": None},
        {"status": {"a": 1}},
    ],
)
def test_a_body_without_a_clear_result_makes_us_fetch_it(
    ada: User, generation: Generation, fal: MockFalClient, more: dict[str, object]
) -> None:
    fal.advance(str(generation.request_id))
    body = json.dumps(json.loads(ok(generation, song("https://a.b/from-the-body.wav"))) | more).encode()
    assert delivered(generation, body).flag == ""
    assert generation.state == State.INGESTING
    assert asked(fal) == [generation.request_id]
    assert "mock" in generation.tracks.get().source_url
    assert money_of(ada) == (0, ONE_SONG)


def test_without_a_pinned_account_a_delivery_is_only_a_doorbell(
    unpinned: None, generation: Generation, fal: MockFalClient
) -> None:
    fal.advance(str(generation.request_id))
    delivered(generation, ok(generation, song("https://a.b/from-a-stranger.wav")))
    assert generation.state == State.INGESTING
    assert "stranger" not in generation.tracks.get().source_url


def test_without_a_pinned_account_an_error_is_only_a_doorbell_too(
    ada: User, unpinned: None, generation: Generation, fal: MockFalClient
) -> None:
    fal.advance(str(generation.request_id))
    delivered(generation, error_body(str(generation.request_id)))
    assert generation.state == State.INGESTING
    assert money_of(ada) == (0, ONE_SONG)


@pytest.mark.parametrize("body_says", ["OK", "ERROR"])
def test_without_a_pinned_account_nothing_is_settled_that_fal_has_no_record_of(
    ada: User, unpinned: None, fal: MockFalClient, body_says: str
) -> None:
    """A stranger's delivery, signed by fal for them, at an address of ours: neither its payload nor its id is taken."""
    generation = unanswered(ada)
    body = ok_body("strangers", song()) if body_says == "OK" else error_body("strangers")
    delivery = delivered(generation, body, "strangers")
    assert delivery.processed_at is None
    assert (generation.state, generation.request_id) == (State.SUBMITTED, None)
    assert money_of(ada) == (ONE_SONG, 0)


def test_a_result_that_is_not_there_yet_is_fetched_later(
    unpinned: None, generation: Generation, fal: MockFalClient
) -> None:
    delivery = delivered(generation, ok(generation))
    assert (delivery.processed_at, generation.state) == (None, State.SUBMITTED)
    fal.advance(str(generation.request_id))
    due_again(delivery)
    tasks.process_waiting()
    generation.refresh_from_db()
    assert generation.state == State.INGESTING


# --- Flagged ----------------------------------------------------------------------------------------------------------


def test_a_song_that_nobody_knows_is_flagged(db: None) -> None:
    delivery = stored(uuid4(), ok_body("r", song()), "r")
    tasks.process_waiting()
    delivery.refresh_from_db()
    assert delivery.flag == Flag.UNKNOWN_GENERATION
    assert delivery.processed_at is not None


@pytest.mark.parametrize(
    "body", [b"", b"\0", b"\xff\xfe", b"{", b"[" * 100_000, b"[]", b"null", b'"text"', b"7", b"NaN"]
)
def test_a_body_that_is_no_object_is_flagged_and_settles_nothing(
    ada: User, generation: Generation, body: bytes
) -> None:
    assert delivered(generation, body).flag == Flag.UNREADABLE_BODY
    assert generation.state == State.SUBMITTED
    assert money_of(ada) == (ONE_SONG, 0)


def test_an_unreadable_first_body_does_not_keep_a_good_second_one_out(generation: Generation) -> None:
    delivered(generation, b"not json")
    assert delivered(generation, ok(generation)).flag == ""
    assert generation.state == State.INGESTING


def test_a_body_with_a_name_twice_is_read_as_its_last(generation: Generation) -> None:
    body = ok(generation).replace(b'"status": "OK"', b'"status": "ERROR", "status": "OK"')
    assert delivered(generation, body).flag == ""
    assert generation.state == State.INGESTING


def test_text_that_the_database_refuses_is_settled_all_the_same(ada: User, generation: Generation) -> None:
    body = ok(generation, song(lyrics="nul \0 and half \ud800", tags=["\0"]))
    assert delivered(generation, body).flag == ""
    assert generation.state == State.INGESTING
    assert money_of(ada) == (0, ONE_SONG)


def test_a_request_id_that_differs_from_the_songs_is_flagged_and_settles_nothing(
    ada: User, generation: Generation
) -> None:
    assert delivered(generation, ok_body("foreign", song()), "foreign").flag == Flag.FOREIGN_REQUEST
    assert generation.state == State.SUBMITTED
    assert generation.request_id != "foreign"
    assert money_of(ada) == (ONE_SONG, 0)


def test_another_songs_request_id_is_flagged_and_settles_neither(ada: User, bo: User, generation: Generation) -> None:
    other = unanswered(bo)
    delivery = stored(other.pk, ok(generation), str(generation.request_id))
    tasks.process_waiting()
    delivery.refresh_from_db()
    assert delivery.flag == Flag.FOREIGN_REQUEST
    assert set(Generation.objects.values_list("state", flat=True)) == {State.SUBMITTED}
    assert money_of(ada) == money_of(bo) == (ONE_SONG, 0)


def test_a_body_for_another_request_than_its_header_is_flagged(generation: Generation) -> None:
    body = ok_body("another", song())
    assert delivered(generation, body, str(generation.request_id)).flag == Flag.FOREIGN_REQUEST
    assert generation.state == State.SUBMITTED


def test_a_song_that_was_never_sent_takes_no_delivery(ada: User) -> None:
    waiting = asked_for(ada)
    assert delivered(waiting, ok_body("r", song()), "r").flag == Flag.FOREIGN_REQUEST
    assert (waiting.state, waiting.request_id) == (State.QUEUED, None)


def test_a_request_id_that_changed_hands_under_our_eyes_is_flagged(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The submit's answer is adopted between our look at the row and the settling."""
    generation = unanswered(ada)
    really = settling.settle

    def slow(*arguments: Any, **named: Any) -> None:
        dispatch.accepted(generation, "from the answer", 0)
        really(*arguments, **named)

    monkeypatch.setattr(settling, "settle", slow)
    assert delivered(generation, ok_body("from the callback", song()), "from the callback").flag == Flag.FOREIGN_REQUEST
    assert (generation.state, generation.request_id) == (State.SUBMITTED, "from the answer")


def test_a_different_second_payload_is_kept_and_flagged(ada: User, generation: Generation) -> None:
    delivered(generation, ok(generation))
    second = delivered(generation, ok(generation, song("https://v3.fal.media/other.wav")))
    assert second.flag == Flag.DIFFERENT_PAYLOAD
    assert Delivery.objects.count() == 2
    assert generation.tracks.count() == 1
    assert money_of(ada) == (0, ONE_SONG)


def test_an_error_after_a_success_is_flagged_and_takes_nothing_back(ada: User, generation: Generation) -> None:
    delivered(generation, ok(generation))
    assert delivered(generation, error_body(str(generation.request_id))).flag == Flag.DIFFERENT_PAYLOAD
    assert generation.state == State.INGESTING


def test_a_success_after_an_error_is_flagged_for_a_person_to_judge(ada: User, generation: Generation) -> None:
    delivered(generation, error_body(str(generation.request_id)))
    assert delivered(generation, ok(generation)).flag == Flag.DIFFERENT_PAYLOAD
    assert generation.state == State.FAILED
    assert money_of(ada) == (0, 0)


def test_a_different_payload_is_flagged_even_when_both_wait_together(generation: Generation) -> None:
    first = stored(generation.pk, ok(generation), str(generation.request_id))
    second = stored(generation.pk, ok(generation, song("https://a.b/c.wav")), str(generation.request_id))
    tasks.process_waiting()
    flags = dict(Delivery.objects.values_list("pk", "flag"))
    assert flags == {first.pk: "", second.pk: Flag.DIFFERENT_PAYLOAD}


# --- Before the answer, after a loss ----------------------------------------------------------------------------------


def test_a_callback_that_overtakes_the_submits_answer_finds_its_song(ada: User) -> None:
    generation = unanswered(ada)
    delivered(generation, ok_body("early", song()), "early")
    assert (generation.state, generation.request_id) == (State.INGESTING, "early")
    dispatch.accepted(generation, "early", 0)
    assert names_of(generation).count("job_started") == 1


def test_a_callback_for_a_lost_song_brings_it_back(ada: User, generation: Generation) -> None:
    put(generation, State.LOST)
    delivered(generation, ok(generation))
    assert generation.state == State.INGESTING
    assert (money_of(ada), house_micros()) == ((0, ONE_SONG), 0)


def test_a_callback_after_the_money_was_given_back_brings_the_song_and_the_house_pays(
    ada: User, generation: Generation
) -> None:
    put(generation, State.LOST)
    settling.fail(generation, sweep.NoTrace())
    delivered(generation, ok(generation))
    assert generation.state == State.INGESTING
    assert (money_of(ada), house_micros()) == ((0, 0), ONE_SONG)


def test_the_same_answer_that_arrives_while_its_callback_is_judged_makes_nothing_foreign(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = unanswered(ada)
    really = deliveries._is_foreign

    def slow(row: Generation, *arguments: Any) -> bool:
        dispatch.accepted(Generation.objects.get(pk=row.pk), "the same", 0)
        return really(row, *arguments)

    monkeypatch.setattr(deliveries, "_is_foreign", slow)
    assert delivered(generation, ok_body("the same", song()), "the same").flag == ""
    assert generation.state == State.INGESTING
