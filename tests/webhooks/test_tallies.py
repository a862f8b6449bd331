"""What a flood costs: a number in memory, one row an hour for each reason, one line every few seconds."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from studio.models import Generation
from tests.studio.people import race
from tests.webhooks.conftest import Door
from tests.webhooks.delivering import ok
from tests.webhooks.signing import Fal
from webhooks import signatures, tallies
from webhooks.models import Outcome, Tally
from webhooks.tallies import Tallies


def counted() -> dict[str, int]:
    return dict(Tally.objects.values_list("outcome", "count"))


def lines_in(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.fixture
def this_process(door: Door) -> Tallies:
    return tallies._of_this_process()


def test_a_forged_flood_writes_no_row_and_no_line_for_each(
    door: Door,
    signer: Fal,
    generation: Generation,
    this_process: Tallies,
    caplog: pytest.LogCaptureFixture,
    django_assert_num_queries: Any,
) -> None:
    body = ok(generation)
    forged = Fal().headers(body, str(generation.request_id))
    door.deliver(generation, body)
    caplog.clear()
    with django_assert_num_queries(0):
        for _ in range(200):
            assert door.post(generation.pk, body, forged).status_code == 403
            assert door.post(generation.pk, body, {}).status_code == 403
    assert lines_in(caplog) == []
    assert not Tally.objects.exists()
    this_process.write()
    assert counted() == {"SIGNATURE": 200, "HEADERS": 200}
    [line] = lines_in(caplog)
    assert line.__dict__["outcomes"] == {"HEADERS": 200, "SIGNATURE": 200}


def test_every_refusal_is_counted_by_its_reason(
    door: Door, signer: Fal, generation: Generation, this_process: Tallies
) -> None:
    body = ok(generation)
    door.deliver(generation, body)
    door.deliver(generation, body)
    door.deliver(generation, body, age_seconds=400)
    door.deliver(generation, body, account="stranger")
    door.post(generation.pk, b"x" * 300_000, {})
    door.client.get(f"/webhooks/fal/{generation.pk}/")
    signer.status = 500
    signatures.key_ring()._fetched_at -= 25 * 3600
    signatures.key_ring()._tried_at -= 25 * 3600
    door.deliver(generation, body)
    this_process.write()
    assert counted() == {
        "REPEAT": 1, "STALE": 1, "ACCOUNT": 1, "TOO_LARGE": 1, "METHOD": 1, "OUT_OF_REACH": 1,
    }  # fmt: skip


def test_sums_of_an_hour_and_of_many_processes_are_one_row(db: None) -> None:
    for process in (Tallies(), Tallies(), Tallies()):
        process.add(Outcome.SIGNATURE)
        process.add(Outcome.SIGNATURE)
        process.write()
        process.write()
    [tally] = Tally.objects.all()
    assert (tally.outcome, tally.count) == ("SIGNATURE", 6)
    assert tally.hour == timezone.now().replace(minute=0, second=0, microsecond=0)


def test_repeats_are_counted_without_a_line(db: None, caplog: pytest.LogCaptureFixture) -> None:
    process = Tallies()
    process.add(Outcome.REPEAT)
    process.write()
    assert counted() == {"REPEAT": 1}
    assert lines_in(caplog) == []


def test_nothing_new_is_no_statement(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        Tallies().write()


def test_what_is_older_than_a_month_is_forgotten(db: None) -> None:
    old = timezone.now() - timedelta(days=tallies.KEPT_DAYS + 1)
    Tally.objects.create(hour=old, outcome=Outcome.STALE, count=1)
    process = Tallies()
    process.add(Outcome.HEADERS)
    process.write()
    assert counted() == {"HEADERS": 1}


def test_a_database_that_is_away_loses_no_count(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Tallies()
    process.add(Outcome.HEADERS)

    def away(*_: object) -> None:
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(tallies, "_write", away)
        with pytest.raises(OperationalError):
            process.write()
    process.add(Outcome.HEADERS)
    process.write()
    assert counted() == {"HEADERS": 2}


def test_counts_of_many_threads_are_all_there(db: None) -> None:
    process = Tallies()

    def add(_number: int) -> None:
        for _ in range(1000):
            process.add(Outcome.SIGNATURE)

    race(8, add)
    process.write()
    assert counted() == {"SIGNATURE": 8000}


@pytest.fixture
def writing_thread(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The real loop, with a short pause, until it has written twice."""
    written: list[int] = []

    class Enough(BaseException):
        pass

    def write(counts: Any) -> None:
        written.append(sum(counts.values()))
        if len(written) == 1:
            raise OperationalError
        raise Enough

    monkeypatch.setattr(tallies, "_write", write)
    monkeypatch.setattr(tallies, "WRITE_EVERY_SECONDS", 0)
    monkeypatch.setattr(tallies, "connection", type("Closed", (), {"close": staticmethod(lambda: None)}))
    process = Tallies()
    process.add(Outcome.HEADERS)
    with pytest.raises(Enough):
        process._run()
    return written


def test_the_thread_outlives_the_database_and_writes_what_is_left(writing_thread: list[int]) -> None:
    assert writing_thread == [1, 1]


@pytest.mark.slow
def test_a_process_has_one_thread_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Tallies] = []

    def start(one: Tallies) -> None:
        started.append(one)

    monkeypatch.setattr(Tallies, "start", start)
    tallies._of_this_process.cache_clear()
    for _ in range(3):
        tallies.add(Outcome.HEADERS)
    tallies._of_this_process.cache_clear()
    assert len(started) == 1
