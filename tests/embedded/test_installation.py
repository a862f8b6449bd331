import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.embedded.processes import BASE_DIR

BOOTSTRAP = BASE_DIR / "neoapex" / "embedded" / "bootstrap.sh"
PINNED = ("requirements.txt", "requirements-dev.txt", "requirements-npm.txt")


@pytest.mark.parametrize("name", PINNED)
def test_every_python_package_is_pinned_with_hashes(name: str) -> None:
    joined = (BASE_DIR / name).read_text().replace("\\\n", " ")
    requirements = [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]
    assert requirements
    assert not [line for line in requirements if not re.match(r"[\w.\[\],-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)]


def test_every_package_of_the_browser_is_pinned_by_content_and_not_by_address() -> None:
    packages = json.loads((BASE_DIR / "package-lock.json").read_text())["packages"]
    wanted = packages.pop("")
    assert packages
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not [name for name, package in packages.items() if "resolved" in package]
    versions = {**wanted["dependencies"], **wanted["devDependencies"]}
    assert {name: packages[f"node_modules/{name}"]["version"] for name in versions} == versions


@pytest.mark.parametrize("path", [BOOTSTRAP, BASE_DIR / ".ci" / "run"])
def test_the_scripts_can_be_run_and_parse(path: Path) -> None:
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True, timeout=20)


def test_a_machine_with_an_old_python_only_is_told_in_one_line(tmp_path: Path) -> None:
    for name in ("python3.11", "python3.12", "python3.13", "python3.14", "python3"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        [str(BOOTSTRAP), "venv"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "neoapex: Python 3.11 or newer is needed, and none was found. Install it and run make again."
    ]
    assert not (tmp_path / ".venv").exists()


def test_what_is_installed_is_not_installed_again(tmp_path: Path) -> None:
    makefile = (BASE_DIR / "Makefile").read_text()
    (tmp_path / "Makefile").write_text(makefile)
    for name in (*PINNED, "package-lock.json", ".venv/bin/python", ".venv/.installed", "node_modules/.installed"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    planned = subprocess.run(
        ["make", "-n", "studio"], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=True
    ).stdout
    assert planned.splitlines() == ["exec .venv/bin/python -m neoapex.embedded"]
    os.utime(tmp_path / "requirements.txt", (2_000_000_000, 2_000_000_000))
    planned = subprocess.run(
        ["make", "-n", "studio"], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=True
    ).stdout
    assert "bootstrap.sh packages requirements.txt" in planned
    assert "bootstrap.sh npm" not in planned
