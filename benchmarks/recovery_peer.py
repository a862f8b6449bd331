"""Celery by itself, set so that it loses nothing: the peer of a worker's recovery."""

import os
import time
from pathlib import Path

from celery import Celery

app = Celery("peer", broker=os.environ["PEER_BROKER"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    broker_transport_options={"visibility_timeout": int(os.environ["PEER_VISIBILITY_TIMEOUT"])},
)


@app.task(name="peer.long")
def long() -> None:
    """Notes when it starts; the first time it lasts until its worker is killed."""
    log = Path(os.environ["PEER_LOG"])
    first = not log.exists()
    with log.open("a") as file:
        print(time.time(), file=file)
    if first:
        time.sleep(600)
