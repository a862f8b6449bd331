"""A month's spending as stacked bars: the numbers of an SVG, which needs neither scripts nor styles."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.utils.translation import gettext as _

from ledger.money import display_dollars
from ledger.queries import DaySpending
from studio.endpoints import ENDPOINTS

WIDTH: Final = 640
HEIGHT: Final = 160
LEFT: Final = 60
MOST_TICKS: Final = 4
GAP: Final = 3
WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar; `kind` counts from 0 in the order of the legend."""

    kind: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    day: date
    x: float
    parts: list[Part]
    says: str


@dataclass(frozen=True, slots=True)
class Tick:
    y: float
    says: str


@dataclass(frozen=True, slots=True)
class DayMark:
    """A day's number below the bars."""

    number: int
    x: float


@dataclass(frozen=True, slots=True)
class Row:
    """A day of the table beside the chart, with an amount for each kind of the legend."""

    day: date
    micros: list[int]
    total_micros: int


@dataclass(frozen=True, slots=True)
class Chart:
    kinds: list[str]
    bars: list[Bar]
    ticks: list[Tick]
    days: list[DayMark]
    rows: list[Row]
    bar_width: float
    total_micros: int
    dearest: Row | None
    today_x: float | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def of_month(first_day: date, spending: Sequence[DaySpending], today: date) -> Chart:
    """The days of the month. What was given back makes a day's sum smaller; a bar never falls below nothing."""
    labels = sorted({spent.label for spent in spending}, key=_rank)
    by_day: dict[date, list[int]] = defaultdict(lambda: [0] * len(labels))
    for spent in spending:
        by_day[spent.day][labels.index(spent.label)] += spent.spent_micros
    rows = [Row(day, micros, sum(micros)) for day, micros in sorted(by_day.items())]
    days = _days(first_day)
    highest = max((sum(max(0, m) for m in row.micros) for row in rows), default=0)
    step = _step(highest)
    top = max(step, -(-highest // step) * step)
    slot = (WIDTH - LEFT) / len(days)
    return Chart(
        kinds=[title(label) for label in labels],
        bars=[_bar(row, LEFT + slot * (row.day - first_day).days + GAP / 2, top) for row in rows],
        ticks=[Tick(_y(micros, top), display_dollars(micros)) for micros in range(0, top + 1, step)],
        days=[DayMark(day.day, round(LEFT + slot * (day.day - 0.5), 2)) for day in days[::WEEK]],
        rows=rows,
        bar_width=round(slot - GAP, 2),
        total_micros=sum(row.total_micros for row in rows),
        dearest=max(rows, key=lambda row: row.total_micros, default=None),
        today_x=round(LEFT + slot * ((today - first_day).days + 0.5), 2) if today in days else None,
    )


def title(label: str) -> str:
    """What an entry was for, as people say it."""
    endpoint = ENDPOINTS.get(label)
    return endpoint.title if endpoint else _("Other")


def _rank(label: str) -> tuple[int, str]:
    known = list(ENDPOINTS)
    return (known.index(label) if label in known else len(known), label)


def _days(first_day: date) -> list[date]:
    after = (first_day + timedelta(days=31)).replace(day=1)
    return [first_day + timedelta(days=number) for number in range((after - first_day).days)]


def _bar(row: Row, x: float, top: int) -> Bar:
    parts, below = [], 0
    for kind, micros in enumerate(row.micros):
        if micros > 0:
            height = HEIGHT * micros / top
            parts.append(Part(kind, round(_y(below + micros, top), 2), round(height, 2)))
            below += micros
    return Bar(row.day, round(x, 2), parts, display_dollars(row.total_micros))


def _y(micros: int, top: int) -> float:
    return round(HEIGHT - HEIGHT * micros / top, 2)


def _step(highest: int) -> int:
    """The distance of the lines behind the bars: 1, 2 or 5 times a power of ten, at most four of them, from a cent."""
    step = 10_000
    while True:
        for factor in (1, 2, 5):
            if step * factor * MOST_TICKS >= highest:
                return step * factor
        step *= 10
