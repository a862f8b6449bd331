"""The stock JavaScript client against the simulator, run by node: required in CI, skipped where it is missing."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.server import ROOT, RunningSimulator

SCRIPT = Path(__file__).parent / "fal_js" / "client.cjs"
MISSING = "the JavaScript client's test needs node and `npm ci` (node_modules/@fal-ai/client)"


def module_folders() -> list[Path]:
    given = os.environ.get("NODE_PATH", "")
    return [ROOT / "node_modules", *(Path(folder) for folder in given.split(os.pathsep) if folder)]


def node() -> str:
    """The path of node, where the client is installed too; else the test fails in CI and is skipped elsewhere."""
    found = shutil.which("node")
    if found and any((folder / "@fal-ai" / "client" / "package.json").exists() for folder in module_folders()):
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


def run(sim: RunningSimulator, what: str) -> dict[str, Any]:
    environment = {"NODE_PATH": os.pathsep.join(map(str, module_folders())), "FAL_KEY": sim.key, "PATH": ""}
    finished = subprocess.run(
        [node(), SCRIPT, sim.url, what], env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert finished.returncode == 0, finished.stderr
    output: dict[str, Any] = json.loads(finished.stdout)
    return output


def test_the_javascript_client_gets_through_its_whole_life(sim: RunningSimulator) -> None:
    output = run(sim, "everything")
    assert output["submitted"]["status"] == "IN_QUEUE"
    assert output["updates"][-1] == output["finished"]["status"] == output["status"]["status"] == "COMPLETED"
    assert set(output["updates"]) <= {"IN_QUEUE", "IN_PROGRESS", "COMPLETED"}
    assert output["status"]["logs"]
    assert output["result"]["requestId"] == output["submitted"]["request_id"]
    assert output["result"]["data"]["seed"] == 7
    assert len(output["subscribed"]["data"]["audio"]) == 2
    assert (output["refused"]["name"], output["refused"]["status"]) == ("ValidationError", 422)
    assert output["refused"]["body"]["detail"][0]["type"] == "value_error"
    assert output["again"] == {"status": 400, "body": {"status": "ALREADY_COMPLETED"}}
    assert output["uploaded"] == [1, 2, 3]
    assert set(output["hosts"]) == {"queue.fal.run", "rest.fal.ai"}


@pytest.mark.slow
def test_the_javascript_client_uploads_in_parts(sim: RunningSimulator) -> None:
    assert run(sim, "multipart") == {"size": 91 << 20, "first": 1, "last": 2}


def test_a_missing_client_fails_in_ci_and_is_skipped_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    for value, outcome in (("true", pytest.fail.Exception), ("", pytest.skip.Exception)):
        monkeypatch.setenv("CI", value)
        with pytest.raises(outcome, match="npm ci"):
            node()
