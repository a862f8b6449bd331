"""The store: one transaction for everything that an outcome brings, and moods in their order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.config import Config
from simulator.moods import CALM, Mood
from simulator.outcomes import CANCELLED, Outcome
from simulator.store import Order, Store, StoredRequest

SONG = Outcome(200, {"seed": 1}, 1.0, files=(("/files/a.wav", "audio/wav", "a.wav", 44),))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


def ordered(store: Store, request_id: str = "one") -> StoredRequest:
    order = Order(
        request_id=request_id,
        endpoint_id="sonauto/v2/text-to-music",
        arguments={"prompt": "x"},
        webhook_url="http://127.0.0.1/hook",
        base_url="http://127.0.0.1",
        mood=CALM,
        drawn_seed=2**63 - 1,
        song_seconds=2.0,
        start_timeout_seconds=None,
    )
    return store.add_request(order)


def test_a_second_outcome_changes_neither_bill_nor_result_nor_deliveries(store: Store) -> None:
    request = ordered(store)
    assert store.complete(request, SONG, [(b"{}", 0.0)])
    assert not store.complete(request, SONG, [(b"{}", 0.0)])
    assert not store.complete(request, CANCELLED, [(b"{}", 0.0)])
    assert store.request("one").outcome == SONG
    assert len(store.bill()) == len(store.deliveries()) == 1


def test_an_outcome_whose_bill_line_cant_be_written_did_not_happen(store: Store) -> None:
    request = ordered(store)
    store._write("INSERT INTO bill VALUES ('one', 'x', 1, 1.0, 0)")
    with pytest.raises(Exception, match="UNIQUE"):
        store.complete(request, SONG, [(b"{}", 0.0)])
    assert store.request("one").status == "IN_QUEUE"
    assert store.deliveries() == []


def test_a_request_starts_once(store: Store) -> None:
    request = ordered(store)
    assert store.start(request.request_id)
    assert not store.start(request.request_id)


def test_everything_is_there_after_a_restart(store: Store, tmp_path: Path) -> None:
    request = ordered(store)
    store.complete(request, SONG, [(b"body", 3600.0)])
    store.add_mood(Mood(next=3, call="jwks", answer_status=503))
    again = Store(tmp_path)
    assert again.request("one") == store.request("one")
    assert again.request("one").drawn_seed == 2**63 - 1
    assert again.deliveries() == store.deliveries()
    assert again.moods() == [Mood(next=3, call="jwks", answer_status=503)]
    again.close()


def test_moods_are_taken_oldest_first_by_their_own_kind_of_call(store: Store) -> None:
    first, second = Mood(answer_status=500), Mood(next=2, answer_status=503)
    for mood in (first, second, Mood(call="status", answer_status=502)):
        store.add_mood(mood)
    taken = [store.take_mood("submit") for _ in range(4)]
    assert [mood and mood.answer_status for mood in taken] == [500, 503, 503, None]
    assert [mood.call for mood in store.moods()] == ["status"]


def test_configuration_comes_from_the_environment_alone() -> None:
    environment = {"SIMULATOR_SLOTS": "3", "SIMULATOR_URL": "http://127.0.0.1:8001/", "SIMULATOR_RETIRED": "a/b/c,d/e"}
    config = Config.from_environment({**environment, "SIMULATOR_SONG_SECONDS": "", "PATH": "/bin"})
    assert (config.slots, config.url, config.retired) == (3, "http://127.0.0.1:8001", ("a/b/c", "d/e"))
    assert (config.song_seconds, config.home) == (90.0, None)
    with pytest.raises(ValueError, match="slots"):
        Config.from_environment({"SIMULATOR_SLOTS": "none"})
