"""Files that are made while they are sent, so that one of any length takes the same memory."""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final
from urllib.parse import quote

from django.http import StreamingHttpResponse

CSV: Final = "text/csv; charset=utf-8"
# A spreadsheet takes a cell that begins so for a formula; in some languages the wide forms, too.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_AMOUNT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# What RFC 8187 lets stand in an extended value beside letters and digits.
_PLAIN: Final = "!#$&+-.^_`|~"
# Rows are sent together: each block that goes out has its price.
ROWS_A_BLOCK: Final = 200


def attachment(rows: Iterator[str], content_type: str, name: str) -> StreamingHttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(_blocks(rows), content_type=content_type, headers=headers)


def csv_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A file that any spreadsheet opens: its texts stay texts, and its amounts numbers to add up."""
    writer = csv.writer(_Echo())
    # Without the mark, spreadsheets read the titles in the alphabet of their machine.
    yield "\ufeff" + writer.writerow(header)
    for row in rows:
        yield writer.writerow([harmless(cell) for cell in row])


def harmless(cell: str) -> str:
    is_text = cell.startswith(FORMULA_STARTS) and not _AMOUNT.fullmatch(cell)
    return f"'{cell}" if is_text else cell


def _blocks(rows: Iterator[str]) -> Iterator[str]:
    while block := "".join(islice(rows, ROWS_A_BLOCK)):
        yield block


class _Echo:
    """What a CSV writer writes to: it hands the row on instead of keeping it."""

    def write(self, row: str) -> str:
        return row


def disposition(name: str, *, inline: bool = False) -> str:
    """A Content-Disposition after RFC 6266: the name in ASCII for all, and whole for who reads RFC 8187."""
    kind = "inline" if inline else "attachment"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = "".join(c if c.isprintable() and c not in '"\\%' else "_" for c in plain)
    if plain == name:
        return f'{kind}; filename="{plain}"'
    # What is left of a name in another script may begin with the underscores that follow the title.
    plain = "song" + plain if plain.startswith(("_", "-", ".")) else plain
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_PLAIN)}"
