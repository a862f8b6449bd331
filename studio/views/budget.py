"""The month's money as a person sees it: the balance, what each day cost, and every entry behind it."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledger import months, organisation, quotas
from ledger import queries as ledger
from ledger.errors import InvalidMonth
from studio import charts, statements
from studio.schemas import LineOut
from studio.statements import Line
from studio.views.people import PersonRequest, for_people

MONTHS_SHOWN = 12
COLUMNS = (
    "time", "kind", "for", "granted", "held", "spent", "currency", "reference", "generation", "title", "request_id",
    "reason",
)  # fmt: skip
# A spreadsheet takes a cell that begins so for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@require_safe
@for_people
def budget(request: PersonRequest) -> HttpResponse:
    person = request.user
    present = ledger.balance(person)
    month = _month(request, present.month)
    typed = request.GET.get("cursor", "")
    cursor = int(typed) if typed.isdecimal() and len(typed) < 19 else None
    page = ledger.entries(person, month, cursor)
    all_months = ledger.months_of(person)
    left = organisation.left_micros()
    shown = {
        "balance": present if month == present.month else ledger.balance_of(person, month),
        "page": page,
        "lines": statements.lines(person, page.entries),
        "this_month": month == present.month,
        "first_page": cursor is None,
        "chart": charts.of_month(months.parse_month(month), ledger.spending(person, month), _today()),
        "months": all_months[:MONTHS_SHOWN],
        "older_months": all_months[MONTHS_SHOWN:],
        "frozen": quotas.is_frozen(person),
        "organisation_is_full": left is not None and left <= 0,
    }
    return render(request, "studio/budget.html", shown)


@require_safe
@for_people
def export_csv(request: PersonRequest) -> StreamingHttpResponse:
    month = _month(request, months.month_name(months.month_of()))
    return _download(_csv(statements.statement(request.user, month)), "text/csv; charset=utf-8", f"{month}.csv")


@require_safe
@for_people
def export_json(request: PersonRequest) -> StreamingHttpResponse:
    month = _month(request, months.month_name(months.month_of()))
    return _download(_json(month, statements.statement(request.user, month)), "application/json", f"{month}.json")


def _month(request: PersonRequest, otherwise: str) -> str:
    month = request.GET.get("month") or otherwise
    try:
        return months.month_name(months.parse_month(month))
    except InvalidMonth as error:
        raise Http404(str(error.message)) from None


def _today() -> date:
    return datetime.now(UTC).date()


def _download(blocks: Iterator[str], content_type: str, name: str) -> StreamingHttpResponse:
    disposition = f'attachment; filename="neoapex-statement-{name}"'
    headers = {"Content-Disposition": disposition, "Cache-Control": "private, no-store"}
    return StreamingHttpResponse(blocks, content_type=content_type, headers=headers)


class _Echo:
    """What a CSV writer writes to: it hands the row on instead of keeping it."""

    def write(self, row: str) -> str:
        return row


def _csv(lines: Iterator[Line]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    # Without the mark, spreadsheets read the titles in the alphabet of their machine.
    yield "\ufeff" + writer.writerow(COLUMNS)
    for line in lines:
        yield writer.writerow(_cells(LineOut.of(line), line))


def _cells(line: LineOut, found: Line) -> list[str]:
    texts = (line.reference, line.generation or "", found.title, line.request_id or "", line.reason)
    money = (line.granted, line.held, line.spent)
    return [
        line.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        line.kind,
        _harmless(line.label),
        *money,
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
