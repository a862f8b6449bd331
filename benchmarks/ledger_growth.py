"""What a long history costs: the ledger with many entries on a budget over the same with few."""

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

# A whole history in one statement, all in the present month, as the ledger itself would have left it.
HISTORY = """
WITH budget AS (
    SELECT ledger_budget.id, month FROM ledger_budget JOIN studio_user ON studio_user.id = person_id
    WHERE email = %(email)s
), held AS (
    INSERT INTO ledger_entry (kind, budget_id, held_delta, reference, label)
    SELECT 'HOLD', id, 75000, 'generation:' || gen_random_uuid(), 'text-to-music'
    FROM budget, generate_series(1, %(songs)s)
    RETURNING id, budget_id, reference, label
)
INSERT INTO ledger_entry (kind, budget_id, held_delta, spent_delta, reference, label, hold_id)
SELECT 'CHARGE', budget_id, -75000, 75000, reference, label, id FROM held
"""
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
    ours.do("prepare", accounts=4)
    _give_histories({"2@example.com": 50_000, "3@example.com": 500, "4@example.com": 500_000})
    rows = [_pairs(ours)]
    ours.do("check")
    ours.end()
    reads = subprocess.run(
        [sys.executable, "-m", "benchmarks.ledger_growth"], check=True, stdout=subprocess.PIPE, text=True, timeout=300
    )
    for line in reads.stdout.splitlines():
        name, *ratios = line.split("\t")
        rows.append(Ratio(name, [float(ratio) for ratio in ratios], "<= 1.3", "one person's month"))
    return rows


def _give_histories(songs: dict[str, int]) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        # The rows are right by construction; checking half a million foreign keys takes longer than all the rest.
        connection.execute("SET session_replication_role = replica")
        for email, number in songs.items():
            connection.execute(HISTORY, {"email": email, "songs": number})
        connection.execute(COUNTERS)
        connection.execute(DAYS)
        connection.execute("VACUUM ANALYZE")


def _pairs(ours: Clients) -> Ratio:
    how = {"clients": 16, "seconds": SECONDS}
    rounds = [[ours.do("pairs", first=first, **how)["rate"] for first in (0, 1)] for _ in range(ROUNDS)]
    fresh, grown = (median(side) for side in zip(*rounds, strict=True))
    return Ratio(
        "hold and charge with 100,000 entries on the budget, 16 clients, over a fresh one",
        [many / few for few, many in rounds],
        ">= 0.95",
        f"{grown:.0f} against {fresh:.0f} pairs/s",
    )


def print_reads() -> None:
    """The reads, in a process that has Django loaded: a line each, with a ratio a round."""
    import django  # noqa: PLC0415

    django.setup()
    from django.conf import settings  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from ledger import queries  # noqa: PLC0415
    from studio.models import User  # noqa: PLC0415

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    # Nothing was collected here, and nothing is served.
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    few, many = (User.objects.get(email=f"{number}@example.com") for number in (3, 4))
    clients = {person: Client() for person in (few, many)}
    for person, client in clients.items():
        client.force_login(person)
    reads: dict[str, Callable[[User], object]] = {
        "balance": queries.balance,
        "the statement by API": lambda person: _page(clients[person], "/api/ledger/entries"),
        "the budget page": lambda person: _page(clients[person], "/budget/"),
    }
    for name, read in reads.items():
        ratios = [_ratio(read, many, few) for _ in range(ROUNDS + 1)][1:]
        print(f"{name} with 1,000,000 entries over 1,000", *(f"{ratio:.3f}" for ratio in ratios), sep="\t")


def _page(client: Any, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer


def _ratio(read: Callable[[Any], object], many: Any, few: Any) -> float:
    """The time of a read of the one over the other, taken in turns."""
    took: dict[Any, list[float]] = {many: [], few: []}
    for _ in range(READS):
        for person, times in took.items():
            began = time.perf_counter()
            read(person)
            times.append(time.perf_counter() - began)
    return median(took[many]) / median(took[few])


if __name__ == "__main__":
    print_reads()
