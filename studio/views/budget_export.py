"""A month's statement to take away, for spreadsheets and for programs."""

import csv
import json
from collections.abc import Iterator
from itertools import islice

from django.http import StreamingHttpResponse
from django.views.decorators.http import require_safe

from studio import statements
from studio.schemas import LineOut
from studio.statements import Line
from studio.views.budget import month_asked_for
from studio.views.people import PersonRequest, for_people

COLUMNS = (
    "time", "kind", "label", "granted", "held", "spent", "currency", "reference", "generation", "title", "request_id",
    "reason",
)  # fmt: skip
# A spreadsheet takes a cell that begins so for a formula; in some languages the wide forms, too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Rows are sent together: each block that goes out has its price.
ROWS_A_BLOCK = 200


@require_safe
@for_people
def export_csv(request: PersonRequest) -> StreamingHttpResponse:
    month = month_asked_for(request)
    rows = _csv(statements.statement(request.user, month))
    return _download(rows, "text/csv; charset=utf-8", f"{month}.csv")


@require_safe
@for_people
def export_json(request: PersonRequest) -> StreamingHttpResponse:
    month = month_asked_for(request)
    rows = _json(month, statements.statement(request.user, month))
    return _download(rows, "application/json", f"{month}.json")


def _download(rows: Iterator[str], content_type: str, name: str) -> StreamingHttpResponse:
    disposition = f'attachment; filename="neoapex-statement-{name}"'
    headers = {"Content-Disposition": disposition}
    return StreamingHttpResponse(_blocks(rows), content_type=content_type, headers=headers)


def _blocks(rows: Iterator[str]) -> Iterator[str]:
    while block := "".join(islice(rows, ROWS_A_BLOCK)):
        yield block


class _Echo:
    """What a CSV writer writes to: it hands the row on instead of keeping it."""

    def write(self, row: str) -> str:
        return row


def _csv(lines: Iterator[Line]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    # Without the mark, spreadsheets read the titles in the alphabet of their machine.
    yield "\ufeff" + writer.writerow(COLUMNS)
    for line in lines:
        yield writer.writerow(_cells(LineOut.of(line), line.title))


def _cells(line: LineOut, title: str) -> list[str]:
    texts = (line.reference, line.generation or "", title, line.request_id or "", line.reason)
    return [
        line.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        line.kind,
        _harmless(line.label),
        # Numbers as they are, below nought too: a sum over the column has to work.
        *(line.granted, line.held, line.spent),
        "USD",
        *(_harmless(text) for text in texts),
    ]


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _json(month: str, lines: Iterator[Line]) -> Iterator[str]:
    yield f'{{"month": {json.dumps(month)}, "currency": "USD", "entries": ['
    between = "\n"
    for line in lines:
        yield between + json.dumps(LineOut.of(line).model_dump(mode="json") | {"title": line.title}, ensure_ascii=False)
        between = ",\n"
    yield "\n]}\n"
