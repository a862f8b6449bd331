import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from neoapex.embedded import ports, postgres
from neoapex.embedded.children import Child
from neoapex.embedded.errors import ChildFailed
from neoapex.embedded.postgres import PostgresServer
from neoapex.embedded.redis import RedisServer
from tests.embedded.processes import open_folder, wait_until

PASSWORD = "a-password-of-some-length"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def cluster(folder: Path) -> PostgresServer:
    """A durable cluster, created once; each test starts it for itself."""
    server = PostgresServer(folder / "postgres", ports.random_free(), PASSWORD, log_path=folder / "postgres.txt")
    server.initialise()
    return server


@pytest.fixture
def database(cluster: PostgresServer) -> Iterator[Child]:
    child = cluster.start()
    yield child
    child.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[RedisServer, Child]]:
    server = RedisServer(tmp_path / "redis", ports.random_free(), PASSWORD, log_path=tmp_path / "redis.txt")
    child = server.start()
    yield server, child
    child.stop()


def test_postgresql_is_version_18_durable_and_never_runs_as_root(cluster: PostgresServer, database: Child) -> None:
    with psycopg.connect(cluster.url) as connection:
        assert connection.info.server_version // 10000 == 18
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
    uid = psutil.Process(database.process.pid).uids().effective
    assert uid == (pwd.getpwnam("pgserver").pw_uid if os.geteuid() == 0 else os.geteuid())


def test_postgresql_asks_for_the_password_and_listens_on_loopback_only(
    cluster: PostgresServer, database: Child
) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(cluster.url.replace(PASSWORD, "guessed"))
    addresses = {(place.laddr.ip, place.status) for place in psutil.Process(database.process.pid).net_connections()}
    assert addresses == {("127.0.0.1", "LISTEN")}


def test_postgresql_stops_within_a_moment_while_clients_are_connected(cluster: PostgresServer, database: Child) -> None:
    connection = psycopg.connect(cluster.url)
    database.stop()
    assert database.exit_code == 0
    connection.close()


@pytest.mark.slow
def test_postgresql_starts_after_a_kill_with_everything_committed(cluster: PostgresServer) -> None:
    first = cluster.start()
    with psycopg.connect(cluster.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('song')")
    # Not reaped: for PostgreSQL its own lock file names a process that is there.
    first.process.kill()
    wait_until(lambda: psutil.Process(first.process.pid).status() == psutil.STATUS_ZOMBIE, "the server to be a zombie")
    second = cluster.start()
    with psycopg.connect(cluster.url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchall() == [("song",)]
    second.stop()
    first.stop()


def test_an_interrupted_creation_leaves_nothing_that_looks_like_a_cluster(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = PostgresServer(folder / "other", ports.random_free(), PASSWORD, durable=False)
    with monkeypatch.context() as patched:
        patched.setattr(postgres, "INITDB_SECONDS", 0.0)
        with pytest.raises(ChildFailed, match="initdb"):
            server.initialise()
    assert not server.folder.exists()
    server.initialise()
    assert (server.folder / "PG_VERSION").exists()
    assert not list(folder.glob("other.new*"))


def test_a_cluster_with_another_password_is_refused_at_once_with_what_to_do(
    cluster: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "STALE_LOCK_SECONDS", 0.0)
    with pytest.raises(ChildFailed, match=r"refuses the password that this home keeps\. Put secrets\.json"):
        replace(cluster, password="lost").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand folders to another user")
def test_as_root_the_server_passes_through_folders_that_stay_unreadable(cluster: PostgresServer) -> None:
    with open_folder() as closed:
        closed.chmod(0o700)
        moved = replace(cluster, folder=closed / "postgres", port=ports.random_free())
        shutil.copytree(cluster.folder, moved.folder)
        subprocess.run(["chown", "-R", "pgserver:pgserver", moved.folder], check=True)
        child = moved.start()
        child.stop()
        assert closed.stat().st_mode & 0o777 == 0o701


def test_redis_asks_for_the_password_keeps_everything_and_never_evicts(broker: tuple[RedisServer, Child]) -> None:
    server, _ = broker
    with redis.Redis.from_url(server.url) as client:
        settings = {name: client.config_get(name)[name] for name in ("appendonly", "maxmemory-policy", "bind")}
    assert settings == {"appendonly": "yes", "maxmemory-policy": "noeviction", "bind": "127.0.0.1"}
    with replace(server, password="guessed").client() as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_redis_starts_after_a_kill_with_what_it_had_written(broker: tuple[RedisServer, Child]) -> None:
    server, first = broker
    with redis.Redis.from_url(server.url) as client:
        client.set("doorbell", "rung")
        wait_until(lambda: b"rung" in (server.folder / "appendonly.aof").read_bytes(), "the write to reach the file")
    first.process.kill()
    wait_until(lambda: first.exit_code is not None, "Redis to be gone")
    second = server.start()
    with redis.Redis.from_url(server.url) as client:
        assert client.get("doorbell") == b"rung"
    second.stop()


def test_the_passwords_stand_in_no_command_line_and_in_private_files(
    broker: tuple[RedisServer, Child], database: Child
) -> None:
    server, child = broker
    for process in (child, database):
        assert PASSWORD not in " ".join(psutil.Process(process.process.pid).cmdline())
    assert (server.folder / "redis.conf").stat().st_mode & 0o077 == 0
