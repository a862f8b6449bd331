"""Spending by day as bars: the numbers of an SVG, which needs neither scripts nor styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from ledger.money import display_dollars
from studio.dashboard import Day

BAR_WIDTH: Final = 16
STEP: Final = 20
HEIGHT: Final = 120


@dataclass(frozen=True, slots=True)
class Bar:
    x: int
    y: int
    height: int
    day: date
    amount: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`top` is what the highest bar stands for; a day on which more was given back than spent has no bar."""

    bars: list[Bar]
    width: int
    height: int
    bar_width: int
    top: str
    whole: str


def bars(days: Sequence[Day]) -> Chart:
    highest = max((day.micros for day in days), default=0)
    drawn = []
    for number, day in enumerate(days):
        height = max(1, HEIGHT * day.micros // highest) if day.micros > 0 else 0
        drawn.append(Bar(number * STEP, HEIGHT - height, height, day.day, display_dollars(day.micros)))
    whole = display_dollars(sum(day.micros for day in days))
    return Chart(drawn, max(1, len(days)) * STEP, HEIGHT, BAR_WIDTH, display_dollars(highest), whole)
