"""Progress to the browser: after the commit and never before, caught up from the database, and quiet about words."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.db import transaction

from studio import generations, live, redis_server, transitions
from studio.models import Event, User
from tests.studio.people import asked_for, submitted


@pytest.fixture
def heard() -> Iterator[Any]:
    """Everything that is published to anybody from here on."""
    with redis_server.connection().pubsub() as subscription:  # type: ignore[no-untyped-call] # redis leaves it open
        subscription.psubscribe(live.channel_pattern())
        assert subscription.get_message(timeout=5)
        yield subscription


def messages(subscription: Any) -> list[tuple[str, str]]:
    found = []
    while message := subscription.get_message(ignore_subscribe_messages=True, timeout=0.05):
        found.append((message["channel"].decode(), message["data"].decode()))
    return found


@pytest.mark.django_db(transaction=True)
def test_an_event_is_heard_after_the_commit_and_not_before(ada: User, heard: Any) -> None:
    with transaction.atomic():
        generation = asked_for(ada)
        assert messages(heard) == []
    [(channel, text)] = messages(heard)
    assert channel == live.channel(ada.pk)
    head, name, data = text.split("\n")
    event = Event.objects.get()
    assert (head, name) == (f"id: {event.pk}", "event: job_queued")
    assert json.loads(data.removeprefix("data: ")) == {
        "generation": str(generation.pk),
        "at": event.at.isoformat(),
        "state": "QUEUED",
    }


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_never_heard(ada: User, heard: Any) -> None:
    with transaction.atomic():
        asked_for(ada)
        transaction.set_rollback(True)
    assert messages(heard) == []
    assert live.missed(ada.pk, 0) == []


@pytest.mark.django_db(transaction=True)
def test_a_redis_that_is_away_costs_the_event_nothing_but_the_push(
    ada: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(live, "connection", away)
    generation = asked_for(ada)
    assert len(live.missed(ada.pk, 0)) == 1
    assert "event not pushed" in caplog.text
    assert live.watched({ada.pk}) == set()
    generations.cancel(person=ada, generation_id=generation.pk)


@pytest.mark.django_db(transaction=True)
def test_what_is_heard_live_and_what_is_caught_up_are_the_same_words(ada: User, heard: Any) -> None:
    """So that a stream can drop what it has twice."""
    submitted(ada)
    assert [text for _, text in messages(heard)] == live.missed(ada.pk, 0)


def test_a_stream_catches_up_with_what_it_missed_oldest_first_and_only_its_own(ada: User, bo: User) -> None:
    generation = submitted(ada)
    asked_for(bo)
    mine = list(Event.objects.filter(generation=generation).order_by("pk"))
    assert live.missed(ada.pk, mine[0].pk) == [live.message(event) for event in mine[1:]]
    assert live.missed(ada.pk, mine[-1].pk) == []


def test_who_missed_more_than_is_replayed_gets_the_latest(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REPLAY_LIMIT", 3)
    generation = asked_for(ada)
    for number in range(5):
        transitions.record(generation, "job_progress", number=number)
    latest = list(Event.objects.order_by("pk"))[-3:]
    assert live.missed(ada.pk, 0) == [live.message(event) for event in latest]


def test_a_message_stays_on_its_lines_whatever_is_in_it(ada: User) -> None:
    transitions.record(asked_for(ada), "job_progress", logs=["one\ntwo\r\n\ndata: forged"])
    text = live.missed(ada.pk, 0)[-1]
    assert len(text.splitlines()) == 3
    assert json.loads(text.splitlines()[2].removeprefix("data: "))["logs"] == ["one\ntwo\r\n\ndata: forged"]


@pytest.mark.django_db(transaction=True)
def test_the_log_tells_events_without_the_words_of_the_model(ada: User, caplog: pytest.LogCaptureFixture) -> None:
    generation = asked_for(ada)
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="studio.events"):
        transitions.record(generation, "job_progress", state="RUNNING", logs=["singing: my secret lyrics"])
    [record] = [record for record in caplog.records if record.name == "studio.events"]
    assert (record.message, record.__dict__["state"]) == ("job_progress", "RUNNING")
    assert "secret" not in str(record.__dict__)


def test_people_are_watched_for_as_long_as_the_note_lives(ada: User, bo: User) -> None:
    live.watch(ada.pk)
    try:
        assert live.watched({ada.pk, bo.pk}) == {ada.pk}
        assert 0 < redis_server.connection().ttl(f"neoapex:watched:{ada.pk}") <= live.WATCH_SECONDS
    finally:
        redis_server.connection().delete(f"neoapex:watched:{ada.pk}")
    assert live.watched({ada.pk}) == set()
    assert live.watched(set()) == set()


def test_a_channel_names_its_person_and_nobody_else() -> None:
    assert live.person_of_channel(live.channel(17)) == 17
