"""What is left when the dust has settled: the rows, fal's own record of each request, and how to wait for an end."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.chaos.executor import Record
from tests.chaos.plan import Plan, Song
from tests.journeys.stack import WORKERS, RunningStudio

FINAL = ("READY", "FAILED", "CANCELLED")
PARTS = ("postgres", "redis", "web", *WORKERS, "beat")
LOOK_SECONDS = 1.0
DULL = ('"level": "INFO"', "callback refused", "Forbidden: /webhooks/")

Row = dict[str, Any]


@dataclass(frozen=True)
class Aftermath:
    """All of it keyed by generation id, but for the bill, which is by fal's request id."""

    plan: Plan
    record: Record
    studio: RunningStudio
    generations: dict[str, Row]
    tracks: dict[str, list[Row]]
    events: dict[str, list[Row]]
    requests: dict[str, list[Row]]
    heard: set[str]
    bill: dict[str, int]

    def song_of(self, generation_id: str) -> Song:
        seed = self.generations[generation_id]["seed"]
        return next(song for song in self.plan.songs if song.seed == seed)

    def billed_micros(self, generation_id: str) -> int:
        return sum(self.bill.get(request["request_id"], 0) for request in self.requests.get(generation_id, []))

    def is_lost_twice(self, generation_id: str) -> bool:
        """fal's answer to the submit and every callback were lost: nothing but fal's bill tells of such a request."""
        row = self.generations[generation_id]
        unheard = all(request["request_id"] not in self.heard for request in self.requests.get(generation_id, []))
        return row["request_id"] is None and row["reason_code"] == "lost" and unheard


async def wait_for_the_end(plan: Plan, studio: RunningStudio, record: Record, seconds: float) -> None:
    """Until every generation is final, at most `seconds`; what isn't by then is for the checks to tell."""
    studio.sim.clear_moods()
    record.note("moods cleared")
    for name in PARTS:
        if not studio.is_up(name):
            studio.start(name)
            record.note(f"started {name}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not unfinished(studio) and not still_coming(plan, studio):
            record.note("everything is final")
            return
        await asyncio.sleep(LOOK_SECONDS)
    record.note("out of patience")


def unfinished(studio: RunningStudio) -> list[Row]:
    """What isn't final, and the outcomes that still are on their way to what looks so."""
    return rows(
        studio,
        "SELECT g.id::text, g.state FROM studio_generation g WHERE g.state NOT IN ('READY', 'FAILED', 'CANCELLED')"
        " OR EXISTS (SELECT FROM webhooks_delivery d WHERE d.generation_id = g.id AND d.processed_at IS NULL)",
    )


def still_coming(plan: Plan, studio: RunningStudio) -> list[Row]:
    """Callbacks that fal has still to deliver; a forged one comes for ever, and changes nothing."""
    seeds = {row["id"]: row["seed"] for row in rows(studio, "SELECT id::text, seed FROM studio_generation")}
    forged = {song.seed for song in plan.songs if song.forged}
    return [
        delivery
        for delivery in studio.sim.deliveries()
        if delivery["pending"] and seeds.get(generation_of(delivery["url"])) not in forged
    ]


def generation_of(webhook_url: str) -> str:
    return webhook_url.rstrip("/").rsplit("/", 1)[-1]


def rows(studio: RunningStudio, query: str) -> list[Row]:
    with psycopg.connect(studio.environment["DATABASE_URL"], row_factory=dict_row, connect_timeout=10) as connection:
        return connection.execute(query.encode()).fetchall()


def gather(plan: Plan, studio: RunningStudio, record: Record) -> Aftermath:
    requests: dict[str, list[Row]] = {}
    for request in studio.sim.requests():
        requests.setdefault(generation_of(str(request["webhook_url"])), []).append(request)
    return Aftermath(
        plan=plan,
        record=record,
        studio=studio,
        generations={row["id"]: row for row in rows(studio, "SELECT *, id::text FROM studio_generation")},
        tracks=_by_generation(rows(studio, "SELECT *, id::text, generation_id::text FROM studio_track")),
        events=_by_generation(rows(studio, "SELECT *, generation_id::text FROM studio_event ORDER BY id")),
        requests=requests,
        heard={row["request_id"] for row in rows(studio, "SELECT request_id FROM webhooks_delivery")},
        bill={line["request_id"]: line["cost_micros"] for line in studio.sim.bill()["requests"]},
    )


def _by_generation(found: list[Row]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = {}
    for row in found:
        grouped.setdefault(row["generation_id"], []).append(row)
    return grouped


def story(after: Aftermath, generation_id: str) -> str:
    """One generation for an engineer: what was meant to go wrong with it, what it says, what fal says, its events."""
    row = after.generations[generation_id]
    song = after.song_of(generation_id)
    shown = ("state", "reason_code", "request_id", "attempts", "asks", "charged_micros", "submit_started_at")
    lines = [
        f"{generation_id} {song.key}, asked for at {song.at_seconds:.1f} s, moods {list(song.moods)}",
        "  row     " + ", ".join(f"{name}={row[name]}" for name in shown),
    ]
    lines += [f"  fal     {json.dumps(request)[:300]}" for request in after.requests.get(generation_id, [])]
    lines += [
        f"  track   {track['state']} {track['reason_code']} {track['alarm']}"
        for track in after.tracks.get(generation_id, [])
    ]
    for event in after.events.get(generation_id, []):
        lines.append(f"  event   {event['at']:%T.%f} {event['name']} {event['data']}")
    return "\n".join(lines)


def warnings(studio: RunningStudio, at_most: int = 60) -> list[str]:
    """What the processes said at WARNING or above, the last of each; but for the forgeries that were turned away."""
    found = []
    for name in ("web", *WORKERS, "beat"):
        lines = [line[:600] for line in studio.log(name).splitlines() if line.startswith("{")]
        said = [line for line in lines if not any(dull in line for dull in DULL)]
        found += [f"{name}: {line}" for line in said[-at_most // 3 :]]
    return found
