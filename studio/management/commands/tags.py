"""Reads a saved copy of Sonauto's tag explorer."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from studio.tags import audits, drift, explorer
from studio.tags.drift import Drift
from studio.tags.explorer import PageUnreadable
from studio.tags.taxonomy import Taxonomy, taxonomy

CANT_TELL: Final = 2
MOST_PERCENT: Final = 10


class Command(BaseCommand):
    help = (
        "Read a saved copy of Sonauto's tag explorer. `extract` prints its tags in the form of "
        "fixtures/sonauto_tags.json; `audit` says what has changed, and exits with 1 above 10 %, with 2 where the "
        "page can't be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True)
        for name, words in {"extract": "print its tags as JSON", "audit": "compare it with the taxonomy"}.items():
            command = what.add_parser(name, help=words)
            command.add_argument("page", type=Path, help="the page, saved as HTML, as a single-file archive or as text")
            if name == "audit":
                command.add_argument("--json", action="store_true", help="the answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            page = options["page"].read_bytes()
            if options["what"] == "extract":
                self.stdout.write(_extracted(page))
                return
            found = audits.compare(page)
        except OSError as error:
            raise CommandError(f"{options['page']}: {error.strerror}", returncode=CANT_TELL) from error
        except PageUnreadable as error:
            raise CommandError(f"{error.message} {error.hint}", returncode=CANT_TELL) from error
        self._record(found)
        self.stdout.write(_as_json(found) if options["json"] else _as_text(found))
        if found.percent > MOST_PERCENT:
            raise SystemExit(1)

    def _record(self, found: Drift) -> None:
        """For the admin's reminder. The answer doesn't depend on a database."""
        try:
            audits.record(found)
        except DatabaseError as error:
            self.stderr.write(f"Not noted, so the reminder stays: {error}")


def _extracted(page: bytes) -> str:
    ours = taxonomy()
    names = explorer.names(page, (tag.name for tag in ours.tags))
    return _as_fixture(drift.taxonomy_of(names, ours, timezone.now().date()))


def _as_fixture(found: Taxonomy) -> str:
    """A tag on a line, so that a change of one is a change of a line."""
    whole = found.model_dump(mode="json")
    tags = ",\n".join(f"    {json.dumps(tag, ensure_ascii=False)}" for tag in whole.pop("tags"))
    head = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in whole.items())
    return f'{{\n{head},\n  "tags": [\n{tags}\n  ]\n}}'


def _as_json(found: Drift) -> str:
    moved = [{"name": move.name, "was": move.was, "now": move.now} for move in found.moved]
    answer = {"known": found.known, "added": found.added, "gone": found.gone, "moved": moved}
    return json.dumps(answer | {"percent": round(found.percent, 2)}, ensure_ascii=False, indent=2)


def _as_text(found: Drift) -> str:
    lines = [f"Added: {len(found.added)}", *(f"  + {name}" for name in found.added)]
    lines += [f"Gone: {len(found.gone)}", *(f"  - {name}" for name in found.gone)]
    lines += [f"Moved: {len(found.moved)}", *(f"  {move.name}: {move.was} -> {move.now}" for move in found.moved)]
    return "\n".join([*lines, f"Drift: {found.percent:.1f} % of {found.known} tags"])
