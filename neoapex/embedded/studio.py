"""Running a whole studio: its servers, its preparation, its own processes, and the links that open it."""

import http.client
import json
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import redis
from django.core.exceptions import ImproperlyConfigured

from neoapex import environment as read
from neoapex.embedded import ports
from neoapex.embedded.children import Launch, Program
from neoapex.embedded.configuration import BASE_DIR, SIMULATOR_USER_ID, Configuration, lent_environment
from neoapex.embedded.errors import EmbeddedError
from neoapex.embedded.home import write_private
from neoapex.embedded.stamps import Stamp
from neoapex.embedded.supervisor import Service, Supervisor

# Our own Redis is always used by its database 0.
BYE_CHANNEL = "neoapex:0:bye"
MIGRATE_SECONDS = 300
COLLECT_SECONDS = 120
SEED_SECONDS = 120
LEASH = (sys.executable, "-m", "neoapex.embedded.leash")

logger = logging.getLogger("neoapex.embedded")


class BadSetting(EmbeddedError):
    """A variable of the environment that the simulator needs as well is wrong."""

    code = "bad_setting"
    hint = "See .env.example."


class NoLinks(EmbeddedError):
    """The demo accounts could not be prepared."""

    code = "no_links"


class Studio:
    """One studio from its start to its stop. ``run()`` returns after a stop signal."""

    def __init__(self, configuration: Configuration, launch: Launch) -> None:
        self._configuration = configuration
        self._home = configuration.home
        self._launch = launch
        self._supervisor = Supervisor(launch)
        self._started = time.monotonic()

    def run(self) -> None:
        """Start everything, print the links, wait for a stop signal, stop everything.

        Raises ChildFailed, after the same stop, when a process ends on its own.
        """
        try:
            self._start_servers()
            self._prepare()
            self._home.lend_environment(lent_environment(self._configuration, os.environ))
            self._start_processes()
            self._supervisor.watch()
        finally:
            say("Stopping…")
            try:
                self._home.take_environment_back()
                self._say_bye()
            finally:
                self._supervisor.stop()
            say("Stopped.")

    def _start_servers(self) -> None:
        for name, server in (("PostgreSQL", self._configuration.database), ("Redis", self._configuration.broker)):
            if server is None:
                say(f"{name}: the one that the environment names.")
                continue
            self._supervisor.add(server.start(self._launch))
            say(f"{name} runs on port {server.port}.")

    def _prepare(self) -> None:
        migrations = self._stamp("migrated", *migration_sources(self._home.path))
        # The database of somebody else may be an empty one today.
        if self._configuration.database is None or not migrations.is_current():
            say("Preparing the database…")
            self._supervisor.run(self._manage("migrate", "--no-input", "--verbosity", "0"), MIGRATE_SECONDS)
            migrations.renew()
        statics = self._stamp("collected", *static_sources(self._home.path))
        if not statics.is_current():
            say("Collecting static files…")
            collect = self._manage("collectstatic", "--no-input", "--clear", "--verbosity", "0")
            self._supervisor.run(collect, COLLECT_SECONDS)
            statics.renew()

    def _start_processes(self) -> None:
        say("Starting the studio…")
        waits = [self._supervisor.start(stage) for stage in (self.background(), [self.web()])]
        links = self._links()
        for wait_ready in waits:
            wait_ready()
        self._supervisor.check()
        logger.info("studio ready", extra={"seconds": round(time.monotonic() - self._started, 2)})
        say(f"Studio: {self._configuration.url}{links['studio']}")
        say(f"Admin: {self._configuration.url}{links['admin']}")
        say("Ctrl-C stops it.")

    def background(self) -> list[Service]:
        """The stage between the servers and the web: the simulator, two Celery workers and beat.

        Media work is heavy on the CPU and has a worker of its own, so that it never keeps a call to fal waiting.
        """
        queues = {
            "worker": ("--queues", "fal,default", "--concurrency", "4"),
            "media": ("--queues", "media", "--concurrency", "2"),
        }
        services = [self._simulator()] if self._configuration.simulator_port else []
        for name, options in queues.items():
            worker = ("worker", "--hostname", f"{name}@%h", "--without-gossip", "--without-mingle", *options)
            # SIGQUIT gives back what isn't finished within seconds; SIGTERM would wait for the longest of all.
            services.append(Service(self._celery(name, *worker, stop_signal=signal.SIGQUIT)))
        # A schedule that a kill cut short would keep beat from starting; it holds nothing worth keeping.
        for left in self._home.path.glob("beat-schedule*"):
            left.unlink()
        services.append(Service(self._celery("beat", "beat", "--pidfile=")))
        return services

    def web(self) -> Service:
        """Granian with the ASGI application; an event stream that outlives the bye is cut after two seconds."""
        options = ("--workers", "2", "--respawn-failed-workers", "--no-ws")
        program = self._granian("web", "neoapex.asgi:application", self._configuration.port, *options)
        return Service(program, partial(answers, self._configuration.port, "/healthz"))

    def _simulator(self) -> Service:
        port = self._configuration.simulator_port or 0
        environment = {
            "SIMULATOR_HOME": str(self._home.path / "simulator"),
            "SIMULATOR_URL": self._configuration.simulator_url,
            "SIMULATOR_KEY": self._configuration.environment["FAL_KEY"],
            "SIMULATOR_USER_ID": SIMULATOR_USER_ID,
            "SIMULATOR_WEBHOOK_SECRET": relay_secret(self._configuration.environment["FAL_KEY"]),
        }
        program = self._granian("simulator", "simulator.app:app", port, "--workers", "1", **environment)
        return Service(program, partial(answers, port, "/.well-known/jwks.json"))

    def _granian(self, name: str, application: str, port: int, *options: str, **environment: str) -> Program:
        log_config = self._home.run / "granian-logs.json"
        write_private(log_config, json.dumps(GRANIAN_LOGS))
        listen = ("--interface", "asgi", "--host", ports.HOST, "--port", str(port), "--workers-kill-timeout", "2")
        argv = ("granian", *listen, *options, "--log-config", str(log_config), application)
        return self._program(name, (*LEASH, *argv), environment)

    def _celery(self, name: str, *arguments: str, stop_signal: signal.Signals = signal.SIGTERM) -> Program:
        argv = (*LEASH, "celery", "--quiet", "--app", "neoapex.celery:app", *arguments, "--loglevel", "INFO")
        # The command that makes the links checks the same code and settings beside them.
        return self._program(name, argv, {"CELERY_SKIP_CHECKS": "1"}, stop_signal=stop_signal)

    def _program(
        self,
        name: str,
        argv: tuple[str, ...],
        environment: dict[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Program:
        return Program(
            name,
            argv,
            {**self._configuration.environment, **(environment or {})},
            directory=BASE_DIR,
            # JSON lines come on standard output; what libraries say outside of logging stays apart.
            output_path=self._home.log(f"{name}.log"),
            log_path=self._home.log(f"{name}.txt"),
            stop_signal=stop_signal,
            stop_seconds=6,
            # Making, encoding and rendering audio takes all the CPU it gets; pages and webhooks come first.
            niceness=10 if name in {"media", "simulator"} else 0,
        )

    def _manage(self, *arguments: str, output_path: Path | None = None) -> Program:
        return Program(
            f"manage.py {arguments[0]}",
            (sys.executable, str(BASE_DIR / "manage.py"), *arguments),
            self._configuration.environment,
            directory=BASE_DIR,
            log_path=self._home.log("setup.txt"),
            output_path=output_path,
        )

    def _links(self) -> dict[str, str]:
        path = self._home.run / "links.json"
        path.unlink(missing_ok=True)
        self._supervisor.run(self._manage("seed_demo", "--print-links", output_path=path), SEED_SECONDS)
        try:
            links = json.loads(path.read_text())
            return {"studio": str(links["studio"]), "admin": str(links["admin"])}
        except (ValueError, KeyError, TypeError) as error:
            raise NoLinks("`manage.py seed_demo --print-links` gave no links.") from error
        finally:
            # They log in whoever has them.
            path.unlink(missing_ok=True)

    def _say_bye(self) -> None:
        """Ask event streams to end, so that the web server need not cut them."""
        broker = self._configuration.broker
        if broker is None:
            return
        with suppress(redis.RedisError), broker.client() as client:
            client.publish(BYE_CHANNEL, "bye")

    def _stamp(self, name: str, *sources: Path) -> Stamp:
        return Stamp(self._home.run / name, sources)


GRANIAN_LOGS = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "neoapex.logs.JsonLines"}},
    "handlers": {"lines": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
    "root": {"handlers": ["lines"], "level": "INFO"},
    "loggers": {"_granian": {"handlers": ["lines"], "level": "INFO", "propagate": False}},
}


