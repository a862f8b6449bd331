"""Tying processes to their parents: ``-m neoapex.embedded.leash MODULE …`` runs a module whose forks die with it."""

import ctypes
import logging
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent_pid: int, death_signal: signal.Signals) -> None:
    """Have the kernel send ``death_signal`` to the calling process when ``parent_pid`` ends; Linux only."""
    if sys.platform != "linux":
        return
    _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    # The parent may have died between fork and prctl: then nobody would ever send the signal.
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGKILL)


def leash_forks() -> None:
    """Make every fork of this process die with it, so that a kill -9 strands no pool child and no web worker."""
    parent_pid = os.getpid()

    def remember_parent() -> None:
        nonlocal parent_pid
        parent_pid = os.getpid()

    os.register_at_fork(
        before=remember_parent,
        after_in_child=lambda: die_with_parent(parent_pid, signal.SIGKILL),
    )


def main() -> None:
    """Become the module that the arguments name."""
    leash_forks()
    # Standard output is for JSON lines: warnings become log records, and what Celery tells a terminal goes elsewhere.
    logging.captureWarnings(capture=True)
    vars(sys)["__stdout__"] = sys.__stderr__
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
