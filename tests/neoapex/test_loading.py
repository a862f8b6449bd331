"""What a process loads before there is anything to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# All of the web process, then a worker as Celery sets it up.
LOOK = """
import sys
from types import SimpleNamespace
import neoapex.asgi
from celery.signals import celeryd_after_setup
from neoapex.celery import app
from neoapex.urls import urlpatterns
seen = ["av" in sys.modules]
app.amqp.queues.select({queues!r})
celeryd_after_setup.send(sender="a worker", instance=SimpleNamespace(app=app), conf=app.conf)
print([*seen, "av" in sys.modules])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("queues", "loaded"), [(["fal", "default"], False), (["media"], True)])
def test_only_the_worker_that_fetches_tracks_loads_what_reads_audio(queues: list[str], loaded: bool) -> None:
    argv = [sys.executable, "-c", LOOK.format(queues=queues)]
    done = subprocess.run(argv, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.splitlines()[-1:] == [str([False, loaded])], done.stderr
