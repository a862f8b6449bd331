import signal
import sys
from pathlib import Path

import psutil
import pytest

from neoapex.embedded import children
from neoapex.embedded.children import Child, Program, start, stop_together
from neoapex.embedded.errors import ChildFailed
from tests.embedded.processes import BASE_DIR, assert_gone, family, is_alive, wait_until

LOOP = "while :; do sleep 0.1; done"


def shell(script: str, folder: Path, **options: object) -> Program:
    return Program("shell", ("sh", "-c", script), log_path=folder / "shell.txt", **options)  # type: ignore[arg-type]


def running(program: Program, ready: Path) -> Child:
    child = start(program)
    child.wait_ready(ready.exists, 10)
    return child


def test_a_child_gets_its_stop_signal_and_ends_by_itself(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    child = running(shell(f"trap 'exit 7' QUIT; touch {ready}; {LOOP}", tmp_path, stop_signal=signal.SIGQUIT), ready)
    child.stop()
    assert child.exit_code == 7


def test_a_child_that_will_not_listen_is_killed_with_all_of_its_session(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap '' TERM; (trap '' TERM; {LOOP}) & touch {ready}; {LOOP}"
    child = running(shell(script, tmp_path, stop_seconds=0.1), ready)
    members = family(child.process.pid)
    child.stop()
    assert child.exit_code == -signal.SIGKILL
    assert_gone(members)


def test_what_an_ended_child_left_behind_is_killed(tmp_path: Path) -> None:
    pid_path = tmp_path / "pid"
    child = start(shell(f"sh -c '{LOOP}' & echo $! > {pid_path}.new; mv {pid_path}.new {pid_path}; exit 3", tmp_path))
    wait_until(pid_path.exists, "the shell to start its own child")
    left = psutil.Process(int(pid_path.read_text()))
    wait_until(lambda: child.exit_code is not None, "the shell to end")
    assert child.exit_code == 3
    wait_until(lambda: not is_alive(left), "what it left to be killed")


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    child = start(shell("exit 0", tmp_path))
    child.stop()
    child.stop()
    stop_together([child, child])


def test_a_child_that_ends_while_starting_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = start(shell("echo no such port >&2; exit 4", tmp_path))
    with pytest.raises(ChildFailed, match=r"shell ended with code 4\.(.|\n)*no such port"):
        child.wait_ready(lambda: False, 10)


def test_a_child_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    child = start(shell(LOOP, tmp_path))
    with pytest.raises(ChildFailed, match=r"was not done after 0\.1 s"):
        child.wait_ready(lambda: False, 0.1)
    child.stop()


def test_a_program_that_is_not_there_is_told_by_its_name() -> None:
    with pytest.raises(ChildFailed, match="ghost could not be started"):
        start(Program("ghost", ("/nowhere/ghost",)))


def test_standard_output_and_the_rest_are_kept_apart_where_asked(tmp_path: Path) -> None:
    out = tmp_path / "out.log"
    start(shell("echo answer; echo noise >&2", tmp_path, output_path=out)).wait_ended(10)
    assert out.read_text() == "answer\n"
    assert (tmp_path / "shell.txt").read_text() == "noise\n"


def test_a_child_starts_with_no_signal_blocked_or_ignored(tmp_path: Path) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        # No shell in between: it would reset signals itself.
        start(Program("cat", ("cat", "/proc/self/status"), log_path=tmp_path / "status.txt")).wait_ended(10)
    finally:
        signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    status = dict(line.split(":\t", 1) for line in (tmp_path / "status.txt").read_text().splitlines() if ":\t" in line)
    interesting = 1 << signal.SIGINT - 1 | 1 << signal.SIGTERM - 1
    assert int(status["SigBlk"], 16) & interesting == 0
    assert int(status["SigIgn"], 16) & interesting == 0


def test_a_nice_child_yields_the_cpu_to_others(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    child = running(shell(f"touch {ready}; {LOOP}", tmp_path, niceness=10), ready)
    assert psutil.Process(child.process.pid).nice() == psutil.Process().nice() + 10
    child.stop()


HOLDER = """
import sys, time
from pathlib import Path
from neoapex.embedded.children import Program, start
child = start(Program("sleeper", ("sleep", "60")))
Path(sys.argv[1]).with_suffix(".new").write_text(str(child.process.pid))
Path(sys.argv[1]).with_suffix(".new").rename(sys.argv[1])
time.sleep(60)
"""


def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    pid_path = tmp_path / "pid"
    holder = start(Program("holder", (sys.executable, "-c", HOLDER, str(pid_path)), directory=BASE_DIR))
    holder.wait_ready(pid_path.exists, 20)
    sleeper = psutil.Process(int(pid_path.read_text()))
    assert is_alive(sleeper)
    holder.process.kill()
    assert_gone([sleeper])
    holder.stop()


FORKING = """
import os, sys, time
if os.fork() == 0:
    open(sys.argv[1], "w").close()
time.sleep(60)
"""


def test_a_leashed_module_takes_its_forks_along_when_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "forking.py").write_text(FORKING)
    ready = tmp_path / "ready"
    argv = (sys.executable, "-m", "neoapex.embedded.leash", "forking", str(ready))
    child = running(Program("forking", argv, {"PYTHONPATH": f"{BASE_DIR}:{tmp_path}"}), ready)
    members = family(child.process.pid)
    assert len(members) == 2
    # By its number alone, so that nothing but the leash can reach the fork.
    psutil.Process(child.process.pid).kill()
    wait_until(lambda: not is_alive(members[1]), "the fork to end")
    child.stop()


WARNING = """
import logging, sys, warnings
logging.basicConfig(format="line: %(message)s")
warnings.warn("careful")
sys.__stdout__.write("bye")
"""


def test_a_leashed_module_warns_through_the_log_and_keeps_its_output_clean(tmp_path: Path) -> None:
    (tmp_path / "warning.py").write_text(WARNING)
    out = tmp_path / "out"
    argv = (sys.executable, "-m", "neoapex.embedded.leash", "warning")
    environment = {"PYTHONPATH": f"{BASE_DIR}:{tmp_path}"}
    log = tmp_path / "log"
    start(Program("warning", argv, environment, log_path=log, output_path=out)).wait_ended(20)
    assert out.read_text() == ""
    assert log.read_text().startswith("line: ")
    assert "careful" in log.read_text()
    assert log.read_text().endswith("bye")


def test_a_child_that_ends_well_between_two_looks_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = start(shell("exec sleep 0.2", tmp_path))

    def long_look(*_: object) -> None:
        child.process.wait(10)

    monkeypatch.setattr(children, "check_interrupted", long_look)
    child.wait_ended(20)
    assert child.exit_code == 0
