"""What every studio of a test run begins with, made once a run by the studio's own commands."""

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from neoapex.embedded.postgres import binary

ROOT = Path(__file__).resolve().parents[2]
# The processes of one run share this folder; without, each prepares for itself.
FOLDER_VARIABLE = "NEOAPEX_TESTS_SHARED"
TEMPLATE = "prepared_studio"
SECONDS = 180


@cache
def folder() -> Path:
    """Where the static files are; there is a database named TEMPLATE as well."""
    shared = Path(os.environ.get(FOLDER_VARIABLE) or _own_folder())
    with _alone(shared):
        if not (shared / "prepared").exists():
            _prepare(shared)
            (shared / "prepared").touch()
    return shared


def _own_folder() -> str:
    own = tempfile.mkdtemp(prefix="neoapex-prepared-")
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own


@contextmanager
def _alone(shared: Path) -> Iterator[None]:
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepare(shared: Path) -> None:
    """A migrated database with the demo accounts, and meanwhile the static files."""
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(TEMPLATE)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    url = urlsplit(server)._replace(path=f"/{TEMPLATE}").geturl()
    # Neither command speaks to Redis, but the settings want one named; benchmarks have none yet.
    named = {"REDIS_URL": "redis://127.0.0.1/0", **os.environ}
    environment = {**named, "NEOAPEX_HOME": str(shared), "DATABASE_URL": url, "NEOAPEX_ENV": "embedded"}
    collecting = subprocess.Popen(_manage("collectstatic", "--noinput", "-v", "0"), cwd=ROOT, env=environment)
    try:
        for command in (("migrate", "-v", "0"), ("seed_demo",)):
            subprocess.run(_manage(*command), cwd=ROOT, env=environment, check=True, timeout=SECONDS)
        assert collecting.wait(SECONDS) == 0
    finally:
        collecting.kill()
        collecting.wait()


def _manage(*arguments: str) -> list[str]:
    return [sys.executable, "manage.py", *arguments]


def fill(url: str) -> None:
    """Make the database that `url` names on the server of the run, or fill an empty one elsewhere."""
    here, server = urlsplit(url), urlsplit(os.environ["DATABASE_URL"])
    # A database that somebody reads can be nobody's template.
    with _alone(folder()):
        if here.netloc != server.netloc:
            _copy(server._replace(path=f"/{TEMPLATE}").geturl(), url)
            return
        names = [sql.Identifier(name) for name in (here.path.strip("/"), TEMPLATE)]
        with psycopg.connect(server.geturl(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))


def _copy(template: str, url: str) -> None:
    """From one server to another."""
    dump = [str(binary("pg_dump")), "--no-password", template]
    load = [str(binary("psql")), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--dbname", url]
    told = subprocess.run(dump, capture_output=True, check=True, timeout=SECONDS).stdout
    subprocess.run(load, input=told, stdout=subprocess.DEVNULL, check=True, timeout=SECONDS)


def static_files(environment: Mapping[str, str]) -> None:
    """Put the collected files where this studio looks for them."""
    shutil.copytree(folder() / "static", Path(environment["NEOAPEX_HOME"]) / "static", copy_function=os.link)
