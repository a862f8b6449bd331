"""One running simulator: its configuration and its parts, put together."""

import tempfile
from pathlib import Path

from starlette.requests import Request

from simulator.config import Config
from simulator.deliveries import Courier
from simulator.keys import Keyring
from simulator.runner import Runner
from simulator.songs import Songbook
from simulator.store import Store


class Simulation:
    """Without a configured home the state lives in a temporary directory and goes with the process."""

    def __init__(self, config: Config) -> None:
        self.config = config
        # Order matters: each part takes only those above it.
        self._temporary = None if config.home else tempfile.TemporaryDirectory(prefix="simulator-")
        self.home = config.home or Path(self._temporary.name if self._temporary else ".")
        self.store = Store(self.home)
        self.keyring = Keyring(self.store)
        self.songbook = Songbook(config, self.store)
        self.courier = Courier(config, self.store, self.keyring)
        self.runner = Runner(config, self.store, self.songbook, self.courier)

    def base_url(self, request: Request) -> str:
        """Where callers find this simulator: as configured, else as they called it."""
        return self.config.url or str(request.base_url).rstrip("/")

    def close(self) -> None:
        self.songbook.close()
        self.store.close()
        if self._temporary:
            self._temporary.cleanup()