def relay_secret(fal_key: str) -> str:
    """What the simulator signs callbacks with, where the studio takes those of a relay; empty where it takes fal's.

    :raises BadSetting: there is none.
    """
    try:
        by_relay = read.text("NEOAPEX_WEBHOOK_SCHEME", "ed25519") == "hmac"
        return read.webhook_secret("NEOAPEX_WEBHOOK_SECRET", fal_key) if by_relay else ""
    except ImproperlyConfigured as error:
        raise BadSetting(str(error)) from None


def migration_sources(home: Path) -> list[Path]:
    """Everything that decides whether a database is up to date, with the age of the cluster itself."""
    own = sorted(BASE_DIR.glob("*/migrations/*.py"))
    return [home / "postgres" / "PG_VERSION", BASE_DIR / "requirements.txt", *own]


def static_sources(home: Path) -> list[Path]:
    """Everything that decides whether the collected files are up to date, and the list of those."""
    folders = [BASE_DIR / "static", *sorted(BASE_DIR.glob("[!.]*/static"))]
    files = [BASE_DIR / name for name in ("requirements.txt", "package-lock.json", "neoapex/settings.py")]
    return [home / "static" / "staticfiles.json", *files, *folders]


def answers(port: int, path: str) -> bool:
    """True when an HTTP server on ``port`` answers ``path`` without a fault of its own."""
    connection = http.client.HTTPConnection(ports.HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def say(line: str) -> None:
    """One line for the person at the terminal, and for the log; a terminal that is gone is no reason to stop."""
    logger.info(line.partition("?")[0])
    with suppress(OSError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
