"""Forty thousand songs cost the process what five thousand cost."""

import time
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
from django.db import connection

from ledger.budgets import open_budget
from ledger.months import month_of
from simulator.store import Store
from studio import reconciliation
from studio.models import LineKind, Reconciliation, User
from tests.simulator.server import running_simulator
from tests.studio.reconciliation.bills import SONG, client_of

FEW, MANY = 5_000, 40_000

SONGS = """
INSERT INTO studio_generation (id, person_id, endpoint, state, recipe, seed, num_songs, cost_micros, charged_micros,
    request_id, reason_code, reason_message, reason_whose, raw_error, attempts, looks, asks, submit_started_at,
    finished_at)
SELECT md5(n::text)::uuid, %(person)s, 'text-to-music', 'READY', '{}', n, 1, 75000, 75000, 'r' || n, '', '', '', '', 1,
    0, 0, now(), now()
FROM generate_series(%(first)s, %(last)s) n
"""
HOLDS = """
INSERT INTO ledger_entry (kind, budget_id, held_delta, reference, label)
SELECT 'HOLD', %(budget)s, 75000, 'generation:' || md5(n::text)::uuid, 'text-to-music'
FROM generate_series(%(first)s, %(last)s) n
"""
CHARGES = """
INSERT INTO ledger_entry (kind, budget_id, held_delta, spent_delta, reference, label, hold_id)
SELECT 'CHARGE', budget_id, -75000, 75000, reference, label, id
FROM ledger_entry WHERE kind = 'HOLD' AND id NOT IN (SELECT hold_id FROM ledger_entry WHERE hold_id IS NOT NULL)
"""


def made(person: User, first: int, last: int) -> None:
    given = {"person": person.pk, "budget": open_budget(person, month_of()).pk, "first": first, "last": last}
    with connection.cursor() as cursor:
        for statement in (SONGS, HOLDS, CHARGES, "ANALYZE studio_generation", "ANALYZE ledger_entry"):
            cursor.execute(statement, given)


def billed(home: Path, numbers: Iterable[int]) -> None:
    endpoint, now = "sonauto/v2/text-to-music", time.time()
    store = Store(home)
    with store._connection as database:
        lines = [(f"r{number}", endpoint, SONG, 1.0, now - 1 - number / MANY) for number in numbers]
        database.executemany("INSERT INTO bill VALUES (?, ?, ?, ?, ?)", lines)
    store.close()


def run_and_peak() -> tuple[Reconciliation, int]:
    tracemalloc.start()
    try:
        return reconciliation.run(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_memory_does_not_grow_with_the_bill(ada: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fal has no line for the first song, and the studio knows none with the number 0."""
    peaks = []
    for first, last, at_fal in ((1, FEW, [0, *range(2, FEW + 1)]), (FEW + 1, MANY, range(FEW + 1, MANY + 1))):
        made(ada, first, last)
        billed(tmp_path, at_fal)
        with running_simulator(home=tmp_path) as sim:
            client = client_of(sim)
            monkeypatch.setattr(reconciliation, "from_settings", lambda client=client: client)
            found, peak = run_and_peak()
        kinds = [(line.request_id, line.kind) for line in reconciliation.lines(found)]
        assert kinds == [("r0", LineKind.ONLY_FALS), ("r1", LineKind.ONLY_OURS)]
        assert found.matched == last - 1
        assert found.ours_micros == found.fals_micros == last * SONG
        peaks.append(peak)
    assert peaks[1] < 1.1 * peaks[0], peaks
