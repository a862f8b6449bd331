"""docker-compose.yml as Compose would read it, without Compose."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "docker-compose.yml"
# ${NAME}, ${NAME-default}, ${NAME:-default}, ${NAME?}, ${NAME:?}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<colon>:?)(?P<how>[-?]?)(?P<rest>[^}]*)\}")


def services() -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", document()["services"])


def document() -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load(PATH.read_text()))


def ours() -> dict[str, dict[str, Any]]:
    """Those that run this repository."""
    return {name: service for name, service in services().items() if "build" in service}


def variables() -> set[str]:
    """What the file asks of whoever starts it."""
    return {found["name"] for found in _VARIABLE.finditer(PATH.read_text())}


def filled(text: str, given: Mapping[str, str]) -> str:
    """:raises KeyError: a variable without a default is missing."""

    def value(found: re.Match[str]) -> str:
        name, is_set = found["name"], found["name"] in given
        if is_set and (given[name] or not found["colon"]):
            return given[name]
        if found["how"] == "-":
            return found["rest"]
        if found["how"] == "?":
            raise KeyError(name)
        return ""

    return _VARIABLE.sub(value, text).replace("$$", "$")


def environment_of(service: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    return {name: filled(str(value), given) for name, value in (service.get("environment") or {}).items()}


def command_of(service: Mapping[str, Any]) -> list[str]:
    return [filled(word, {}) for word in service["command"]]


def healthcheck_of(service: Mapping[str, Any]) -> list[str]:
    kind, *words = service["healthcheck"]["test"]
    words = [filled(word, {}) for word in words]
    return ["sh", "-c", *words] if kind == "CMD-SHELL" else words
