"""Deliveries that fal has signed and that are odd all the same, and copies that come at the worst moment."""

import gzip
import json
import threading
from typing import Any

import pytest

from studio import settling
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.people import ONE_SONG, errors_in, kinds_of, money_of, race, song, submitted
from tests.webhooks.conftest import Door
from tests.webhooks.delivering import delivered, ok
from tests.webhooks.signing import Fal, error_body
from webhooks import tasks
from webhooks.models import Delivery, Flag


def settled_from(door: Door, generation: Generation, body: bytes, **headers: str) -> Delivery:
    """Signed, sent through the door, and processed."""
    signed = door._signer.headers(body, str(generation.request_id)) | headers
    assert door.post(generation.pk, body, signed).status_code == 200
    tasks.process_waiting()
    generation.refresh_from_db()
    return Delivery.objects.get()


def test_a_compressed_body_is_kept_as_it_came_and_never_unpacked(door: Door, ada: User, generation: Generation) -> None:
    """A few hundred bytes may unpack to gigabytes, and fal sends none."""
    packed = gzip.compress(ok(generation) + b" " * 10_000_000)
    assert len(packed) < 20_000
    delivery = settled_from(door, generation, packed, **{"Content-Encoding": "gzip"})
    assert (bytes(delivery.body), delivery.flag) == (packed, Flag.UNREADABLE_BODY)
    assert (generation.state, money_of(ada)) == (State.SUBMITTED, (ONE_SONG, 0))


def test_a_plain_body_that_is_called_compressed_is_read_as_what_it_is(door: Door, generation: Generation) -> None:
    assert settled_from(door, generation, ok(generation), **{"Content-Encoding": "gzip"}).flag == ""
    assert generation.state == State.INGESTING


@pytest.mark.parametrize("depth", [50, 400])
def test_deep_nesting_beside_the_song_does_no_harm(door: Door, ada: User, generation: Generation, depth: int) -> None:
    deep: Any = "bottom"
    for _ in range(depth):
        deep = {"a": [deep]}
    assert settled_from(door, generation, ok(generation, song(timings=deep))).flag == ""
    assert (generation.state, money_of(ada)) == (State.INGESTING, (0, ONE_SONG))


@pytest.mark.parametrize("bottom", [b'{"a":', b"["])
def test_nesting_that_no_reader_follows_is_flagged_and_settles_nothing(
    door: Door, ada: User, generation: Generation, bottom: bytes
) -> None:
    body = ok(generation)[:-1] + b', "more": ' + bottom * 40_000 + b"}"
    assert settled_from(door, generation, body).flag == Flag.UNREADABLE_BODY
    assert (generation.state, money_of(ada)) == (State.SUBMITTED, (ONE_SONG, 0))


def test_a_request_id_given_twice_is_judged_by_the_one_that_is_read(door: Door, generation: Generation) -> None:
    body = ok(generation).replace(b"{", b'{"request_id": "another", ', 1)
    assert settled_from(door, generation, body).flag == ""
    assert generation.state == State.INGESTING


def test_a_request_id_given_twice_and_read_as_anothers_is_foreign(door: Door, generation: Generation) -> None:
    body = ok(generation)[:-1] + b', "request_id": "another"}'
    assert settled_from(door, generation, body).flag == Flag.FOREIGN_REQUEST
    assert generation.state == State.SUBMITTED


@pytest.mark.parametrize("request_id", [7, None, ["x"], {"a": 1}, True, ""])
def test_a_request_id_of_another_kind_is_foreign(door: Door, generation: Generation, request_id: Any) -> None:
    body = json.dumps(json.loads(ok(generation)) | {"request_id": request_id}).encode()
    assert settled_from(door, generation, body).flag == Flag.FOREIGN_REQUEST
    assert generation.state == State.SUBMITTED


@pytest.mark.parametrize("gateway", ["another", 7, None, "", ["x"]])
def test_the_id_of_fals_last_try_may_be_any(door: Door, generation: Generation, gateway: Any) -> None:
    assert settled_from(door, generation, ok(generation, gateway_request_id=gateway)).flag == ""
    assert generation.state == State.INGESTING


@pytest.mark.parametrize(
    "payload",
    [{}, {"audio": None}, {"audio": []}, {"audio": "x"}, {"audio": [None, 7]}, {"audio": {"url": 7}}, {"audio": [{}]}],
)
def test_a_success_without_audio_is_no_song_and_costs_the_person_nothing(
    door: Door, ada: User, generation: Generation, payload: Any
) -> None:
    assert settled_from(door, generation, ok(generation, payload)).flag == ""
    assert generation.state == State.FAILED
    assert money_of(ada) == (0, 0)


