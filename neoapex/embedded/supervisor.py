"""Keeping a set of processes: started in stages, watched together, stopped in the opposite order."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from neoapex.embedded.children import STOP_SIGNALS, Child, Launch, Program, stop_together

WATCHED = STOP_SIGNALS | {signal.SIGCHLD}


@dataclass(frozen=True, slots=True)
class Service:
    """A program that stays, and how to tell that it serves; without ``is_ready`` being alive will do."""

    program: Program
    is_ready: Callable[[], bool] | None = None
    ready_seconds: float = 60.0


class Supervisor:
    """The processes of one stack. Use it inside ``signals_blocked()``."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._stages: list[list[Child]] = []

    def add(self, child: Child) -> None:
        """Watch a process that runs already, as a stage of its own."""
        self._stages.append([child])

    def start(self, services: Iterable[Service]) -> Callable[[], None]:
        """Start one stage and return what waits until all of it serves."""
        stage: list[Child] = []
        self._stages.append(stage)
        waiting: list[tuple[Child, Service]] = []
        for service in services:
            child = self._launch(service.program)
            stage.append(child)
            waiting.append((child, service))

        def wait_ready() -> None:
            for child, service in waiting:
                if service.is_ready:
                    child.wait_ready(service.is_ready, service.ready_seconds)

        return wait_ready

    def run(self, program: Program, seconds: float) -> None:
        """Run a program to its end; raises ChildFailed when it fails or takes longer than ``seconds``; Interrupted."""
        child = self._launch(program)
        try:
            child.wait_ended(seconds)
        finally:
            child.stop()

    def check(self) -> None:
        """Raise ChildFailed when one of the processes has ended."""
        for child in self._children():
            if child.exit_code is not None:
                raise child.failure()

    def watch(self) -> None:
        """Block until a stop signal comes; raises ChildFailed as soon as a process ends."""
        while True:
            self.check()
            # A child that ends from here on has its SIGCHLD waiting: the signals are blocked.
            if signal.sigwait(WATCHED) in STOP_SIGNALS:
                return

    def stop(self) -> None:
        """Stop the stages from the last to the first; nothing of them runs when this returns."""
        while self._stages:
            stop_together(self._stages[-1])
            self._stages.pop()

    def _children(self) -> Iterator[Child]:
        for stage in self._stages:
            yield from stage


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Keep stop signals and SIGCHLD waiting until they are looked at, so that none interrupts a half-done step."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    # A shell starts background jobs with SIGINT ignored, and macOS drops blocked signals that are ignored.
    handlers = {number: signal.signal(number, lambda *_: None) for number in WATCHED}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        while pending := signal.sigpending() & WATCHED:
            signal.sigwait(pending)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
