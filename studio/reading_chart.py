"""Shares with their intervals, a line for each: the numbers of an SVG, which needs neither scripts nor styles."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from studio.readings import Reading, Value

WIDTH: Final = 560
LEFT: Final = 70
RIGHT: Final = 16
ROW: Final = 34


@dataclass(frozen=True, slots=True)
class Line:
    """A value's interval from `low_x` to `high_x` with its share at `x`, and what chance would come to."""

    says: str
    y: float
    x: float
    low_x: float
    high_x: float
    chance_x: float
    wins: int
    offered: int
    low_percent: int
    high_percent: int


@dataclass(frozen=True, slots=True)
class Chart:
    lines: list[Line]
    ticks: list[tuple[float, str]]
    height: int
    width: int = WIDTH
    left: int = LEFT


def chart_of(reading: Reading, words: Callable[[Value], str]) -> Chart:
    lines = [
        Line(
            says=words(share.value),
            y=ROW * place + ROW / 2,
            x=_x(share.share),
            low_x=_x(share.low),
            high_x=_x(share.high),
            chance_x=_x(share.by_chance),
            wins=share.wins,
            offered=share.offered,
            low_percent=round(100 * share.low),
            high_percent=round(100 * share.high),
        )
        for place, share in enumerate(reading.shares)
    ]
    ticks = [(_x(percent / 100), f"{percent} %") for percent in (0, 25, 50, 75, 100)]
    return Chart(lines, ticks, ROW * len(lines))


def _x(share: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * share, 2)
