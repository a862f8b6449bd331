"""`make bench`: every figure a ratio against a named peer, measured in the same run."""

import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import (
    dispatch_cost,
    enqueue,
    ingest,
    ledger_growth,
    ledger_pairs,
    serving,
    song_ready,
    webhook_accept,
    worker_recovery,
)
from benchmarks.ratios import Ratio
from neoapex.embedded import ports
from neoapex.embedded.postgres import PostgresServer

BENCHMARKS: dict[str, Callable[[], list[Ratio]]] = {
    "ledger_pairs": ledger_pairs.run,
    "ledger_growth": ledger_growth.run,
    "webhook_accept": webhook_accept.run,
    "song_ready": song_ready.run,
    "ingest": ingest.run,
    "serving": serving.run,
    "dispatch_cost": dispatch_cost.run,
    "enqueue": enqueue.run,
    "worker_recovery": worker_recovery.run,
}


@contextmanager
def postgres() -> Iterator[None]:
    """A PostgreSQL that writes as it would in earnest: with fsync."""
    with tempfile.TemporaryDirectory(prefix="neoapex-bench-") as folder:
        Path(folder).chmod(0o711)
        server = PostgresServer(
            Path(folder) / "postgres",
            ports.random_free(),
            secrets.token_hex(8),
            durable=True,
            log_path=Path(folder) / "postgres.log",
        )
        child = server.start()
        os.environ["DATABASE_URL"] = server.url
        try:
            yield
        finally:
            child.stop()


def main(chosen: list[str]) -> None:
    print("| what | ratio | range | aim | figures |\n|---|---|---|---|---|", flush=True)
    with postgres():
        for name in chosen or BENCHMARKS:
            for ratio in BENCHMARKS[name]():
                print(ratio, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
