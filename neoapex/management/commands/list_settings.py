"""Prints the reference of settings, drawn from .env.example, which a test holds to what the settings read."""

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

HEADING = re.compile(r"# --- (.+) ---")
VARIABLE = re.compile(r"(?P<unset># )?(?P<name>[A-Z][A-Z0-9_]+)=(?P<value>.*)")


def page(example: str) -> Iterator[str]:
    """A table for each part of the example; what stands above a variable explains it."""
    said: list[str] = []
    for line in example.splitlines():
        if heading := HEADING.fullmatch(line):
            yield from ("", f"## {heading[1]}", "", "| Variable | Default | Meaning |", "| --- | --- | --- |")
        elif variable := VARIABLE.fullmatch(line):
            yield f"| `{variable['name']}` | {_default(variable)} | {' '.join(said).replace('|', '·')} |"
        elif line.startswith("# "):
            said.append(line.removeprefix("# "))
            continue
        said = []


def _default(variable: re.Match[str]) -> str:
    if variable["unset"] is None:
        return f"none; as in `{variable['value']}`" if variable["value"] else "none"
    return f"`{variable['value']}`" if variable["value"] else "none"


class Command(BaseCommand):
    help = "Print docs/reference/settings.md: every variable with its default and meaning."

    def handle(self, *args: Any, **options: Any) -> None:
        example = (settings.BASE_DIR / ".env.example").read_text()
        intro = [
            "# Settings",
            "",
            "Drawn by `manage.py list_settings` from `.env.example`; a test compares the two, and the example with",
            "what the settings read. Every variable may be given as a file, named by it with `_FILE`. Defaults are",
            "production's.",
        ]
        self.stdout.write("\n".join([*intro, *page(example), ""]), ending="")
