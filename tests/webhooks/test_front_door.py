"""The door for fal: what is let in, what is turned away with what status, and that nothing is written before."""

import io
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection
from django.test import RequestFactory
from pytest_django import Settings

from studio import sweep
from studio.models import Event, Generation, User
from studio.states import GenerationState as State
from tests.database_faults import no_connection_left, only_reading
from tests.studio.fixtures import Rings
from tests.studio.people import errors_in, put, race, song, unanswered
from tests.webhooks.conftest import Door
from tests.webhooks.signing import Fal, ok_body
from webhooks import views
from webhooks.errors import BodyTooLarge
from webhooks.limits import BODY_MAX_BYTES
from webhooks.models import Delivery

LIMIT = BODY_MAX_BYTES


@pytest.fixture
def body(generation: Generation) -> bytes:
    return ok_body(str(generation.request_id), song())


def is_structured(answer: Any, code: str) -> bool:
    problem = answer.json()
    assert {"code", "message", "hint", "requestId"} <= problem.keys()
    assert problem["message"]
    assert problem["requestId"] == answer.headers["X-Request-Id"]
    return bool(problem["code"] == code)


# --- Let in -----------------------------------------------------------------------------------------------------------


def test_a_signed_callback_is_stored_as_it_came_and_rung_for(
    door: Door, generation: Generation, body: bytes, rings: Rings
) -> None:
    rings.clear()
    assert door.deliver(generation, body) == 200
    delivery = Delivery.objects.get()
    assert (delivery.generation_id, delivery.request_id) == (generation.pk, generation.request_id)
    assert bytes(delivery.body) == body
    assert (delivery.processed_at, delivery.attempts, delivery.flag) == (None, 0, "")
    assert rings == [("webhooks.process_waiting", {})]
    assert Generation.objects.get(pk=generation.pk).state == State.SUBMITTED


def test_a_repeat_is_answered_the_same_and_stored_once(
    door: Door, generation: Generation, body: bytes, rings: Rings
) -> None:
    rings.clear()
    assert [door.deliver(generation, body) for _ in range(3)] == [200] * 3
    assert Delivery.objects.count() == 1
    assert len(rings) == 1


def test_a_later_signature_of_the_same_body_is_a_repeat(door: Door, generation: Generation, body: bytes) -> None:
    door.deliver(generation, body, age_seconds=200)
    door.deliver(generation, body, age_seconds=0)
    assert Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_equal_callbacks_at_once_are_stored_once(
    door: Door, generation: Generation, body: bytes, rings: Rings
) -> None:
    rings.clear()
    answers = race(20, lambda _: door.deliver(generation, body))
    assert errors_in(answers) == []
    assert answers == [200] * 20
    assert Delivery.objects.count() == 1
    assert len(rings) == 1


def test_a_callback_for_a_song_that_nobody_knows_is_taken_and_kept(door: Door, signer: Fal, db: None) -> None:
    body = ok_body("r", song())
    assert door.post(uuid4(), body, signer.headers(body, "r")).status_code == 200
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_the_bytes_count_and_not_what_they_are_called(
    door: Door, generation: Generation, body: bytes, signer: Fal, content_type: str
) -> None:
    headers = signer.headers(body, str(generation.request_id))
    assert door.post(generation.pk, body, headers, content_type).status_code == 200
    assert bytes(Delivery.objects.get().body) == body


@pytest.mark.parametrize("body", [b"\0", b"\xff\xfe\0", b"", b"[" * 5000, b"null"])
def test_whatever_fal_signed_is_kept_byte_for_byte(door: Door, generation: Generation, body: bytes) -> None:
    assert door.deliver(generation, body) == 200
    assert bytes(Delivery.objects.get().body) == body


# --- Turned away ------------------------------------------------------------------------------------------------------


def forge(headers: dict[str, str], how: str) -> dict[str, str]:
    signature = headers["X-Fal-Webhook-Signature"]
    return {
        "no headers": {},
        "zero signature": headers | {"X-Fal-Webhook-Signature": "0" * 128},
        "short signature": headers | {"X-Fal-Webhook-Signature": signature[:-2]},
        "another account": headers | {"X-Fal-Webhook-User-Id": "stranger"},
        "another request": headers | {"X-Fal-Webhook-Request-Id": "other"},
        "another time": headers | {"X-Fal-Webhook-Timestamp": "1760000000"},
        "huge": headers | {"X-Fal-Webhook-Signature": "a" * 60_000},
        "twice": headers | {"X-Fal-Webhook-Signature": f"{signature},{signature}"},
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        "no headers",
        "zero signature",
        "short signature",
        "another account",
        "another request",
        "another time",
        "huge",
        "twice",
    ],
)
def test_a_forgery_is_turned_away_and_writes_nothing(
    door: Door, generation: Generation, body: bytes, signer: Fal, rings: Rings, how: str
) -> None:
    rings.clear()
    before = Generation.objects.values().get(pk=generation.pk), Event.objects.count()
    answer = door.post(generation.pk, body, forge(signer.headers(body, str(generation.request_id)), how))
    assert answer.status_code == 403
    assert is_structured(answer, "not_verified")
    assert not Delivery.objects.exists()
    assert (Generation.objects.values().get(pk=generation.pk), Event.objects.count()) == before
    assert rings == []


