"""What a long line costs: the claim of the next song with 10,000 waiting over the same with 10."""

import json
import logging
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, cast

import psycopg

from benchmarks.ratios import Ratio
from neoapex.embedded import ports
from neoapex.embedded.redis import RedisServer

ROUNDS = 7
CLAIMS = 60
TEMPLATE = "dispatch_empty"

# How many people wait with how many songs each.
FEW = (10, 1)
MANY = {"500 people with 20 each": (500, 20), "10,000 people": (10_000, 1), "10 people with 1,000 each": (10, 1_000)}

CROWD = """
WITH person AS (
    INSERT INTO studio_user (password, is_superuser, first_name, last_name, is_staff, is_active, date_joined, email)
    SELECT '', false, '', '', false, true, now(), n || '@example.com' FROM generate_series(1, %(people)s) n
    RETURNING id
)
INSERT INTO studio_generation (id, person_id, endpoint, state, recipe, seed, num_songs, cost_micros, reason_code,
    reason_message, reason_whose, raw_error, attempts, looks, asks, turn)
SELECT gen_random_uuid(), person.id, 'text-to-music', 'QUEUED', '{}', 1, 1, 75000, '', '', '', '', 0, 0, 0, n
FROM person, generate_series(1, %(songs)s) n
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A process with a line of its own in a database of its own."""

    commands: IO[str]
    answers: IO[str]

    def claim_ms(self) -> float:
        self.commands.write("claim\n")
        self.commands.flush()
        return float(json.loads(self.answers.readline()))


def run() -> list[Ratio]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "neoapex.settings"
    rows = []
    with _redis():
        _make_template()
        with _line("dispatch_few", *FEW) as few:
            for number, (name, shape) in enumerate(MANY.items()):
                with _line(f"dispatch_many_{number}", *shape) as many:
                    rows.append(_compared(name, many, few))
    return rows


def _compared(name: str, many: Line, few: Line) -> Ratio:
    rounds = []
    for turn in range(ROUNDS + 1):
        order = (many, few) if turn % 2 == 0 else (few, many)
        took = {id(line): line.claim_ms() for line in order}
        rounds.append((took[id(many)], took[id(few)]))
    # The first is for what is only read once.
    rounds = rounds[1:]
    long, short = (median(side) for side in zip(*rounds, strict=True))
    return Ratio(
        f"claim of the next song, 10,000 waiting ({name}) over 10",
        [mine / theirs for mine, theirs in rounds],
        "<= 1.3",
        f"{long:.2f} against {short:.2f} ms",
    )


@contextmanager
def _redis() -> Iterator[None]:
    """Each claim is told to whoever watches."""
    with tempfile.TemporaryDirectory(prefix="neoapex-bench-") as folder:
        place = Path(folder)
        server = RedisServer(
            place / "redis", ports.random_free(), secrets.token_hex(8), durable=False, log_path=place / "redis.log"
        )
        child = server.start()
        os.environ["REDIS_URL"] = server.url
        try:
            yield
        finally:
            child.stop()


def _make_template() -> None:
    with _server() as server:
        server.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        server.execute(f"CREATE DATABASE {TEMPLATE}")
    command = [sys.executable, "-m", "django", "migrate", "-v0"]
    subprocess.run(command, check=True, timeout=300, env=_environment(TEMPLATE))


@contextmanager
def _line(database: str, people: int, songs: int) -> Iterator[Line]:
    with _server() as server:
        server.execute(f"DROP DATABASE IF EXISTS {database}")
        server.execute(f"CREATE DATABASE {database} TEMPLATE {TEMPLATE}")
    with psycopg.connect(_environment(database)["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(CROWD, {"people": people, "songs": songs})
        connection.execute("VACUUM ANALYZE")
    command = [sys.executable, "-m", "benchmarks.dispatch_cost"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_environment(database)
    ) as process:
        yield Line(cast("IO[str]", process.stdin), cast("IO[str]", process.stdout))
        cast("IO[str]", process.stdin).close()
        process.wait(30)


@contextmanager
def _server() -> Iterator[psycopg.Connection]:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        yield connection


def _environment(database: str) -> dict[str, str]:
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    return {**os.environ, "DATABASE_URL": f"{server}/{database}"}


def answer_commands() -> None:
    """The child: each line on standard input is a round, whose median milliseconds go to standard output."""
    import django  # noqa: PLC0415

    django.setup()
    # Log lines go to standard output too.
    logging.disable()
    for _ in sys.stdin:
        print(json.dumps(median(_claim_once() for _ in range(CLAIMS))), flush=True)


def _claim_once() -> float:
    """One claim. The song then ends and its person asks for another, so that the line stays as long as it was."""
    from django.utils import timezone  # noqa: PLC0415

    from studio import dispatch, turns  # noqa: PLC0415
    from studio.models import Generation  # noqa: PLC0415

    began = time.perf_counter()
    claimed = dispatch.claim_next()
    took = (time.perf_counter() - began) * 1000
    assert claimed is not None
    Generation.objects.filter(pk=claimed.pk).update(state="READY", finished_at=timezone.now())
    Generation.objects.create(
        person_id=claimed.person_id,
        endpoint=claimed.endpoint,
        recipe={},
        seed=1,
        num_songs=1,
        cost_micros=claimed.cost_micros,
        turn=turns.next_turn(claimed.person),
    )
    return took


if __name__ == "__main__":
    answer_commands()
