"""Deliveries that break, that kill their worker, that come twice at once: tried again, left as dead, settled once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from studio import settling, sweep
from studio.fal.mock import MockFalClient
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests.studio.people import ONE_SONG, errors_in, kinds_of, money_of, names_of, race, song, submitted
from tests.webhooks.delivering import delivered, due_again, ok, stored
from tests.webhooks.signing import ok_body
from webhooks import deliveries, tasks
from webhooks.models import Delivery, Flag
from webhooks.signatures import Signed


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def settle(*_: object, **__: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(settling, "settle", settle)
    return monkeypatch


def test_a_delivery_that_breaks_is_tried_again_ever_later_and_then_left_as_dead(
    ada: User, generation: Generation, broken: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = delivered(generation, ok(generation))
    pauses = []
    for _ in range(deliveries.TRIES - 1):
        assert (delivery.processed_at, delivery.flag) == (None, "")
        pauses.append((delivery.run_at - timezone.now()).total_seconds())
        due_again(delivery)
        tasks.process_waiting()
        delivery.refresh_from_db()
    assert pauses == sorted(pauses)
    assert pauses[-1] > 4 * pauses[0] > 0
    assert (delivery.flag, delivery.attempts) == (Flag.DEAD, deliveries.TRIES)
    assert delivery.processed_at is not None
    assert caplog.text.count("a bug of ours") >= deliveries.TRIES
    assert money_of(ada) == (ONE_SONG, 0)


def test_a_delivery_that_works_at_the_second_try_is_settled(
    ada: User, generation: Generation, broken: pytest.MonkeyPatch
) -> None:
    delivery = delivered(generation, ok(generation))
    tasks.process_waiting()
    broken.undo()
    due_again(delivery)
    tasks.process_waiting()
    delivery.refresh_from_db()
    generation.refresh_from_db()
    assert (generation.state, delivery.flag, delivery.attempts) == (State.INGESTING, "", 2)


def test_one_delivery_that_breaks_does_not_hold_up_the_next(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = submitted(ada), submitted(ada)
    really = settling.settle

    def settle(generation_id: UUID, *arguments: Any, **named: Any) -> None:
        if generation_id == first.pk:
            raise RuntimeError("only this one")
        really(generation_id, *arguments, **named)

    monkeypatch.setattr(settling, "settle", settle)
    stored(first.pk, ok(first), str(first.request_id))
    assert delivered(second, ok(second)).flag == ""
    assert second.state == State.INGESTING


def test_a_song_whose_delivery_is_dead_is_found_by_the_sweep(
    ada: User, generation: Generation, fal: MockFalClient
) -> None:
    delivery = stored(generation.pk, ok(generation), str(generation.request_id))
    Delivery.objects.filter(pk=delivery.pk).update(flag=Flag.DEAD, processed_at=timezone.now())
    fal.advance(str(generation.request_id))
    sweep.ask_soon(generation.pk, str(generation.request_id))
    sweep.sweep()
    generation.refresh_from_db()
    assert generation.state == State.INGESTING


def test_a_worker_that_dies_in_the_middle_leaves_a_delivery_that_another_takes_up(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    delivery = stored(generation.pk, ok(generation), str(generation.request_id))
    with monkeypatch.context() as patch:
        patch.setattr(settling, "settle", die)
        with pytest.raises(Killed):
            tasks.process_waiting()
    delivery.refresh_from_db()
    assert (delivery.processed_at, delivery.attempts) == (None, 1)
    tasks.process_waiting()
    generation.refresh_from_db()
    assert generation.state == State.SUBMITTED, "the lease of the dead worker lasts"
    due_again(delivery)
    tasks.process_waiting()
    generation.refresh_from_db()
    assert generation.state == State.INGESTING


def test_a_delivery_that_kills_every_worker_is_left_as_dead(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = stored(generation.pk, ok(generation), str(generation.request_id))
    Delivery.objects.filter(pk=delivery.pk).update(attempts=deliveries.TRIES)
    tasks.process_waiting()
    delivery.refresh_from_db()
    assert delivery.flag == Flag.DEAD
    assert Generation.objects.get(pk=generation.pk).state == State.SUBMITTED


def test_a_delivery_is_processed_once(ada: User, generation: Generation) -> None:
    delivery = delivered(generation, ok(generation))
    for _ in range(3):
        due_again(delivery)
        tasks.process_waiting(unknown=1)
    delivery.refresh_from_db()
    assert delivery.attempts == 1


def test_a_replay_of_a_processed_delivery_changes_nothing(ada: User, generation: Generation) -> None:
    delivery = delivered(generation, ok(generation))
    told = names_of(generation)
    deliveries.process(delivery)
    delivery.refresh_from_db()
    assert (delivery.flag, names_of(generation)) == ("", told)
    assert money_of(ada) == (0, ONE_SONG)


def test_a_redelivery_while_the_first_is_being_processed_changes_nothing(
    ada: User, generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = ok(generation)
    really = settling.settle

    def slow(*arguments: Any, **named: Any) -> None:
        assert not deliveries.receive(Signed(str(generation.request_id), "our-account"), generation.pk, body)
        tasks.process_waiting()
        really(*arguments, **named)

    monkeypatch.setattr(settling, "settle", slow)
    delivery = delivered(generation, body)
    assert (delivery.attempts, delivery.flag) == (1, "")
    assert money_of(ada) == (0, ONE_SONG)


def test_the_oldest_is_first_and_a_round_is_bounded(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "BATCH", 2)
    waiting = [stored(uuid4(), ok_body(f"r{number}", song()), f"r{number}") for number in range(3)]
    for number, delivery in enumerate(waiting):
        Delivery.objects.filter(pk=delivery.pk).update(run_at=timezone.now() - timedelta(seconds=number + 1))
    tasks.process_waiting()
    assert [row.pk for row in Delivery.objects.filter(processed_at=None)] == [waiting[0].pk]


@pytest.mark.django_db(transaction=True)
def test_ten_workers_process_each_delivery_once(ada: User, settings: Settings) -> None:
    settings.NEOAPEX_FAL_SLOTS = settings.NEOAPEX_USER_SLOTS = 6
    songs = [submitted(ada) for _ in range(6)]
    for generation in songs:
        stored(generation.pk, ok(generation), str(generation.request_id))
    assert errors_in(race(10, lambda _: tasks.process_waiting())) == []
    assert set(Delivery.objects.values_list("attempts", "flag")) == {(1, "")}
    assert set(Generation.objects.values_list("state", flat=True)) == {State.INGESTING}
    assert money_of(ada) == (0, 6 * ONE_SONG)


@pytest.mark.django_db(transaction=True)
def test_a_delivery_and_the_sweep_at_once_settle_once(ada: User, fal: MockFalClient) -> None:
    generation = submitted(ada)
    fal.advance(str(generation.request_id))
    stored(generation.pk, ok(generation), str(generation.request_id))
    sweep.ask_soon(generation.pk, str(generation.request_id))
    acts: list[Callable[[], object]] = [tasks.process_waiting, sweep.sweep, tasks.process_waiting, sweep.sweep]
    assert errors_in(race(4, lambda number: acts[number]())) == []
    assert generation.tracks.count() == 1
    assert kinds_of(generation) == ["HOLD", "CHARGE"]
    assert money_of(ada) == (0, ONE_SONG)
