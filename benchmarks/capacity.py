"""What one song takes of each part, for the capacity model of docs/scale.md: `python -m benchmarks.capacity`.

Seconds of CPU, for they say the same whoever else uses the machine; an idle studio's own are taken off.
"""

import sys
import time
from collections.abc import Mapping

import httpx
import psutil
import psycopg

from benchmarks.__main__ import postgres
from tests.journeys.stack import RunningStudio, running_studio, wait_for

SONGS = 40
SONG_SECONDS = 95
IDLE_SECONDS = 15
PARTS = ("web", "worker", "media", "beat", "postgres", "redis")
# Only the clock and the numbers of places: everything else is as delivered.
SETTINGS = {
    "NEOAPEX_FAL_SLOTS": "8",
    "NEOAPEX_USER_SLOTS": "8",
    "NEOAPEX_USER_WAITING": "200",
    "NEOAPEX_USER_RATE": "off",
}
_ROWS = "SELECT count(*), coalesce(sum(pg_column_size(one.*) + 28), 0)::bigint FROM {} AS one"


def run(songs: int = SONGS) -> None:
    with postgres(), running_studio(SETTINGS, durable=True, song_seconds=SONG_SECONDS, slots=8) as studio:
        idle = _idle(studio)
        rows_before = _rows(studio)
        with studio.client() as client:
            began = time.monotonic()
            cpu_before = _cpu(studio)
            _make(studio, client, songs)
            seconds = time.monotonic() - began
            cpu = {part: used - cpu_before[part] - idle[part] * seconds for part, used in _cpu(studio).items()}
        _report(songs, seconds, cpu, idle, rows_before, _rows(studio))


def _make(studio: RunningStudio, client: httpx.Client, songs: int) -> None:
    for number in range(songs):
        song = {"tags": ["rock"], "lyrics": f"la la {number}", "num_songs": 1, "seed": number}
        client.post("/api/generations", json={"endpoint": "text-to-music", **song}).raise_for_status()

    def all_ready() -> bool:
        states = studio.shell(
            "from studio.models import Generation; print(Generation.objects.filter(state='READY').count())"
        )
        return int(states) >= songs

    wait_for(all_ready, 60 + 30 * songs, lambda: studio.log("media")[-2000:])


def _cpu(studio: RunningStudio) -> dict[str, float]:
    """Of each part with its children, since it started."""
    return {part: _seconds_of(psutil.Process(_pid(studio, part))) for part in PARTS}


def _pid(studio: RunningStudio, part: str) -> int:
    return studio._children[part].process.pid if part in studio.servers else studio.processes[part].pid  # noqa: SLF001


def _seconds_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        own = child.cpu_times()
        total += own.user + own.system
    return float(total)


def _idle(studio: RunningStudio) -> dict[str, float]:
    """Seconds of CPU a second while nobody asks for anything."""
    before = _cpu(studio)
    time.sleep(IDLE_SECONDS)
    return {part: (used - before[part]) / IDLE_SECONDS for part, used in _cpu(studio).items()}


def _rows(studio: RunningStudio) -> dict[str, tuple[int, int]]:
    """Rows and bytes of each table, without indexes."""
    with psycopg.connect(studio.environment["DATABASE_URL"]) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^(studio|ledger|webhooks)_'"
        ).fetchall()
        return {str(name): tuple(connection.execute(_ROWS.format(name)).fetchone() or (0, 0)) for (name,) in names}


def _report(
    songs: int,
    seconds: float,
    cpu: Mapping[str, float],
    idle: Mapping[str, float],
    before: Mapping[str, tuple[int, int]],
    after: Mapping[str, tuple[int, int]],
) -> None:
    print(f"{songs} songs of {SONG_SECONDS} s in {seconds:.0f} s\n")
    print("| part | CPU s a song | CPU when idle |\n|---|---|---|")
    for part in PARTS:
        print(f"| {part} | {cpu[part] / songs:.3f} | {100 * idle[part]:.1f} % |")
    print("\n| table | rows a song | bytes a song |\n|---|---|---|")
    for name in sorted(after):
        rows, size = (late - early for late, early in zip(after[name], before[name], strict=True))
        if rows:
            print(f"| {name} | {rows / songs:.1f} | {size / songs:.0f} |")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else SONGS)
