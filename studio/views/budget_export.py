"""A month's statement to take away, for spreadsheets and for programs."""

import json
from collections.abc import Iterator

from django.http import StreamingHttpResponse
from django.views.decorators.http import require_safe

from studio import downloads, statements
from studio.schemas import LineOut
from studio.statements import Line
from studio.views.budget import month_asked_for
from studio.views.people import PersonRequest, for_people

COLUMNS = (
    "time", "kind", "label", "granted", "held", "spent", "currency", "reference", "generation", "title", "request_id",
    "reason",
)  # fmt: skip


@require_safe
@for_people
def export_csv(request: PersonRequest) -> StreamingHttpResponse:
    month = month_asked_for(request)
    rows = map(_cells, statements.statement(request.user, month))
    return downloads.attachment(downloads.csv_rows(COLUMNS, rows), downloads.CSV, f"neoapex-statement-{month}.csv")


@require_safe
@for_people
def export_json(request: PersonRequest) -> StreamingHttpResponse:
    month = month_asked_for(request)
    rows = _json(month, statements.statement(request.user, month))
    return downloads.attachment(rows, "application/json", f"neoapex-statement-{month}.json")


def _cells(found: Line) -> list[str]:
    line = LineOut.of(found)
    return [
        line.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        line.kind,
        line.label,
        line.granted,
        line.held,
        line.spent,
        "USD",
        line.reference,
        line.generation or "",
        found.title,
        line.request_id or "",
        line.reason,
    ]


def _json(month: str, lines: Iterator[Line]) -> Iterator[str]:
    yield f'{{"month": {json.dumps(month)}, "currency": "USD", "entries": ['
    between = "\n"
    for line in lines:
        yield between + json.dumps(LineOut.of(line).model_dump(mode="json") | {"title": line.title}, ensure_ascii=False)
        between = ",\n"
    yield "\n]}\n"
