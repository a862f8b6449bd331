"""Files for spreadsheets: what is text stays text, what is an amount a number, and blocks lose no row."""

import csv
import io

import pytest

from studio import downloads


@pytest.mark.parametrize("start", downloads.FORMULA_STARTS)
def test_no_text_is_a_formula(start: str) -> None:
    assert downloads.harmless(f"{start}cmd|'/C calc'!A0") == f"'{start}cmd|'/C calc'!A0"


@pytest.mark.parametrize("cell", ["-0.0750", "7.5000", "-5", "", "ada@example.com", "2026-11", "New song"])
def test_what_is_harmless_stays_as_it_is(cell: str) -> None:
    assert downloads.harmless(cell) == cell


@pytest.mark.parametrize("cell", ["-1+1", "-", "-1e5", "-٣", "-0.5\n=1", "+1"])
def test_what_only_begins_like_an_amount_is_text(cell: str) -> None:
    assert downloads.harmless(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "count", [0, 1, downloads.ROWS_A_BLOCK - 1, downloads.ROWS_A_BLOCK, 2 * downloads.ROWS_A_BLOCK]
)
def test_every_row_arrives_behind_its_mark(count: int) -> None:
    made = downloads.csv_rows(["name", "amount"], ([f"ä, {number}", "1.50"] for number in range(count)))
    answer = downloads.attachment(made, downloads.CSV, "a.csv")
    text = b"".join(answer).decode()
    assert text.startswith("\ufeffname,amount")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert rows[1:] == [[f"ä, {number}", "1.50"] for number in range(count)]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a-b__1__2.wav", 'attachment; filename="a-b__1__2.wav"'),
        ("café.wav", "attachment; filename=\"cafe.wav\"; filename*=UTF-8''caf%C3%A9.wav"),
        ("夜__1__2.wav", "attachment; filename=\"song__1__2.wav\"; filename*=UTF-8''%E5%A4%9C__1__2.wav"),
        ("it's.wav", 'attachment; filename="it\'s.wav"'),
        ('a"\\b.wav', "attachment; filename=\"a__b.wav\"; filename*=UTF-8''a%22%5Cb.wav"),
        ("a\r\nX: y", "attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
    ],
)
def test_a_name_is_told_in_ascii_and_whole(name: str, header: str) -> None:
    assert downloads.disposition(name) == header


def test_what_is_shown_in_the_page_is_no_attachment() -> None:
    assert downloads.disposition("a.mp3", inline=True) == 'inline; filename="a.mp3"'
