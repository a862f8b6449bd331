"""One ledger's clients: `python -m benchmarks.ledger_clients SIDE` does what the lines of its standard input ask for.

Each client is a process forked from one that has Django loaded, with a connection of its own.
"""

import json
import multiprocessing
import os
import secrets
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from statistics import median
from typing import Any

import django
from django.db import connections

from benchmarks.ledger_sides import SIDES, Side

PATIENCE_SECONDS = 60


def serve(name: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = SIDES[name].settings
    django.setup()
    side = SIDES[name]()
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_do(side, **asked)), flush=True)


def _do(
    side: Side,
    *,
    do: str,
    clients: int = 1,
    accounts: int = 1,
    first: int = 0,
    seconds: float = 0,
    cap: int | None = None,
) -> Any:
    match do:
        case "prepare":
            return side.prepare(accounts)
        case "check":
            side.load(accounts)
            return side.check()
        case "cap":
            return side.organisation.set_cap(cap)  # type: ignore[attr-defined]
        case _:
            side.load(first + accounts)
            connections.close_all()
            return _run(side, do, clients, range(first, first + accounts), seconds)


def _run(side: Side, do: str, clients: int, accounts: range, seconds: float) -> dict[str, float]:
    """Pairs or refusals a second by all clients together, and the median time of one. `accounts` are whose."""
    forked = multiprocessing.get_context("fork")
    results, gate = forked.Queue(), forked.Barrier(clients)
    arguments = (side, do, accounts, seconds, gate, results)
    processes = [forked.Process(target=_client, args=(number, *arguments)) for number in range(clients)]
    for process in processes:
        process.start()
    done = [results.get(timeout=seconds + PATIENCE_SECONDS) for _ in processes]
    for process in processes:
        process.join(PATIENCE_SECONDS)
    return {"rate": sum(rate for rate, _ in done), "p50_ms": median(p50 for _, p50 in done)}


def _client(number: int, side: Side, do: str, accounts: range, seconds: float, gate: Barrier, results: Any) -> None:
    connections["default"].ensure_connection()
    work: Callable[[int, str], None] = side.pair if do == "pairs" else lambda _, reference: side.refusal(reference)
    prefix, took, turn = secrets.token_hex(6), [], number * 7
    gate.wait(PATIENCE_SECONDS)
    began = time.perf_counter()
    while (at := time.perf_counter()) < began + seconds:
        work(accounts[turn % len(accounts)], f"{prefix}-{turn}")
        took.append(time.perf_counter() - at)
        turn += 1
    results.put((len(took) / (time.perf_counter() - began), median(took) * 1000))


if __name__ == "__main__":
    serve(sys.argv[1])
