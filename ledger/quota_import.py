"""Quotas from a CSV file: every line is understood, or the file is refused with each bad line named."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from ledger.errors import InvalidAmount
from ledger.money import parse_dollars
from ledger.quota_plans import ROWS_AT_ONCE, Wish
from ledger.quotas import KEEP, Keep

MAX_BYTES: Final = 1_000_000
MAX_LINES: Final = 10_000
REQUIRED: Final = ("email", "monthly_budget")
COLUMNS: Final = (*REQUIRED, "frozen", "rolls_over")
DEFAULT: Final = "default"
SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a line; line 0 is the file as a whole."""

    line: int
    message: str
    hint: str = ""


@dataclass(slots=True)
class Import:
    """What a file asks for. With any fault there is nothing to apply."""

    wishes: list[Wish] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


class _Refused(Exception):
    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class _FileRefused(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    cells: Mapping[str, str]


def read(data: bytes) -> Import:
    """Understand a whole file; its bytes are UTF-8 with or without a byte order mark, its cells apart by , or ;."""
    found = Import()
    try:
        lines = list(_lines(_text(data), found.faults))
    except _FileRefused as refused:
        found.faults.append(refused.fault)
        return found
    people = _people_of([line.cells["email"] for line in lines])
    first_lines: dict[int, int] = {}
    for line in lines:
        try:
            wish = _wish(line.cells, people)
            first = first_lines.setdefault(wish.person_id, line.number)
            if first != line.number:
                raise _Refused(_("%s is in line %d already.") % (_short(line.cells["email"]), first))
        except _Refused as refused:
            found.faults.append(Fault(line.number, refused.message, refused.hint))
        else:
            found.wishes.append(wish)
    found.faults.sort(key=lambda fault: fault.line)
    return found


# --- The file --------------------------------------------------------------------------------------------------------


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _FileRefused(Fault(0, _("The file is larger than 1 MB."), _("Import it in parts.")))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = _("In a spreadsheet program, save it as “CSV UTF-8”.")
        raise _FileRefused(Fault(line, _("The file is not text in UTF-8."), hint)) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _FileRefused(Fault(line, _("There is a NUL character, which no CSV file has."), _("Export it anew.")))
    if not text.strip():
        raise _FileRefused(Fault(0, _("The file is empty."), _header_hint()))
    return text


def _lines(text: str, faults: list[Fault]) -> Iterator[_Line]:
    """The lines that have as many cells as the header; the others become faults."""
    rows = _rows(text)
    _number, header = next(rows, (1, []))
    names = _columns(header)
    count = 0
    for number, row in rows:
        count += 1
        if count > MAX_LINES:
            message = _("The file has more than %d lines.") % MAX_LINES
            raise _FileRefused(Fault(0, message, _("Import it in parts.")))
        if len(row) == len(names):
            yield _Line(number, {name: cell.strip() for name, cell in zip(names, row, strict=True)})
        else:
            message = _("This line has %d cells, and the header has %d.") % (len(row), len(names))
            faults.append(Fault(number, message, _("Put cells that contain a comma or semicolon in quotes.")))
    if not count:
        raise _FileRefused(Fault(0, _("The file has a header and no lines."), _header_hint()))


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that isn't blank, with the number of the line that it starts in."""
    first_line = text.lstrip().splitlines()[0]
    delimiter = ";" if first_line.count(";") > first_line.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    last = 0
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield last + 1, row
            last = reader.line_num
    except csv.Error as error:
        message = _("This is not CSV: %s.") % error
        raise _FileRefused(Fault(last + 1, message, _("Look for a quote that is never closed."))) from None


def _columns(header: Sequence[str]) -> list[str]:
    names = [name.strip().lower() for name in header]
    for name in names:
        if name not in COLUMNS:
            raise _FileRefused(Fault(1, _("There is no column “%s”.") % _short(name), _header_hint()))
        if names.count(name) > 1:
            raise _FileRefused(Fault(1, _("The column “%s” is there twice.") % name, _header_hint()))
    for name in REQUIRED:
        if name not in names:
            raise _FileRefused(Fault(1, _("The column “%s” is missing.") % name, _header_hint()))
    return names


def _header_hint() -> str:
    return _("The first line names the columns: email, monthly_budget, and if you like frozen and rolls_over.")


# --- A line ----------------------------------------------------------------------------------------------------------


def _people_of(emails: Sequence[str]) -> dict[str, list[int]]:
    """The ids of everybody by email in small letters, a thousand at a time."""
    people: dict[str, list[int]] = {}
    model: Any = get_user_model()
    by_email = model.objects.annotate(lowered=Lower("email"))
    wanted = sorted({email.lower() for email in emails})
    for first in range(0, len(wanted), ROWS_AT_ONCE):
        some = wanted[first : first + ROWS_AT_ONCE]
        for email, pk in by_email.filter(lowered__in=some).values_list("lowered", "pk"):
            people.setdefault(email, []).append(pk)
    return people


def _wish(cells: Mapping[str, str], people: Mapping[str, list[int]]) -> Wish:
    return Wish(
        person_id=_person(cells["email"], people),
        monthly_micros=_monthly(cells["monthly_budget"]),
        frozen=_switch("frozen", cells),
        rolls_over=_switch("rolls_over", cells),
    )


def _person(email: str, people: Mapping[str, list[int]]) -> int:
    if not email:
        raise _Refused(_("The email address is missing."))
    match people.get(email.lower(), []):
        case [pk]:
            return pk
        case []:
            raise _Refused(_("Nobody here has the address %s.") % _short(email), _("Make the account first."))
        case _:
            raise _Refused(_("More than one person has the address %s.") % _short(email), _("Change it in the list."))


def _monthly(text: str) -> int | None:
    if text.lower() == DEFAULT:
        return None
    try:
        return parse_dollars(text)
    except InvalidAmount as error:
        hint = _("Give dollars like 25.00, with at most six decimals, or the word default.")
        raise _Refused(error.message, hint) from None


def _switch(name: str, cells: Mapping[str, str]) -> bool | Keep:
    """Yes or no; an empty cell or a missing column leaves it as it is."""
    said = cells.get(name, "").lower()
    if said in {"yes", "no"}:
        return said == "yes"
    if said:
        raise _Refused(_("“%s” in %s is neither yes nor no.") % (_short(said), name), _("Leave it empty to keep it."))
    return KEEP


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
