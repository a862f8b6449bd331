"""Carries out a plan against a running studio: people post and cancel while its parts are killed and come back."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass, field

import httpx
import psutil

from tests.chaos.plan import FOREVER, Kill, Plan, Song
from tests.journeys.stack import RunningStudio

# An answer that asks to come again: too many in line, a part that is away, a server that was just killed.
AGAIN = {429, 500, 502, 503}
PAUSE_SECONDS = 0.5
# However long the studio was away, a person has an answer by then.
PATIENCE_SECONDS = 120.0
PERSON_TIMEOUT_SECONDS = 20.0


@dataclass
class Record:
    """What happened, in order, and what each person was told."""

    started_at: float = field(default_factory=time.monotonic)
    timeline: list[str] = field(default_factory=list)
    # By key: the ids that were given out for it, and the code of a refusal.
    created: dict[str, set[str]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    cancelled: dict[str, int] = field(default_factory=dict)
    server_errors: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.timeline.append(f"{time.monotonic() - self.started_at:7.2f}  {text}")


async def carry_out(plan: Plan, studio: RunningStudio, tokens: list[str]) -> Record:
    """Returns when everybody has an answer and every part runs again, or when nobody has the patience any more."""
    tell_the_simulator(plan, studio)
    record = Record()
    try:
        async with asyncio.timeout(plan.size.posting_seconds + PATIENCE_SECONDS), asyncio.TaskGroup() as crowd:
            crowd.create_task(_kill_parts(plan, studio, record))
            crowd.create_task(_rotate_keys(plan, studio, record))
            for person, token in enumerate(tokens):
                crowd.create_task(_be_a_person(plan, studio, record, person, token))
    except TimeoutError:
        record.note("somebody has no answer yet")
    else:
        record.note("everybody has an answer")
    return record


def tell_the_simulator(plan: Plan, studio: RunningStudio) -> None:
    for song in plan.songs:
        for mood in song.moods:
            studio.sim.set_mood(**{"seed": song.seed, **mood})
    for mood in plan.noise:
        studio.sim.set_mood(**{"next": FOREVER, **mood})


# --- People ----------------------------------------------------------------------------------------------------------


async def _be_a_person(plan: Plan, studio: RunningStudio, record: Record, person: int, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx.AsyncClient(
            base_url=studio.url, headers=headers, timeout=PERSON_TIMEOUT_SECONDS, trust_env=False
        ) as client,
        asyncio.TaskGroup() as songs,
    ):
        for song in plan.songs:
            if song.person == person:
                songs.create_task(_want_a_song(client, record, song))


async def _want_a_song(client: httpx.AsyncClient, record: Record, song: Song) -> None:
    await asyncio.sleep(song.at_seconds)
    async with asyncio.TaskGroup() as copies:
        for _ in range(song.copies):
            copies.create_task(_post(client, record, song))
    if song.cancel_after_seconds is not None and song.key in record.created:
        await asyncio.sleep(song.cancel_after_seconds)
        for generation_id in record.created[song.key]:
            record.cancelled[generation_id] = (
                await _until_answered(client, record, f"/api/generations/{generation_id}/cancel")
            ).status_code


async def _post(client: httpx.AsyncClient, record: Record, song: Song) -> None:
    body = {
        "tags": ["piano", "calm"],
        "lyrics": "",
        "seed": str(song.seed),
        "num_songs": song.num_songs,
        "output_format": song.output_format,
    }
    answer = await _until_answered(client, record, "/api/generations", json=body, headers={"Idempotency-Key": song.key})
    if answer.status_code in {200, 201}:
        record.created.setdefault(song.key, set()).add(str(answer.json()["id"]))
    else:
        record.refused[song.key] = f"{answer.status_code} {answer.json()['code']}"


async def _until_answered(client: httpx.AsyncClient, record: Record, path: str, **request: object) -> httpx.Response:
    """The first answer that is one, as a patient program gets it. The task group's timeout bounds it."""
    while True:
        try:
            answer = await client.post(path, **request)  # type: ignore[arg-type]
        except httpx.TransportError:
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        if answer.status_code not in AGAIN:
            return answer
        if answer.status_code >= 500:
            record.server_errors.append(f"{answer.status_code} {path} {answer.text[:200]}")
        await asyncio.sleep(min(float(answer.headers.get("Retry-After", PAUSE_SECONDS)), 3.0))


# --- Parts -----------------------------------------------------------------------------------------------------------


async def _rotate_keys(plan: Plan, studio: RunningStudio, record: Record) -> None:
    for at_seconds in plan.rotations:
        await _until(record, at_seconds)
        await asyncio.to_thread(studio.sim.rotate_keys, keep=False)
        record.note("fal's keys rotated")


async def _kill_parts(plan: Plan, studio: RunningStudio, record: Record) -> None:
    """One after the other, so that each is back before the next goes: what is killed while it is away stays whole."""
    for kill in plan.kills:
        await _until(record, kill.at_seconds)
        if kill.target == "child":
            _kill_a_child(studio, record)
        else:
            await _kill_and_restart(studio, record, kill)


async def _kill_and_restart(studio: RunningStudio, record: Record, kill: Kill) -> None:
    studio.kill(kill.target)
    record.note(f"killed {kill.target}")
    await asyncio.sleep(kill.down_seconds)
    # Here and not in a thread: a child dies with the thread that started it.
    studio.start(kill.target)
    record.note(f"started {kill.target}")


def _kill_a_child(studio: RunningStudio, record: Record) -> None:
    """One of a worker's pool, as the kernel does when memory runs out: mostly the one that fetches."""
    running = [studio.processes[name] for name in ("media", "worker") if name in studio.processes]
    children = [child for process in running for child in psutil.Process(process.pid).children(recursive=True)]
    if children:
        os.kill(children[0].pid, signal.SIGKILL)
    record.note("killed a child of worker" if children else "worker had no child to kill")


async def _until(record: Record, at_seconds: float) -> None:
    await asyncio.sleep(max(0.0, record.started_at + at_seconds - time.monotonic()))
