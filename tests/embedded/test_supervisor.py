import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.embedded.processes import BASE_DIR, assert_gone, ended_at_last, family, wait_until
from tests.embedded.substitute import read_notes

Running = subprocess.Popen[str]


def launch(folder: Path, *options: str) -> Running:
    argv = [sys.executable, "-m", "tests.embedded.substitute", str(folder), *options]
    return subprocess.Popen(argv, cwd=BASE_DIR, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Running]:
    with ended_at_last(launch(tmp_path)) as process:
        wait_until((tmp_path / "ready").exists, "the substitute stack to be ready")
        yield process


def find(process: Running, name: str) -> psutil.Process:
    return next(child for child in psutil.Process(process.pid).children() if name in child.cmdline())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_signal_ends_the_stages_from_the_last_to_the_first_and_is_success(
    stack: Running, tmp_path: Path, number: signal.Signals
) -> None:
    members = family(stack.pid)
    stack.send_signal(number)
    assert stack.wait(30) == 0
    stopped = [line for line in read_notes(tmp_path) if line.startswith("stopped")]
    assert set(stopped[:2]) == {"stopped web", "stopped worker"}
    assert stopped[2:] == ["stopped data"]
    assert_gone(members)


@pytest.mark.parametrize("name", ["data", "worker", "web"])
def test_a_killed_child_ends_the_rest_and_is_named(stack: Running, name: str) -> None:
    members = family(stack.pid)
    assert len(members) == 7, "supervisor, three children and a fork of each"
    find(stack, name).kill()
    _, words = stack.communicate(timeout=30)
    assert stack.returncode == 3
    assert f"{name} ended with SIGKILL" in words
    assert_gone(members)


def test_a_killed_supervisor_takes_children_and_grandchildren_along(stack: Running) -> None:
    members = family(stack.pid)
    stack.kill()
    assert_gone(members)


def test_after_a_kill_of_the_supervisor_the_next_one_starts(stack: Running, tmp_path: Path) -> None:
    stack.kill()
    (tmp_path / "ready").unlink()
    (tmp_path / "notes").unlink()
    with ended_at_last(launch(tmp_path)) as second:
        wait_until((tmp_path / "ready").exists, "the second stack to be ready")
        second.send_signal(signal.SIGINT)
        assert second.wait(30) == 0


def test_a_second_supervisor_of_the_same_home_is_refused_with_the_first_ones_number(
    stack: Running, tmp_path: Path
) -> None:
    with ended_at_last(launch(tmp_path)) as second:
        _, words = second.communicate(timeout=30)
    assert second.returncode != 0
    assert f"A studio already runs from {tmp_path} (process {stack.pid})." in words
    assert stack.poll() is None


def test_a_stop_signal_while_starting_ends_what_had_started(tmp_path: Path) -> None:
    with ended_at_last(launch(tmp_path, "never-ready")) as process:
        wait_until(lambda: "started web" in read_notes(tmp_path), "web to be there")
        members = family(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert_gone(members)


def test_a_stop_signal_is_heard_where_a_shell_had_it_ignored(tmp_path: Path) -> None:
    argv = ["sh", "-c", f'trap "" INT; exec {sys.executable} -m tests.embedded.substitute {tmp_path}']
    with ended_at_last(subprocess.Popen(argv, cwd=BASE_DIR, text=True, start_new_session=True)) as process:
        wait_until((tmp_path / "ready").exists, "the substitute stack to be ready")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
