import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.fal.resilience import MAX_TRIES, RETRY_AFTER_MAX_SECONDS, parse_retry_after, wait_seconds

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def test_there_are_five_tries() -> None:
    assert MAX_TRIES == 5


@pytest.mark.parametrize(
    ("attempt", "least", "most"), [(1, 4, 8), (2, 8, 16), (3, 16, 32), (4, 30, 60), (5, 30, 60), (500, 30, 60)]
)
def test_each_wait_grows_and_stays_between_4_and_60_seconds(attempt: int, least: float, most: float) -> None:
    waits = [wait_seconds(attempt, rng=random.Random(seed)) for seed in range(200)]
    assert least <= min(waits) < least + (most - least) / 10
    assert most - (most - least) / 10 < max(waits) <= most


@pytest.mark.parametrize("retry_after", [None, 0.0, 7.0, 60.0])
def test_a_thousand_that_failed_together_do_not_come_back_together(retry_after: float | None) -> None:
    rng = random.Random(1)
    seconds = [wait_seconds(1, retry_after, rng) for _ in range(1_000)]
    busiest = max(sum(start <= second < start + 0.1 for second in seconds) for start in seconds[:50])
    assert busiest < 200


def test_the_same_draw_gives_the_same_wait() -> None:
    assert wait_seconds(2, rng=random.Random(7)) == wait_seconds(2, rng=random.Random(7))


def test_no_wait_is_drawn_from_a_shared_seed() -> None:
    random.seed(1)
    first = wait_seconds(3)
    random.seed(1)
    assert wait_seconds(3) != first


@given(st.integers(1, 10), st.floats(-10, 10_000))
def test_a_wait_is_never_earlier_than_fal_asked_nor_far_above_its_cap(attempt: int, retry_after: float) -> None:
    seconds = wait_seconds(attempt, retry_after)
    assert min(max(retry_after, 0), RETRY_AFTER_MAX_SECONDS) <= seconds <= RETRY_AFTER_MAX_SECONDS * 1.1


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_are_counted_from_one(attempt: int) -> None:
    with pytest.raises(ValueError, match="from 1"):
        wait_seconds(attempt)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("7.5", 7.5),
        ("-5", 0),
        ("900", 900),
        ("901", 900),
        ("1000000000", 900),
        ("9" * 99, 900),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0),
        (format_datetime(NOW + timedelta(days=3), usegmt=True), 900),
        ("Fri, 20 Nov 2026 13:01:00 +0100", 60),
        ("Fri, 20 Nov 2026 12:01:00 -0000", 60),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float) -> None:
    assert parse_retry_after(header, NOW) == seconds


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "soon",
        "7 seconds",
        "--7",
        "1e3",
        "nan",
        "inf",
        "-",
        ".",
        "٣",
        "²",
        "7" * 101,
        "Fri, 99 Nov 2026 12:00:00 GMT",
    ],
)
def test_rubbish_in_retry_after_is_no_time_at_all(header: str | None) -> None:
    assert parse_retry_after(header, NOW) is None


@given(st.text(max_size=120))
def test_no_retry_after_header_breaks_the_reader(header: str) -> None:
    seconds = parse_retry_after(header, NOW)
    assert seconds is None or 0 <= seconds <= RETRY_AFTER_MAX_SECONDS
