"""The bill of materials of what runs in production, in CycloneDX's JSON, from the pins and what is installed.

The pins say which files may be installed, by their hashes; the installed packages say under which licence.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PINNED = re.compile(r"^(?P<name>[\w.-]+)(?:\[[\w,.-]+\])?==(?P<version>[\w.!+-]+)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def pins(requirements: str) -> Iterator[tuple[str, str, list[str]]]:
    """Name, version and the hashes of the files that may be installed, in the order of the list."""
    found = list(PINNED.finditer(requirements))
    for pin, following in zip(found, [*found[1:], None], strict=True):
        block = requirements[pin.end() : following.start() if following else None]
        yield pin["name"], pin["version"], HASH.findall(block)


def bill(requirements: str) -> dict[str, Any]:
    """The same pins give the same bill: it carries no moment and no serial number."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "neo-apex", "bom-ref": "neo-apex"}},
        "components": [_component(*pin) for pin in pins(requirements)],
    }


def _component(name: str, version: str, hashes: list[str]) -> dict[str, Any]:
    reference = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference,
        "purl": reference,
        "name": name,
        "version": version,
        # One for each file of the release; which of them is installed, the platform decides.
        "properties": [{"name": "neo-apex:sha256", "value": value} for value in hashes],
    }
    if licence := _licence(name):
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def _licence(name: str) -> str:
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return ""
    classified = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if line.startswith("License")]
    first_line = _read(told, "License").strip().partition("\n")[0]
    return _read(told, "License-Expression") or ", ".join(classified) or first_line[:100]


def _read(told: Any, name: str) -> str:
    """What is left out reads as None, which the types of it don't say."""
    return told[name] or ""


if __name__ == "__main__":
    json.dump(bill((ROOT / "requirements.txt").read_text()), sys.stdout, indent=2)
    sys.stdout.write("\n")
