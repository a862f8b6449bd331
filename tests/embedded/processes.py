"""Looking at real processes from tests: who is there, who is gone, and waiting for either with a bound."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

BASE_DIR = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as it holds; fail with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.02)


def family(pid: int) -> list[psutil.Process]:
    """The process and all its descendants."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    return False


def assert_gone(processes: list[psutil.Process]) -> None:
    """Every one of them ends within our patience."""
    wait_until(lambda: not any(map(is_alive, processes)), f"{len(processes)} processes to end")


@contextlib.contextmanager
def ended_at_last(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Whatever the test does: nothing that ``process`` started is left."""
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for member in family(process.pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
        process.communicate(timeout=PATIENCE_SECONDS)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user may pass through; pytest closes its folders whenever another run starts."""
    folder = Path(tempfile.mkdtemp(prefix="neoapex-tests-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
