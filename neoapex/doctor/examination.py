"""All checks at once, none of which can hold up the others."""

import time
from collections.abc import Mapping, Sequence
from threading import Thread
from typing import Final

from django.db import DatabaseError, connections

from neoapex.doctor import callbacks, fal, house, keeping
from neoapex.doctor.fal import Check
from neoapex.doctor.findings import Finding, Verdict, wrong

DEADLINE_SECONDS: Final = 30.0
CHECKS: Final[Mapping[str, Check]] = {
    "database": house.database,
    "redis": house.redis,
    "key": fal.key,
    "bill": fal.bill,
    "account": fal.account,
    "endpoints": fal.offered,
    "prices": fal.prices,
    "signing keys": callbacks.keys,
    "public url": callbacks.public_url,
    "webhook": callbacks.webhook,
    "bucket": keeping.bucket,
    "lifecycle": keeping.rules,
    "clock": callbacks.clock,
    "slots": house.slots,
}


def examine(checks: Mapping[str, Check] = CHECKS, *, seconds: float = DEADLINE_SECONDS) -> list[Finding]:
    """What each check says, in their order; one that comes to no end in time is wrong."""
    said: dict[str, Sequence[Verdict]] = {}
    # Daemons, because a thread that hangs must not keep the process.
    threads = [Thread(target=_take, args=(name, check, said), daemon=True) for name, check in checks.items()]
    give_up_at = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, give_up_at - time.monotonic()))
    late = [wrong(f"No answer within {seconds:.0f} s.", "Look at the network between this machine and what it asks.")]
    return [
        Finding(name, verdict.state, verdict.message, verdict.remedy)
        for name in checks
        for verdict in said.get(name, late)
    ]


def _take(name: str, check: Check, said: dict[str, Sequence[Verdict]]) -> None:
    try:
        said[name] = check()
    except DatabaseError:
        said[name] = [wrong("Without the database this can't be told.", "See what is said of the database.")]
    finally:
        connections.close_all()
