"""Starting and stopping one process of the stack so that it can never outlive the process that started it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from neoapex.embedded.errors import ChildFailed, Interrupted
from neoapex.embedded.leash import die_with_parent

STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Program:
    """What to run and how to end it.

    ``stop_signal`` asks it to end, whatever is left after ``stop_seconds`` is killed; ``death_signal`` is what the
    kernel sends when its parent dies. ``environment`` is added to ours. Both outputs go to ``log_path``, or nowhere;
    ``output_path`` takes standard output alone. ``niceness`` yields the CPU to others, 0 to 19.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    user: str | None = None
    log_path: Path | None = None
    output_path: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 5.0
    death_signal: signal.Signals = signal.SIGKILL
    niceness: int = 0


@dataclass(slots=True)
class Child:
    """A running program, leader of a session of its own, so that a terminal's Ctrl-C reaches the supervisor only."""

    program: Program
    process: subprocess.Popen[bytes]

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs. What an ended one left behind is killed."""
        if self.process.returncode is None and _has_ended(self.process):
            self._kill_session()
        return self.process.returncode

    def wait_ready(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Return as soon as ``is_ready()``.

        Raises ChildFailed when the process ends first or ``seconds`` pass, Interrupted when we are told to stop.
        """
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self.exit_code is not None:
                raise self.failure()
            self._check_in_time(deadline, seconds)
            time.sleep(LOOK_SECONDS)

    def wait_ended(self, seconds: float) -> None:
        """Let it run to its end; raises ChildFailed when that takes too long or is not success, or Interrupted."""
        deadline = time.monotonic() + seconds
        while self.exit_code is None:
            # Only the time: it may end, and well, between the look above and this one.
            self._check_in_time(deadline, seconds)
            time.sleep(LOOK_SECONDS)
        if self.exit_code:
            raise self.failure()

    def ask_to_end(self) -> None:
        """Send the stop signal and return at once."""
        if self.exit_code is None:
            self.process.send_signal(self.program.stop_signal)

    def stop(self) -> None:
        """Ask it to end, wait, and kill what is left of its session. Harmless when it has ended already."""
        self.ask_to_end()
        deadline = time.monotonic() + self.program.stop_seconds
        while self.exit_code is None and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        if self.exit_code is None:
            self._kill_session()

    def failure(self) -> ChildFailed:
        """The error that tells how it ended, with the end of its log."""
        end = "still runs" if self.exit_code is None else f"ended with {describe_exit(self.exit_code)}"
        return ChildFailed(f"{self.name} {end}.", self._last_words())

    def _check_in_time(self, deadline: float, seconds: float) -> None:
        check_interrupted()
        if time.monotonic() > deadline:
            raise ChildFailed(f"{self.name} was not done after {seconds:g} s.", self._last_words())

    def _kill_session(self) -> None:
        # Its processes share its group. The leader is reaped last: until then nobody else can be given its number.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _last_words(self) -> str:
        path = self.program.log_path
        if path is None or not path.exists():
            return "It keeps no log."
        lines = path.read_text(errors="replace")[-4000:].splitlines()[-4:]
        return "\n".join((f"The end of {path}:", *(line[:300] for line in lines)))


Launch = Callable[[Program], Child]


def start(program: Program, keep_open: Iterable[int] = ()) -> Child:
    """Start ``program`` in its own session, with signals reset and a parent-death signal.

    ``keep_open`` are file descriptors that it inherits. Raises ChildFailed when the executable cannot be run.
    """
    with _opened(program.log_path) as log, _opened(program.output_path or program.log_path) as output:
        try:
            process = subprocess.Popen(
                program.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                cwd=program.directory,
                env={**os.environ, **program.environment},
                user=program.user,
                group=program.user,
                extra_groups=[] if program.user else None,
                start_new_session=True,
                pass_fds=tuple(keep_open),
                # Safe: whoever starts children here has one thread.
                preexec_fn=_preparation(os.getpid(), program),  # noqa: PLW1509
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ChildFailed(f"{program.name} could not be started: {error}.") from error
    return Child(program, process)


def stop_together(children: Iterable[Child]) -> None:
    """Ask all of them to end before waiting for each."""
    stopping = list(children)
    for child in stopping:
        child.ask_to_end()
    for child in stopping:
        child.stop()


def check_interrupted() -> None:
    """Raise Interrupted when a stop signal waits; only for those who have blocked these signals."""
    if signal.sigpending() & STOP_SIGNALS:
        raise Interrupted("Stopped while starting.")


def describe_exit(code: int) -> str:
    """An exit code as people say it: ``code 1`` or ``SIGKILL``."""
    return signal.Signals(-code).name if code < 0 else f"code {code}"


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return process.poll() is not None
    # Looked at without reaping, so that its process group is still certain to be its own.
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[IO[bytes] | int]:
    if path is None:
        yield subprocess.DEVNULL
        return
    with path.open("ab") as stream:
        yield stream


def _preparation(parent_pid: int, program: Program) -> Callable[[], None]:
    """What the new process does before exec; after the change of user, because that clears the death signal."""

    def prepare() -> None:
        for number in (*STOP_SIGNALS, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.nice(program.niceness)
        die_with_parent(parent_pid, program.death_signal)

    return prepare
