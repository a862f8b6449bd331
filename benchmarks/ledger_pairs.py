"""Holds and charges in the ledger, against django-hordak with its balance check on the same PostgreSQL."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

import psycopg

from benchmarks.ratios import Ratio

ROUNDS = 5
SECONDS = 1.5
HUNDRED = 100
PLENTY = 900_000_000_000
# TigerBeetle 0.17.9, one transfer a request, over hordak in one run with 16 clients: on one budget, on a hundred.
TIGERBEETLE = {1: 841 / 121, HUNDRED: 751 / 163}
CELLS = {
    (1, 1): "-",
    (HUNDRED, 1): "-",
    (1, 16): ">= 5, aim 6.5",
    (HUNDRED, 16): ">= 8, aim 10",
}


class Clients:
    """The clients of one ledger, waiting to be told what to do: processes, on either side."""

    def __init__(self, side: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.ledger_clients", side],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ,
        )  # fmt: skip

    def do(self, what: str, **how: object) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": what, **how}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


@contextmanager
def both() -> Iterator[tuple[Clients, Clients]]:
    """Clients of both ledgers, each with a hundred budgets that have plenty and one that has nothing."""
    base = os.environ["DATABASE_URL"]
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS hordak")
        connection.execute("CREATE DATABASE hordak")
    os.environ["HORDAK_DATABASE_URL"] = f"{base.rpartition('/')[0]}/hordak"
    os.environ.setdefault("REDIS_URL", "redis://127.0.0.1/0")
    for settings in ("neoapex.settings", "benchmarks.hordak_settings"):
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": settings}
        subprocess.run([sys.executable, "-m", "django", "migrate", "-v0"], check=True, env=environment, timeout=300)
    with ExitStack() as stack:
        pair = Clients("ours"), Clients("hordak")
        for clients in pair:
            stack.callback(clients.end)
            clients.do("prepare", accounts=HUNDRED)
        yield pair


def run() -> list[Ratio]:
    unused = iter(range(HUNDRED))
    with both() as pair:
        rows = [_pairs(pair, accounts, clients, aim, unused) for (accounts, clients), aim in CELLS.items()]
        rows.append(_refusals(pair))
        pair[0].do("cap", cap=PLENTY)
        rows += [_pairs(pair, accounts, 16, ">= 5", unused, " under a cap") for accounts in (1, HUNDRED)]
    return rows


def _pairs(
    pair: tuple[Clients, Clients], accounts: int, clients: int, aim: str, unused: Iterator[int], note: str = ""
) -> Ratio:
    how = {"accounts": accounts, "clients": clients, "seconds": SECONDS}
    # hordak sums up an account's history each time: one that earlier rounds had used would be slower.
    firsts = [next(unused) if accounts == 1 else 0 for _ in range(ROUNDS)]
    rounds = [in_turns(pair, turn, "pairs", first=first, **how) for turn, first in enumerate(firsts)]
    for side in pair:
        side.do("check", accounts=HUNDRED)
    ratios = [mine["rate"] / theirs["rate"] for mine, theirs in rounds]
    mine, theirs = (median(answer["rate"] for answer in side) for side in zip(*rounds, strict=True))
    detail = f"{mine:.0f} against {theirs:.0f} pairs/s"
    if clients == 16 and not note:
        where = "ahead of" if median(ratios) > TIGERBEETLE[accounts] else "behind"
        detail += f"; {where} TigerBeetle unbatched, {TIGERBEETLE[accounts]:.1f}"
    budgets = "one budget" if accounts == 1 else f"{accounts} budgets"
    name = f"hold and charge{note}, {budgets}, {clients} client{'s'[: clients > 1]}, over hordak"
    return Ratio(name, ratios, aim, detail)


def _refusals(pair: tuple[Clients, Clients]) -> Ratio:
    rounds = [in_turns(pair, turn, "refusals", clients=16, seconds=SECONDS) for turn in range(ROUNDS)]
    mine, theirs = (median(answer["p50_ms"] for answer in side) for side in zip(*rounds, strict=True))
    return Ratio(
        "time to refuse, 16 clients, over hordak",
        [mine["p50_ms"] / theirs["p50_ms"] for mine, theirs in rounds],
        "<= 0.10",
        f"{mine:.1f} against {theirs:.1f} ms",
    )


def in_turns(pair: tuple[Clients, Clients], turn: int, what: str, **how: object) -> tuple[Any, Any]:
    """Both sides' answers, ours first. Who is asked first alternates, as what one leaves to write slows the next."""
    answers = {side: side.do(what, **how) for side in (pair if turn % 2 == 0 else pair[::-1])}
    return answers[pair[0]], answers[pair[1]]
