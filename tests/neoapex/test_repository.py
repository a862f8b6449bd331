"""What must never be in a file of the project: the old client, registries, secrets."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THIS = Path(__file__).resolve().relative_to(ROOT)
BINARY = {".png", ".jpg", ".ico", ".woff2", ".wav", ".mp3", ".flac", ".ogg", ".m4a", ".dat", ".gz"}


def files() -> list[Path]:
    """What is or will be committed: everything that isn't ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=30).stdout.decode().split("\0")
    found = [Path(name) for name in listed if name and (ROOT / name).is_file() and Path(name).suffix not in BINARY]
    assert len(found) > 100
    return [path for path in found if path != THIS]


def places(pattern: str) -> list[str]:
    wanted = re.compile(pattern)
    return [
        f"{path}:{number}"
        for path in files()
        for number, line in enumerate((ROOT / path).read_text("utf-8", "replace").splitlines(), start=1)
        if wanted.search(line)
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        r"api\.sonauto\.ai",
        r"(?i)\b(num_)?credits?_(balance|remaining|left|used|cost|per_song|required)\b",
        r"(?i)sonauto_api_key",
    ],
)
def test_nothing_is_left_of_the_old_client(pattern: str) -> None:
    assert places(pattern) == []


@pytest.mark.parametrize(
    "pattern", [r"pypi\.org|pythonhosted\.org", r"registry\.(npmjs\.org|yarnpkg\.com)", r"(?i)(extra-)?index-url"]
)
def test_no_file_names_a_package_registry(pattern: str) -> None:
    assert places(pattern) == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"AKIA[0-9A-Z]{16}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY",
        r"\bnxa_[A-Za-z0-9_-]{40,}",
        r"\bgh[pousr]_[A-Za-z0-9]{30,}",
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9a-f]{32}",
    ],
)
def test_no_file_holds_a_secret(pattern: str) -> None:
    assert places(pattern) == []


def test_no_file_names_the_place_where_it_was_written() -> None:
    assert places(r"(?<![\w.])/work/(main|shared)\b|/tmp/briefs") == []
