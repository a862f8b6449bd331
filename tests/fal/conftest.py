from collections.abc import Callable, Iterator
from typing import Any

import pytest

from studio.fal.client import FalClient
from studio.fal.schemas import TextToMusicInput
from studio.fal.transport import FalUrls, Timeouts
from tests.fal.server import FalServer

KEY = "11111111-key-id:0123456789abcdef-secret"
ENDPOINT = "sonauto/v2/text-to-music"
QUICK = Timeouts(connect=1, read=0.3, write=1, answer=1)


@pytest.fixture(scope="session")
def running_server() -> Iterator[FalServer]:
    server = FalServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(running_server: FalServer) -> FalServer:
    running_server.seen.clear()
    running_server.script.clear()
    return running_server


@pytest.fixture
def client_at() -> Callable[..., FalClient]:
    def make(url: str, timeouts: Timeouts = QUICK) -> FalClient:
        return FalClient(KEY, FalUrls(url, url, f"{url}/v1", url), allow_http=True, timeouts=timeouts)

    return make


@pytest.fixture
def client(server: FalServer) -> FalClient:
    url = server.url
    timeouts = Timeouts(connect=2, read=5, write=5, answer=5)
    return FalClient(KEY, FalUrls(url, url, f"{url}/v1", url), allow_http=True, timeouts=timeouts)


@pytest.fixture
def arguments() -> dict[str, Any]:
    return TextToMusicInput(prompt="a song about 🌊 and שלום", seed=2**63 - 1).to_fal()
