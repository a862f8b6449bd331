"""Chaos: many songs by many people while fal misbehaves and every part of the studio is killed."""

import asyncio
import json
import os
import random
import time
from typing import Any

import pytest

from tests.chaos import aftermath, checks
from tests.chaos.aftermath import Aftermath
from tests.chaos.executor import Record, carry_out
from tests.chaos.plan import LONG, SHORT, Plan, Size, draw
from tests.journeys.stack import RunningStudio, running_studio

# Everything that the studio does after a while, it does after a little while here.
COMPRESSED = {
    "NEOAPEX_SWEEP_AFTER": "4",
    "NEOAPEX_LOST_AFTER": "12",
    "NEOAPEX_LOST_RELEASE": "24",
    "NEOAPEX_QUEUE_TIMEOUT": "120",
    "NEOAPEX_FAL_SLOTS": "8",
    "NEOAPEX_USER_SLOTS": "3",
    "NEOAPEX_USER_WAITING": "12",
    "NEOAPEX_USER_RATE": "100000/minute",
    "NEOAPEX_BREAKER_SECONDS": "2",
    "NEOAPEX_MEDIA_MAX_BYTES": str(4 * 1024 * 1024),
    "NEOAPEX_MONTHLY_BUDGET": "10.00",
}
FAL: dict[str, Any] = {
    "slots": 8,
    "song_seconds": 1.5,
    "queue_seconds": 0.2,
    "run_seconds": 0.3,
    "webhook_timeout_seconds": 5,
    "webhook_retry_seconds": 0.5,
    "webhook_retry_max_seconds": 3,
    "webhook_retries": 100,
}
TWO_SONGS_MICROS = 225_000
STORIES = 8
# Of many, the one whose thirty songs meet the most kinds of faults.
SHORT_SEED = 242


def people(plan: Plan, studio: RunningStudio) -> list[str]:
    """Their tokens; the poor have little money."""
    code = f"""
import json
from ledger import quotas
from studio import tokens
from studio.models import User
made = []
for number in range({plan.size.people}):
    person = User.objects.create_user(f"person{{number}}@example.com")
    if number < {plan.size.poor}:
        quotas.change(person=person, takes_effect="now", reason="little money", author=None,
                      monthly_micros={TWO_SONGS_MICROS})
    made.append(tokens.create(person, "chaos")[1])
print(json.dumps(made))
"""
    made: list[str] = json.loads(studio.shell(code))
    return made


async def chaos(plan: Plan, studio: RunningStudio, patience_seconds: float) -> Record:
    record = await carry_out(plan, studio, people(plan, studio))
    await aftermath.wait_for_the_end(plan, studio, record, patience_seconds)
    return record


def report(after: Aftermath, problems: list[checks.Problem]) -> str:
    """What an engineer needs: the seed, what went on, what is wrong, the stories of those, what the logs warn of."""
    about = [generation_id for generation_id, _ in problems if generation_id]
    return "\n".join(
        [
            f"SEED={after.plan.seed}",
            *after.record.timeline,
            *(f"WRONG {generation_id} {what}" for generation_id, what in problems),
            *(aftermath.story(after, generation_id) for generation_id in list(dict.fromkeys(about))[:STORIES]),
            *aftermath.warnings(after.studio),
        ]
    )


def run(seed: int, size: Size, patience_seconds: float) -> None:
    plan = draw(seed, size)
    print(f"\nchaos: SEED={seed}, {size.songs} songs by {size.people} people, {size.kills} kills", flush=True)
    began = time.monotonic()
    with running_studio(COMPRESSED, durable=True, **FAL) as studio:
        record = asyncio.run(chaos(plan, studio, patience_seconds))
        after = aftermath.gather(plan, studio, record)
        problems = [problem for check in checks.CHECKS for problem in check(after)]
        assert not problems, report(after, problems)
        ended = sorted(f"{row['state']} {row['reason_code']}".strip() for row in after.generations.values())
    told = ", ".join(f"{ended.count(end)} {end}" for end in dict.fromkeys(ended))
    print(*record.timeline, sep="\n")
    print(f"chaos: all is well after {time.monotonic() - began:.0f} s: {told}", flush=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_thirty_songs_come_to_true_ends_while_every_part_is_killed() -> None:
    run(SHORT_SEED, SHORT, patience_seconds=120)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_two_hundred_songs_come_to_true_ends_while_every_part_is_killed_again_and_again() -> None:
    run(int(os.environ.get("SEED") or random.randrange(10**6)), LONG, patience_seconds=300)
