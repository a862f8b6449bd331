"""A client that a generator made from the API's description makes a song, and is told of errors in the API's words."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.journeys.stack import RunningStudio, running_studio, wait_for

NAME = "neo_apex_client"
SONG = {"prompt": "a calm piano piece at night", "num_songs": 1}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio() -> Iterator[RunningStudio]:
    with running_studio(song_seconds=1) as running:
        yield running


@pytest.fixture(scope="module")
def generated(studio: RunningStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package, made from what the running studio says of itself; nothing of the description may be left out."""
    folder = tmp_path_factory.mktemp("client")
    description = folder / "openapi.json"
    description.write_bytes(httpx.get(f"{studio.url}/api/openapi.json", trust_env=False).content)
    (folder / "config.yml").write_text("post_hooks: []\n")
    command = [str(Path(sys.executable).parent / "openapi-python-client"), "generate", "--path", str(description)]
    command += ["--output-path", str(folder / NAME), "--meta", "none", "--config", str(folder / "config.yml")]
    done = subprocess.run([*command, "--fail-on-warning"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield importlib.import_module(NAME)
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def call(name: str) -> Any:
    tag = {"make_quote": "songs", "start_generation": "songs", "read_generation": "songs", "list_generations": "songs",
           "preview": "media", "balance": "credits_", "cancel_generation": "songs"}[name]  # fmt: skip
    return importlib.import_module(f"{NAME}.api.{tag}.{name}")


def model(name: str) -> Any:
    return getattr(importlib.import_module(f"{NAME}.models"), name)


@contextmanager
def opened(studio: RunningStudio, generated: Any, token: str) -> Iterator[Any]:
    quiet = {"trust_env": False}
    with generated.AuthenticatedClient(
        base_url=studio.url, token=token, httpx_args=quiet, follow_redirects=True
    ) as client:
        yield client


@pytest.fixture
def client(studio: RunningStudio, generated: ModuleType) -> Iterator[Any]:
    with opened(studio, generated, studio.manage("create_token", "demo@example.com")) as client:
        yield client


def song() -> Any:
    return model("StartGenerationTextToMusicInput").from_dict(SONG)


def test_a_generated_client_makes_a_song_and_plays_it(client: Any) -> None:
    quote = call("make_quote").sync(client=client, body=model("MakeQuoteTextToMusicInput").from_dict(SONG))
    assert (quote.cost, quote.reasons) == ("0.0750", [])
    started = call("start_generation").sync_detailed(client=client, body=song(), idempotency_key="from a client")
    assert started.status_code == 201
    assert started.headers["X-Request-Id"]
    again = call("start_generation").sync_detailed(client=client, body=song(), idempotency_key="from a client")
    assert (again.status_code, again.parsed.id) == (200, started.parsed.id)

    def is_ready() -> bool:
        return bool(call("read_generation").sync(started.parsed.id, client=client).state == "READY")

    wait_for(is_ready, 40, lambda: "the song")
    [made] = call("list_generations").sync(client=client).items
    assert (made.id, made.charged) == (started.parsed.id, "0.0750")
    [track] = made.tracks
    audio = call("preview").sync(track.id, client=client)
    assert audio.payload.read()[:3] in {b"ID3", b"\xff\xfb\x90", b"\xff\xfb\x92"}
    assert call("balance").sync(client=client).spent == "0.0750"


def test_a_generated_client_understands_what_is_refused(client: Any, studio: RunningStudio, generated: Any) -> None:
    refused = call("cancel_generation").sync_detailed("11111111-1111-4111-8111-111111111111", client=client)
    assert (refused.status_code, refused.parsed.code) == (404, "not_found")
    reader = studio.manage("create_token", "demo@example.com", "--scope", "read")
    with opened(studio, generated, reader) as limited:
        forbidden = call("start_generation").sync(client=limited, body=song())
    assert forbidden.code == "scope_missing"
    assert forbidden.request_id
    with opened(studio, generated, "nxa_x") as stranger:
        assert call("balance").sync(client=stranger).code == "unauthenticated"
