"""A prepared process that does what it is told, each time in a child of its own that can kill itself at any step.

A step is a statement, a commit, a file that is written or shown, or a request to fal, of which a log is kept.

One order a line on standard input; for each, the child's exit code on standard output: 0, or -9 where it was killed.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import django
from django.conf import settings
from django.db import connection

from studio.fal.interface import Submission

ROOT = Path(__file__).resolve().parents[2]
KILLED = -signal.SIGKILL

Moment = Literal["before", "after"]


class Steps:
    """Counts statements and commits as they pass, and kills the process before or after one of them."""

    def __init__(self, kill_at: int | None, moment: Moment) -> None:
        self._kill_at = kill_at
        self._moment = moment
        self._count = 0

    def pass_through(self, step: Callable[..., Any], *arguments: Any) -> Any:
        self._count += 1
        is_the_one = self._count == self._kill_at
        if is_the_one and self._moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = step(*arguments)
        if is_the_one:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def _step_through_files(steps: "Steps") -> None:
    from studio.media.disk import DiskSink  # noqa: PLC0415

    for name in ("write", "seal", "commit"):
        really = getattr(DiskSink, name)
        setattr(DiskSink, name, _stepping(steps, really))


def _stepping(steps: "Steps", really: Callable[..., Any]) -> Callable[..., Any]:
    return lambda sink, *arguments: steps.pass_through(really, sink, *arguments)


class LoggingFal:
    """A fal that notes each POST in a file as it comes, for it outlives whoever sent it."""

    def __init__(self, steps: "Steps") -> None:
        self._steps = steps

    def submit(self, *_: Any, webhook_url: str) -> Submission:
        generation_id = webhook_url.rstrip("/").rpartition("/")[2]
        self._steps.pass_through(self._note, generation_id)
        return Submission(f"of {generation_id}", 0)

    @staticmethod
    def _note(generation_id: str) -> None:
        with posts_path().open("a") as log:
            print(generation_id, file=log)


def posts_path() -> Path:
    return Path(os.environ["NEOAPEX_HOME"]) / "posts.txt"


def posts_of(generation_id: UUID) -> int:
    path = posts_path()
    return path.read_text().split().count(str(generation_id)) if path.exists() else 0


def _in_child(order: dict[str, Any], act: Callable[..., None]) -> int:
    from studio import dispatch  # noqa: PLC0415

    steps = Steps(order["kill_at"], order["moment"])
    really_commit = connection._commit  # type: ignore[attr-defined]
    connection._commit = lambda: steps.pass_through(really_commit)  # type: ignore[attr-defined]
    generation_id = order["generation"] and UUID(order["generation"])
    _step_through_files(steps)
    setattr(dispatch, "from_settings", lambda: LoggingFal(steps))  # noqa: B010 - not a name that others may import
    try:
        with connection.execute_wrapper(steps.pass_through):
            act(order["act"], person_id=order["person"], generation_id=generation_id)
    except BaseException:  # noqa: BLE001 - whatever it is, the exit code says so
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    # What is logged goes to standard error, so that standard output carries the answers alone.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    django.setup()
    # All that a child needs is read in before the first fork, so that each is ready at once.
    from studio import doorbell, tracks  # noqa: PLC0415
    from tests.studio.acts import act, ingest  # noqa: PLC0415

    doorbell.ring = doorbell.ring_soon = lambda *_, **__: None
    setattr(tracks, "ingest", ingest)  # noqa: B010 - nor this one
    settings.NEOAPEX_FAL_USER_ID = "our-account"
    settings.NEOAPEX_PUBLIC_URL = "https://studio.example.com"
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_in_child(json.loads(line), act))
        _pid, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


class Worker:
    """The prepared process as a test sees it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(
        self, name: str, person_id: int, generation_id: UUID | None, *, kill_at: int | None = None, moment: Moment
    ) -> int:
        order = {
            "act": name,
            "person": person_id,
            "generation": generation_id and str(generation_id),
            "kill_at": kill_at,
            "moment": moment,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the prepared process died"
        return int(answer)


@contextmanager
def prepared_worker(database: str) -> Iterator[Worker]:
    """A process of its own on the test's database, ready to fork."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.studio.kill_points"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "neoapex.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Worker(process)
    finally:
        # The end of its input is the end of its work.
        process.communicate(timeout=30)


if __name__ == "__main__":
    main()
