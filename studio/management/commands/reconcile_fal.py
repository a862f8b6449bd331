"""Compares fal's bill with the books."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ledger.money import display_dollars, format_dollars
from studio import reconciliation
from studio.models import LineKind, Reconciliation, ReconciliationLine

CANT_TELL = 2


def moment(text: str) -> datetime:
    """A day (its first moment) or a time, in UTC unless it says otherwise."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date like 2026-11-01") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = (
        "Compare fal's bill with the books, request by request, and book nothing. Exit 1 on any difference, 2 when fal "
        "can't be asked. fal bills with a delay: end yesterday to leave out what may be late."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=moment, help="the first day, as 2026-11-01; this month's unless given")
        parser.add_argument("--until", type=moment, help="the day after the last, as 2026-12-01; now unless given")
        parser.add_argument("--json", action="store_true", help="the answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = reconciliation.run(since=options["since"], until=options["until"])
        except reconciliation.InvalidSpan as error:
            raise CommandError(f"{error.message} {error.hint}", returncode=CANT_TELL) from None
        if found.error:
            raise CommandError(found.error, returncode=CANT_TELL)
        self.stdout.write(as_json(found) if options["json"] else as_text(found))
        if not reconciliation.is_equal(found):
            raise SystemExit(1)


def as_json(found: Reconciliation) -> str:
    answer = {
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "equal": reconciliation.is_equal(found),
        "ours": format_dollars(found.ours_micros),
        "fals": format_dollars(found.fals_micros),
        "matched": found.matched,
        "not_ours": found.not_ours,
        "lines": [_line_as_json(line) for line in reconciliation.lines(found)],
        "lines_left_out": found.lines_left_out,
        "remark": found.remark,
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


def _line_as_json(line: ReconciliationLine) -> dict[str, object]:
    return {
        "kind": line.kind,
        "request_id": line.request_id or None,
        "endpoint": line.endpoint,
        "generation": str(line.generation_id) if line.generation_id else None,
        "ours": format_dollars(line.ours_micros),
        "fals": format_dollars(line.fals_micros),
        "difference": format_dollars(line.difference_micros),
        "note": line.note,
    }


HEAD = ("", "request", "endpoint", "ours", "fal's", "difference", "")


def as_text(found: Reconciliation) -> str:
    lines = list(reconciliation.lines(found))
    parts = [_table(lines)] if lines else []
    if found.lines_left_out:
        parts.append(f"and {found.lines_left_out} more that are not listed")
    parts += [f"{found.since:%Y-%m-%d %H:%M} to before {found.until:%Y-%m-%d %H:%M}, UTC", *_totals(found, lines)]
    return "\n".join(parts)


def _table(lines: list[ReconciliationLine]) -> str:
    rows = [HEAD, *(_row(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join(_aligned(row, widths) for row in rows) + "\n"


def _row(line: ReconciliationLine) -> tuple[str, ...]:
    amounts = [display_dollars(micros) for micros in (line.ours_micros, line.fals_micros, line.difference_micros)]
    return (str(LineKind(line.kind).label), line.request_id, line.endpoint, *amounts, line.note)


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        cell.rjust(width) if column in {3, 4, 5} else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _totals(found: Reconciliation, lines: list[ReconciliationLine]) -> list[str]:
    under_way = [line for line in lines if line.kind == LineKind.UNDER_WAY]
    different = len(lines) - len(under_way) + found.lines_left_out
    totals = [
        f"ours {display_dollars(found.ours_micros)}, fal's {display_dollars(found.fals_micros)}",
        f"{found.matched} alike, {different} different",
    ]
    if under_way:
        billed = display_dollars(sum(line.fals_micros for line in under_way))
        totals.append(f"{len(under_way)} under way here that fal has billed already, {billed}")
    if found.not_ours:
        totals.append(f"{found.not_ours} lines of fal's bill are not the studio's")
    return totals + ([found.remark] if found.remark else [])
