"""The pytest plugin that gives every run a throw-away PostgreSQL and Redis before Django's settings are read."""

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from neoapex.embedded import ports
from neoapex.embedded.postgres import PostgresServer
from neoapex.embedded.redis import DATABASES, RedisServer
from tests.journeys import prepared

PREFIX = "neoapex-tests-"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """A wrapper, because pytest-django reads the settings in this very hook and must come after."""
    remove_abandoned_folders(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    mark_as_used(folder)
    early_config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    # PostgreSQL runs as a user of its own where we are root, and has to pass through.
    folder.chmod(0o711)
    os.environ.update(NEOAPEX_ENV="embedded", NEOAPEX_HOME=str(folder / "home"))
    os.environ.setdefault("SECRET_KEY", secrets.token_hex(32))
    # Tests ask for songs faster than any person; those of the rate set their own.
    os.environ.setdefault("NEOAPEX_USER_RATE", "off")
    (folder / "home").mkdir(mode=0o700)
    if not {"DATABASE_URL", "REDIS_URL"} <= os.environ.keys():
        _start_servers(early_config, folder)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[prepared.FOLDER_VARIABLE] = str(folder / "prepared")
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["REDIS_URL"] = redis_url_of_worker(os.environ["REDIS_URL"], worker)
    yield


def redis_url_of_worker(url: str, worker: str) -> str:
    """The same server with a database number of the worker's own: ``gw0`` has 1, and so on."""
    number = int(worker.removeprefix("gw")) % (DATABASES - 1) + 1
    return urlsplit(url)._replace(path=f"/{number}").geturl()


def mark_as_used(folder: Path) -> None:
    """Hold the folder's lock until this process ends, however it ends."""
    descriptor = os.open(folder / "used", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_abandoned_folders(place: Path) -> None:
    """Remove what killed runs left behind: folders of ours whose lock nobody holds."""
    for lock in place.glob(f"{PREFIX}*/used"):
        with contextlib.suppress(OSError), lock.open("r+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)


def _start_servers(config: pytest.Config, folder: Path) -> None:
    password = secrets.token_hex(16)
    database = PostgresServer(
        folder / "postgres", ports.random_free(), password, durable=False, log_path=folder / "postgres.log"
    )
    broker = RedisServer(folder / "redis", ports.random_free(), password, durable=False, log_path=folder / "redis.log")
    config.add_cleanup(database.start().stop)
    config.add_cleanup(broker.start().stop)
    os.environ.update(DATABASE_URL=database.url, REDIS_URL=broker.url)
