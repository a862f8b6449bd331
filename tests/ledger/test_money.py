"""Dollars and micros: exact both ways, strict at the edge."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidAmount
from ledger.money import MAX_MICROS, check_micros, display_dollars, format_dollars, parse_dollars, whole_percent


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0.0000"),
        (75_000, "0.0750"),
        (112_500, "0.1125"),
        (1, "0.000001"),
        (75_010, "0.07501"),
        (10_000_000, "10.0000"),
        (-75_000, "-0.0750"),
        (-1, "-0.000001"),
        (1_234_567_890_000, "1234567.8900"),
    ],
)
def test_programs_read_four_decimals_or_as_many_as_are_exact(micros: int, text: str) -> None:
    assert format_dollars(micros) == text


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "$0.00"),
        (75_000, "$0.075"),
        (6_850_000, "$6.85"),
        (112_500, "$0.1125"),
        (10_000_000, "$10.00"),
        (1_200_000_000, "$1,200.00"),
        (-1_200_500_000, "-$1,200.50"),
        (1, "$0.000001"),
    ],
)
def test_people_read_two_decimals_and_more_only_where_they_count(micros: int, text: str) -> None:
    assert display_dollars(micros) == text


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("10", 10_000_000),
        ("10.00", 10_000_000),
        ("0.075", 75_000),
        ("0.000001", 1),
        ("007.5", 7_500_000),
        ("0", 0),
        ("1000000", MAX_MICROS),
        ("1000000.000000", MAX_MICROS),
    ],
)
def test_plain_decimals_are_read_exactly(text: str, micros: int) -> None:
    assert parse_dollars(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "1 ", "1\n", "1\x000"),
        *("-1", "+1", "$1", "1,000.00", "1_000", "1.", ".5", "1..2", "1.2.3"),
        *("1e3", "1E-2", "0x10", "NaN", "nan", "inf", "Infinity", "١٠", "½"),
        *("0.0000001", "1000000.000001", "10000000"),
    ],
)
def test_anything_but_a_plain_decimal_in_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_dollars(text)


@pytest.mark.parametrize("text", [0.1, 10, None, b"1"])
def test_only_text_is_parsed_never_a_float(text: object) -> None:
    with pytest.raises(InvalidAmount):
        parse_dollars(text)  # type: ignore[arg-type]


def test_a_million_digits_are_refused_at_once() -> None:
    with pytest.raises(InvalidAmount):
        parse_dollars("9" * 1_000_000)


@given(st.integers(0, MAX_MICROS))
def test_what_is_formatted_parses_back_to_the_same_micros(micros: int) -> None:
    assert parse_dollars(format_dollars(micros)) == micros
    assert parse_dollars(display_dollars(micros).removeprefix("$").replace(",", "")) == micros


@given(st.from_regex(r"[-+ ]?[0-9]{0,9}[.,]?[0-9]{0,8}(e[0-9])?", fullmatch=True))
def test_any_text_like_a_number_parses_as_decimal_does_or_is_refused(text: str) -> None:
    with suppress(InvalidAmount):
        assert parse_dollars(text) == Decimal(text) * 1_000_000


def test_three_songs_cost_exactly_three_times_one() -> None:
    assert 3 * parse_dollars("0.075") == parse_dollars("0.225")


@pytest.mark.parametrize("amount", [0, -1, MAX_MICROS + 1, 1.0, True, "1", None])
def test_amounts_are_whole_positive_and_bounded(amount: object) -> None:
    with pytest.raises(InvalidAmount):
        check_micros(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize(("amount", "at_least"), [(1, 1), (0, 0), (MAX_MICROS, 1), (-5, -5)])
def test_an_amount_in_range_is_given_back(amount: int, at_least: int) -> None:
    assert check_micros(amount, at_least=at_least) == amount


@pytest.mark.parametrize(
    ("part", "whole", "percent"),
    [(0, 10, 0), (999, 1000, 99), (10, 10, 100), (15, 10, 150), (-1, 10, 0), (0, 0, 0), (1, 0, 100)],
)
def test_a_hundred_percent_is_all_of_it(part: int, whole: int, percent: int) -> None:
    assert whole_percent(part, whole) == percent
