"""What putting a song into line costs beyond its own row, over what Celery's `delay()` costs."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.ratios import Ratio
from tests.journeys.stack import running_studio

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7
SONGS = 300

# A song's row as it would be without a queue; and the same with what makes it one.
TABLES = """
    CREATE TABLE bench_bare (id bigserial PRIMARY KEY, recipe jsonb);
    CREATE TABLE bench_queued (
        id bigserial PRIMARY KEY, recipe jsonb, state text DEFAULT 'QUEUED', attempts smallint DEFAULT 0,
        run_at timestamptz DEFAULT now()
    );
    CREATE INDEX bench_waiting ON bench_queued (run_at) WHERE state = 'QUEUED';
"""
RECIPE = json.dumps({"prompt": "a calm piano piece at night", "num_songs": 1})


def run() -> list[Ratio]:
    """Milliseconds a song of (row that is a queue, and ring) over those of `delay()`, each beyond a bare row's."""
    with running_studio(with_worker=False) as studio:
        command = [sys.executable, "-m", "benchmarks.enqueue"]
        environment = {**studio.environment, "DJANGO_SETTINGS_MODULE": "neoapex.settings"}
        told = subprocess.run(
            command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=300
        ).stdout
    rounds: list[list[float]] = json.loads(told.splitlines()[-1])
    ours = [queued - bare for bare, queued, _ in rounds]
    theirs = [delayed - bare for bare, _, delayed in rounds]
    return [
        Ratio(
            "putting a song into line, beyond its row, over Celery's delay()",
            [mine / peer for mine, peer in zip(ours, theirs, strict=True)],
            "<= 1.0",
            f"{median(ours):.3f} ms against {median(theirs):.3f} ms",
        )
    ]


def measured() -> list[list[float]]:
    """Milliseconds a song of a bare row, of ours and of a bare row with `delay()`, a triple a round."""
    import django  # noqa: PLC0415

    from neoapex.celery import app  # noqa: PLC0415

    app.set_current()
    django.setup()
    from django.db import connection, transaction  # noqa: PLC0415

    from studio import doorbell, tasks  # noqa: PLC0415

    def insert(table: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} (recipe) VALUES (%s)", [RECIPE])  # noqa: S608

    def bare() -> None:
        with transaction.atomic():
            insert("bench_bare")

    def queued() -> None:
        with transaction.atomic():
            insert("bench_queued")
            doorbell.ring_on_commit("studio.dispatch")

    def delayed() -> None:
        bare()
        tasks.dispatch_waiting.delay()

    with connection.cursor() as cursor:
        cursor.execute(TABLES)
    # The first round is for connections and imports.
    return [[_milliseconds(act) for act in (bare, queued, delayed)] for _ in range(ROUNDS + 1)][1:]


def _milliseconds(act: Callable[[], None]) -> float:
    from studio import doorbell  # noqa: PLC0415

    began = time.perf_counter()
    for _ in range(SONGS):
        act()
    # Until the last ring has really been sent.
    doorbell.finish_rings(30)
    return (time.perf_counter() - began) * 1000 / SONGS


if __name__ == "__main__":
    print(json.dumps(measured()))