def test_a_stranger_learns_nothing_from_the_answer(
    door: Door, signer: Fal, generation: Generation, body: bytes
) -> None:
    known = door.post(generation.pk, body, {})
    unknown = door.post(uuid4(), body, {})
    assert {k: v for k, v in known.json().items() if k != "requestId"} == {
        k: v for k, v in unknown.json().items() if k != "requestId"
    }


def test_a_forgery_costs_no_query(
    door: Door, generation: Generation, body: bytes, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        assert door.post(generation.pk, body, {}).status_code == 403


def test_a_signed_callback_costs_one_query(
    door: Door, generation: Generation, body: bytes, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert door.deliver(generation, body) == 200


@pytest.mark.parametrize("age_seconds", [400, -400])
def test_a_stale_callback_is_turned_away_and_makes_the_sweep_ask_fal_soon(
    door: Door, generation: Generation, body: bytes, fal: Any, age_seconds: float
) -> None:
    assert door.deliver(generation, body, age_seconds=age_seconds) == 403
    assert not Delivery.objects.exists()
    assert Generation.objects.get(pk=generation.pk).state == State.SUBMITTED
    fal.advance(str(generation.request_id))
    sweep.sweep()
    assert Generation.objects.get(pk=generation.pk).state == State.INGESTING


def test_a_stale_callback_after_a_lost_answer_still_leads_to_the_song(door: Door, ada: User, fal: Any) -> None:
    generation = unanswered(ada)
    accepted = fal.submit("sonauto/v2/text-to-music", submitted_arguments(generation), webhook_url=None)
    fal.advance(accepted.request_id)
    assert door.deliver(generation, ok_body(accepted.request_id, song()), accepted.request_id, age_seconds=400) == 403
    sweep.sweep()
    assert Generation.objects.get(pk=generation.pk).state == State.INGESTING


def submitted_arguments(generation: Generation) -> dict[str, Any]:
    from_recipe = {"lyrics": "lyrics_prompt", "vibe_strength": "prompt_strength"}
    return {from_recipe.get(name, name): value for name, value in generation.recipe.items()}


def test_a_strangers_stale_callback_does_not_make_us_ask(door: Door, generation: Generation, body: bytes) -> None:
    put(generation, State.RUNNING, ask_at=generation.created_at)
    before = Generation.objects.values().get(pk=generation.pk)
    assert door.deliver(generation, body, age_seconds=400, account="stranger") == 403
    assert Generation.objects.values().get(pk=generation.pk) == before


# --- Keys out of reach ------------------------------------------------------------------------------------------------


def test_fifty_posts_while_the_keys_are_out_of_reach_are_asked_to_come_again_after_one_fetch(
    door: Door, generation: Generation, body: bytes, signer: Fal
) -> None:
    signer.status = 500
    headers = signer.headers(body, str(generation.request_id))
    answers = [door.post(generation.pk, body, headers if number % 2 else forge(headers, "zero signature"))
               for number in range(50)]  # fmt: skip
    assert {answer.status_code for answer in answers} == {503}
    assert {int(answer.headers["Retry-After"]) > 0 for answer in answers} == {True}
    assert is_structured(answers[0], "keys_unreachable")
    assert answers[0].json()["retry_after"] == int(answers[0].headers["Retry-After"])
    assert signer.fetches == 1
    assert not Delivery.objects.exists()


def test_a_malformed_signature_is_turned_away_without_any_fetch(
    door: Door, generation: Generation, body: bytes, signer: Fal
) -> None:
    signer.status = 500
    for how in ("no headers", "short signature", "huge", "twice"):
        headers = forge(signer.headers(body, str(generation.request_id)), how)
        assert door.post(generation.pk, body, headers).status_code == 403
    assert signer.fetches == 0


# --- Size -------------------------------------------------------------------------------------------------------------


class Counting(io.BytesIO):
    """A body that knows how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self.taken += len(block)
        return block


def test_a_body_that_says_it_is_too_large_is_refused_unread() -> None:
    stream = Counting(b"x" * (LIMIT + 1))
    request = RequestFactory().post("/", b"x" * (LIMIT + 1), content_type="application/json")
    request._stream = stream
    with pytest.raises(BodyTooLarge):
        views._body(request)
    assert stream.taken == 0


def test_a_body_that_lies_about_its_size_is_read_no_further_than_the_limit() -> None:
    request = RequestFactory().post("/", b"", content_type="application/json")
    stream = Counting(b"x" * (20 * LIMIT))
    request._stream = stream
    with pytest.raises(BodyTooLarge):
        views._body(request)
    assert stream.taken == LIMIT + 1


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 403), (LIMIT + 1, 413), (3 * LIMIT, 413)])
def test_the_limit_is_what_it_says(door: Door, generation: Generation, size: int, status: int) -> None:
    answer = door.post(generation.pk, b"x" * size, {})
    assert answer.status_code == status
    assert is_structured(answer, {403: "not_verified", 413: "too_large"}[status])
    assert not Delivery.objects.exists()


def test_a_large_body_within_the_limit_is_kept_when_it_is_signed(door: Door, generation: Generation) -> None:
    body = ok_body(str(generation.request_id), song(lyrics="la " * 60_000))
    assert door.deliver(generation, body) == 200


@pytest.mark.parametrize("length", ["²", "x", "-1", "1" * 5000])
def test_a_length_that_is_no_number_breaks_nothing(length: str) -> None:
    request = RequestFactory().post("/", b"{}", content_type="application/json")
    request.META["CONTENT_LENGTH"] = length
    if length.startswith("1"):
        with pytest.raises(BodyTooLarge):
            views._body(request)
    else:
        assert views._body(request) == b"{}"


# --- Other ways to knock ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_post_is_taken_and_the_answer_says_so(door: Door, generation: Generation, method: str) -> None:
    answer = door.client.generic(method, f"/webhooks/fal/{generation.pk}/")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert is_structured(answer, "method_not_allowed")


@pytest.mark.parametrize("path", ["/webhooks/fal/not-an-id/", "/webhooks/fal/", "/webhooks/", "/webhooks/x/y/z"])
def test_an_address_that_is_none_is_a_structured_404(door: Door, db: None, path: str) -> None:
    answer = door.client.post(path, b"{}", content_type="application/json")
    assert answer.status_code == 404
    assert is_structured(answer, "not_found")


def test_a_database_that_is_away_makes_fal_deliver_again(
    door: Door, generation: Generation, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise RuntimeError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr("webhooks.views.deliveries.receive", away)
        headers = door._signer.headers(body, str(generation.request_id))
        answer = door.post(generation.pk, body, headers)
    assert answer.status_code == 500
    assert is_structured(answer, "internal_error")
    assert "connection refused" not in answer.content.decode()
    assert door.deliver(generation, body) == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", [no_connection_left, only_reading])
def test_what_can_not_be_stored_now_is_asked_for_again_and_stored_then(door: Door, signer: Fal, fault: Any) -> None:
    generation_id, request_id = uuid4(), str(uuid4())
    body = ok_body(request_id, song())
    headers = signer.headers(body, request_id)
    with fault():
        answer = door.post(generation_id, body, headers)
    assert answer.status_code == 503
    assert is_structured(answer, "not_ready")
    assert int(answer.headers["Retry-After"]) > 0
    assert not Delivery.objects.exists()
    assert door.post(generation_id, body, headers).status_code == 200
    assert bytes(Delivery.objects.get().body) == body


@pytest.mark.django_db(transaction=True)
def test_a_database_that_was_restarted_since_costs_no_callback(door: Door, generation: Generation, body: bytes) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"],
        user=settings["USER"], password=settings["PASSWORD"],
    ) as outside:  # fmt: skip
        outside.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert door.deliver(generation, body) == 200
    assert Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_server_that_another_took_over_from_costs_no_callback(
    door: Door, generation: Generation, body: bytes
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    assert door.deliver(generation, body) == 200
    assert Delivery.objects.count() == 1


def test_an_account_that_is_not_pinned_lets_every_signed_callback_in(
    door: Door, generation: Generation, body: bytes, settings: Settings
) -> None:
    settings.NEOAPEX_FAL_USER_ID = ""
    assert door.deliver(generation, body, account="stranger") == 200
