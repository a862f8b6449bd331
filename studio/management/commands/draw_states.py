"""Prints the diagram of states, drawn from the tables that the code runs by."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand

from studio import transitions


def diagram(title: str, table: Mapping[Any, frozenset[Any]]) -> str:
    arrows = [f"    {source} --> {target}" for source, targets in table.items() for target in sorted(targets)]
    return "\n".join([f"## {title}", "", "```mermaid", "stateDiagram-v2", *arrows, "```", ""])


class Command(BaseCommand):
    help = "Print docs/states.md: the states and the ways between them."

    def handle(self, *args: Any, **options: Any) -> None:
        parts = [
            "# States",
            "",
            "Drawn by `manage.py draw_states` from `studio/transitions.py`; a test compares the two.",
            "",
        ]
        parts += [
            diagram("Generation", transitions.GENERATION),
            diagram("Track", transitions.TRACK),
            diagram("Master", transitions.MASTER),
            diagram("Retouch", transitions.RETOUCH),
        ]
        self.stdout.write("\n".join(parts), ending="")