def test_numbers_beyond_all_bounds_do_no_harm(door: Door, ada: User, generation: Generation) -> None:
    body = ok(generation)[:-1] + b', "x": 1e999999, "y": ' + b"9" * 4000 + b', "z": NaN}'
    assert settled_from(door, generation, body).flag == ""
    assert money_of(ada) == (0, ONE_SONG)


@pytest.mark.parametrize(
    ("name", "value"),
    [("Request-Id", "r\0"), ("Request-Id", "r\x7f"), ("Request-Id", "ré"), ("Request-Id", "r\udc80"),
     ("Request-Id", "r\nr"), ("User-Id", "our-account\0"), ("User-Id", "öur"), ("Timestamp", "\udc80" * 10)],
)  # fmt: skip
def test_text_that_no_header_of_fals_has_is_refused_before_the_database_sees_it(
    door: Door, generation: Generation, signer: Fal, name: str, value: str
) -> None:
    headers = signer.headers(ok(generation), str(generation.request_id)) | {f"X-Fal-Webhook-{name}": value}
    assert door.post(generation.pk, ok(generation), headers).status_code == 403


# --- At the worst moment ----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_copies_that_arrive_while_the_first_is_being_settled_change_nothing(
    door: Door, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = submitted(ada)
    body, really = ok(generation), settling.settle
    is_settling, go_on = threading.Event(), threading.Event()
    settled: list[int] = []

    def slow(*arguments: Any, **named: Any) -> None:
        settled.append(1)
        is_settling.set()
        assert go_on.wait(30)
        really(*arguments, **named)

    monkeypatch.setattr(settling, "settle", slow)
    door.deliver(generation, body)
    # The last of them lets the first go on; all others have come and worked by then.
    copies_done = threading.Semaphore(0)

    def act(number: int) -> object:
        if number == 0:
            return tasks.process_waiting()
        assert is_settling.wait(30)
        if number == 7:
            for _ in range(6):
                assert copies_done.acquire(timeout=30)
            go_on.set()
            return None
        status = door.deliver(generation, body)
        tasks.process_waiting()
        copies_done.release()
        return status

    answers = race(8, act)
    assert errors_in(answers) == []
    assert answers[1:7] == [200] * 6
    assert settled == [1]
    assert list(Delivery.objects.values_list("attempts", "flag")) == [(1, "")]
    assert kinds_of(generation) == ["HOLD", "CHARGE"]
    assert (generation.tracks.count(), money_of(ada)) == (1, (0, ONE_SONG))


@pytest.mark.django_db(transaction=True)
def test_ten_copies_and_ten_workers_at_once_have_one_effect(door: Door, ada: User) -> None:
    generation = submitted(ada)
    body = ok(generation)

    def act(number: int) -> object:
        return door.deliver(generation, body) if number % 2 else tasks.process_waiting()

    assert errors_in(race(20, act)) == []
    tasks.process_waiting()
    assert Delivery.objects.count() == 1
    assert kinds_of(generation) == ["HOLD", "CHARGE"]
    assert (generation.tracks.count(), money_of(ada)) == (1, (0, ONE_SONG))


@pytest.mark.django_db(transaction=True)
def test_a_success_and_an_error_at_once_have_one_effect_and_one_is_flagged(
    door: Door, ada: User, fal: MockFalClient
) -> None:
    generation = submitted(ada)
    bodies = [ok(generation), error_body(str(generation.request_id))]

    def act(number: int) -> object:
        status = door.deliver(generation, bodies[number % 2])
        tasks.process_waiting()
        return status

    assert errors_in(race(8, act)) == []
    tasks.process_waiting()
    assert sorted(Delivery.objects.values_list("flag", flat=True)) == ["", Flag.DIFFERENT_PAYLOAD]
    outcome = (kinds_of(generation), money_of(ada))
    assert outcome in [(["HOLD", "CHARGE"], (0, ONE_SONG)), (["HOLD", "RELEASE"], (0, 0))]


def test_a_repeat_after_hours_changes_nothing(door: Door, ada: User, generation: Generation) -> None:
    delivered(generation, ok(generation))
    Delivery.objects.update(received_at="2020-01-01T00:00Z", processed_at="2020-01-01T00:00Z")
    before = Delivery.objects.values().get()
    assert door.deliver(generation, ok(generation)) == 200
    tasks.process_waiting()
    assert Delivery.objects.values().get() == before
    assert money_of(ada) == (0, ONE_SONG)
