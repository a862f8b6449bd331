import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

from tests.embedded.processes import BASE_DIR, assert_gone, ended_at_last, family, is_alive, wait_until
from tests.embedded_stack import mark_as_used, redis_url_of_worker, remove_abandoned_folders

WAITING = """
import os, pathlib, time
def test_waits():
    pathlib.Path(os.environ["READY"]).write_text(os.environ["NEOAPEX_HOME"])
    time.sleep(60)
"""


def test_each_worker_has_a_database_number_of_its_own_on_the_shared_redis() -> None:
    urls = [redis_url_of_worker("redis://:secret@127.0.0.1:7000/0", f"gw{number}") for number in range(62)]
    assert urls[0] == "redis://:secret@127.0.0.1:7000/1"
    assert len(set(urls)) == 62


def test_a_database_number_of_a_worker_is_one_that_the_server_has() -> None:
    with redis.Redis.from_url(redis_url_of_worker(os.environ["REDIS_URL"], "gw200")) as client:
        assert client.ping()


def test_only_what_killed_runs_left_is_removed(tmp_path: Path) -> None:
    abandoned, used, foreign = (tmp_path / name for name in ("neoapex-tests-a", "neoapex-tests-b", "neoapex-tests-c"))
    for folder in (abandoned, used, foreign):
        folder.mkdir()
    (abandoned / "used").touch()
    mark_as_used(used)
    remove_abandoned_folders(tmp_path)
    assert [abandoned.exists(), used.exists(), foreign.exists()] == [False, True, True]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_throw_away_servers_end_with_the_run_however_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "test_waiting.py").write_text(WAITING)
    ready = tmp_path / "ready"
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    argv = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "no:cacheprovider", str(tmp_path)]
    run = subprocess.Popen(
        argv, cwd=BASE_DIR, env={**environment, "READY": str(ready)}, stdout=subprocess.PIPE, text=True
    )
    with ended_at_last(run):
        wait_until(lambda: ready.exists() and bool(ready.read_text()), "the inner run to reach its test")
        members = family(run.pid)
        assert {"postgres", "redis-server"} <= {
            psutil.Process(member.pid).name() for member in members if is_alive(member)
        }
        run.send_signal(number)
        run.wait(30)
        assert_gone(members)
    if number == signal.SIGINT:
        assert not Path(ready.read_text()).parent.exists()
