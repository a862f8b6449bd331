"""What a long history costs: the ledger with many entries on a budget over the same with few."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import psycopg

from benchmarks.ledger_pairs import Clients
from benchmarks.ratios import Ratio

ROUNDS = 5
SECONDS = 1.5
READS = 40

# Songs in each person's present month, in the order in which they were bought. Who has most of all comes first: a
# reader that looks for theirs from the ledger's end has everybody else's to step over.
MANY, FEW, GROWN = "1@example.com", "2@example.com", "3@example.com"
SONGS = {MANY: 500_000, FEW: 500, GROWN: 50_000}
# Budgets that the rounds use up, one each.
FRESH = range(3, 3 + ROUNDS)

# A whole history in one statement, holds and charges by turns, as the ledger itself would have left it.
HISTORY = """
INSERT INTO ledger_entry (id, kind, budget_id, held_delta, spent_delta, reference, label, hold_id)
SELECT
    before.id + 2 * song + step,
    CASE step WHEN 1 THEN 'HOLD' ELSE 'CHARGE' END,
    ledger_budget.id,
    CASE step WHEN 1 THEN 75000 ELSE -75000 END,
    CASE step WHEN 1 THEN 0 ELSE 75000 END,
    'generation:' || md5(email || song)::uuid,
    'text-to-music',
    CASE step WHEN 2 THEN before.id + 2 * song + 1 END
FROM
    (SELECT MAX(id) AS id FROM ledger_entry) before,
    ledger_budget JOIN studio_user ON studio_user.id = person_id,
    generate_series(0, %(songs)s - 1) song,
    generate_series(1, 2) step
WHERE email = %(email)s
ORDER BY song, step
"""
NEXT_ID = "SELECT setval(pg_get_serial_sequence('ledger_entry', 'id'), MAX(id)) FROM ledger_entry"
COUNTERS = """
UPDATE ledger_budget SET spent_micros = sums.spent
FROM (SELECT budget_id, SUM(spent_delta) AS spent FROM ledger_entry GROUP BY budget_id) sums
WHERE sums.budget_id = ledger_budget.id
"""
DAYS = """
INSERT INTO ledger_spending (budget_id, day, label, spent_micros)
SELECT budget_id, (created_at AT TIME ZONE 'UTC')::date, label, SUM(spent_delta)
FROM ledger_entry WHERE spent_delta <> 0 GROUP BY 1, 2, 3
"""


def run() -> list[Ratio]:
    os.environ.setdefault("REDIS_URL", "redis://127.0.0.1/0")
    os.environ["DJANGO_SETTINGS_MODULE"] = "neoapex.settings"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS growth")
        connection.execute("CREATE DATABASE growth")
    whole = os.environ["DATABASE_URL"]
    os.environ["DATABASE_URL"] = f"{whole.rpartition('/')[0]}/growth"
    try:
        subprocess.run([sys.executable, "-m", "django", "migrate", "-v0"], check=True, timeout=300)
        return _grown()
    finally:
        os.environ["DATABASE_URL"] = whole


def _grown() -> list[Ratio]:
    ours = Clients("ours")
    ours.do("prepare", accounts=FRESH.stop)
    _give_histories()
    # The reads come first: they are of the histories alone.
    rows = _reads()
    rows.append(_pairs(ours))
    ours.do("check")
    ours.end()
    return rows


def _give_histories() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        # The rows are right by construction; checking half a million foreign keys takes longer than all the rest.
        connection.execute("SET session_replication_role = replica")
        for email, songs in SONGS.items():
            connection.execute(HISTORY, {"email": email, "songs": songs})
        for statement in (NEXT_ID, COUNTERS, DAYS, "VACUUM ANALYZE"):
            connection.execute(statement)


def _pairs(ours: Clients) -> Ratio:
    grown = list(SONGS).index(GROWN)
    rounds = []
    for turn, fresh in enumerate(FRESH):
        order = (fresh, grown) if turn % 2 == 0 else (grown, fresh)
        rates = {first: ours.do("pairs", first=first, clients=16, seconds=SECONDS)["rate"] for first in order}
        rounds.append((rates[grown], rates[fresh]))
    many, few = (median(side) for side in zip(*rounds, strict=True))
    return Ratio(
        "hold and charge with 100,000 entries on the budget, 16 clients, over a fresh one",
        [many / few for many, few in rounds],
        ">= 0.95",
        f"{many:.0f} against {few:.0f} pairs/s",
    )


def _reads() -> list[Ratio]:
    command = [sys.executable, "-m", "benchmarks.ledger_growth"]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=300).stdout
    rows = []
    for name, rounds in json.loads(told).items():
        many, few = (median(side) for side in zip(*rounds, strict=True))
        rows.append(
            Ratio(
                f"{name} with 1,000,000 entries in the month over 1,000",
                [many / few for many, few in rounds],
                "<= 1.3",
                f"{many:.2f} against {few:.2f} ms",
            )
        )
    return rows


def measured_reads() -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of each read with many entries and with few, a pair a round; in a process of their own."""
    import django  # noqa: PLC0415

    django.setup()
    from django.conf import settings  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from ledger import queries  # noqa: PLC0415
    from studio.models import User  # noqa: PLC0415

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    # Nothing was collected here, and nothing is served.
    settings.STATIC_ROOT = settings.BASE_DIR / "static"
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    many, few = (User.objects.get(email=email) for email in (MANY, FEW))
    clients = {person: Client() for person in (many, few)}
    for person, client in clients.items():
        client.force_login(person)
    reads: dict[str, Callable[[Any], object]] = {
        "the balance's query": queries.balance,
        "the statement's query": queries.entries,
        "GET /api/credits/balance": lambda person: _page(clients[person], "/api/credits/balance"),
        "GET /api/ledger/entries": lambda person: _page(clients[person], "/api/ledger/entries"),
        "GET /budget/": lambda person: _page(clients[person], "/budget/"),
    }
    # The first round is for what is only read once.
    return {name: [_times(read, many, few) for _ in range(ROUNDS + 1)][1:] for name, read in reads.items()}


def _page(client: Any, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer


def _times(read: Callable[[Any], object], *people: Any) -> tuple[float, float]:
    """The median milliseconds of each person's read, taken in turns."""
    took: dict[Any, list[float]] = {person: [] for person in people}
    for _ in range(READS):
        for person, times in took.items():
            began = time.perf_counter()
            read(person)
            times.append((time.perf_counter() - began) * 1000)
    many, few = (median(times) for times in took.values())
    return many, few


if __name__ == "__main__":
    print(json.dumps(measured_reads()))
