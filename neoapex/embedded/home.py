"""The home folder of an embedded studio: its rights, locks, secrets, logs and the environment it lends to commands."""

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from neoapex.embedded.children import LOOK_SECONDS, check_interrupted
from neoapex.embedded.errors import AlreadyRunning, DiskFull, HomeUnusable

NEEDED_BYTES = 500_000_000
LOG_BYTES = 5_000_000
LEFTOVERS_SECONDS = 15.0
# `is_running()` holds the lock for the moment of its look.
LOOKERS_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Home:
    """One folder; ``prepare()`` makes it usable before anything else is asked of it."""

    path: Path

    def prepare(self) -> None:
        """Make the folder private and check that it can hold a studio; raises HomeUnusable or DiskFull."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # PostgreSQL's own user, where we are root, passes through to its folder and sees nothing else.
            self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            for folder in (self.logs, self.run):
                folder.mkdir(mode=0o700, exist_ok=True)
            probe = self.run / "probe"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise _unusable(self.path, error) from error
        self.check_space(NEEDED_BYTES)

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def run(self) -> Path:
        """Small files of the running studio: stamps of what is up to date, configuration of its parts."""
        return self.path / "run"

    @property
    def environment_path(self) -> Path:
        return self.path / "environment.json"

    def check_space(self, needed_bytes: int) -> None:
        """Raise DiskFull when fewer than ``needed_bytes`` are free."""
        free = shutil.disk_usage(self.path).free
        if free < needed_bytes:
            raise DiskFull(f"Only {free // 1_000_000} MB are free on the disk of {self.path}.")

    def log(self, name: str) -> Path:
        """The path of a log, with an overgrown one moved aside first."""
        path = self.logs / name
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.rename(path.with_name(path.name + ".1"))
        return path

    def lock(self) -> int:
        """Take the home for this process alone, after whatever a killed studio left has ended.

        Returns a file descriptor that every child must inherit: while one of them lives, the next studio waits, so two
        Redis never write one file. Raises AlreadyRunning.
        """
        own = _open_lock(self.path / "supervisor.lock")
        if not _wait_for_lock(own, LOOKERS_SECONDS):
            owner = os.pread(own, 20, 0).decode() or "unknown"
            raise AlreadyRunning(f"A studio already runs from {self.path} (process {owner}).")
        os.ftruncate(own, 0)
        os.pwrite(own, str(os.getpid()).encode(), 0)
        inherited = _open_lock(self.path / "children.lock")
        if not _wait_for_lock(inherited, LEFTOVERS_SECONDS):
            raise AlreadyRunning(
                f"Processes of an earlier studio in {self.path} have not ended.",
                f"`fuser {self.path / 'children.lock'}` lists them; end them and start again.",
            )
        return inherited

    def is_running(self) -> bool:
        """True while a supervisor holds this home; after a kill -9 its lent environment may lie about that."""
        try:
            descriptor = os.open(self.path / "supervisor.lock", os.O_RDWR)
        except OSError:
            return False
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)

    def secret(self, name: str) -> str:
        """A random secret of that name, drawn once and kept in a private file; HomeUnusable if that is damaged."""
        path = self.path / "secrets.json"
        kept = _read_secrets(path)
        if name not in kept:
            kept[name] = secrets.token_hex(32)
            write_private(path, json.dumps(kept, indent=1))
        return kept[name]

    def lend_environment(self, environment: Mapping[str, str]) -> None:
        """Let commands beside the running studio find its parts; taken back when it stops."""
        write_private(self.environment_path, json.dumps(dict(environment), indent=1))

    def take_environment_back(self) -> None:
        self.environment_path.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by its owner only."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


def _read_secrets(path: Path) -> dict[str, str]:
    try:
        kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        hint = "Put it back from a copy, or move the whole home away to start afresh."
        raise HomeUnusable(f"{path} is damaged.", hint) from error
    return kept


def _unusable(path: Path, error: OSError) -> HomeUnusable:
    return HomeUnusable(f"{path} cannot be used as NEOAPEX_HOME: {error.strerror}.")


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _wait_for_lock(descriptor: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not _try_lock(descriptor):
        check_interrupted()
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
