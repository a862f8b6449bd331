"""A month's spending as stacked bars: the numbers of an SVG, which needs neither scripts nor styles."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from ledger.dollars import MICROS_PER_DOLLAR, display_dollars
from ledger.queries import DaySpending

WIDTH: Final = 640
HEIGHT: Final = 160
# Room for a tick like $0.50 or $1000 in the size that a phone needs.
LEFT: Final = 66
MOST_TICKS: Final = 4
GAP: Final = 3
WEEK: Final = 7

# What money is spent on, as people say it and in the order of the legend. What is none of these stands last, together.
OTHER: Final = "other"
KINDS: Final[Mapping[str, Promise]] = {
    "text-to-music": gettext_lazy("New songs"),
    "inpaint": gettext_lazy("Retouches"),
    "extend": gettext_lazy("Extensions"),
    OTHER: gettext_lazy("Other"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A part of the legend. `key` names its colour and pattern, so that a kind looks the same in every month."""

    key: str
    title: str


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar."""

    key: str
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
    kinds: list[Kind]
    bars: list[Bar]
    ticks: list[Tick]
    days: list[DayMark]
    rows: list[Row]
    bar_width: float
    total: Row
    dearest: Row | None
    today_x: float | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def of_month(first_day: date, spending: Sequence[DaySpending], today: date) -> Chart:
    """The days of the month. What was given back makes a day's sum smaller; a bar never falls below nothing."""
    spent: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for part in spending:
        spent[part.day][part.label if part.label in KINDS else OTHER] += part.spent_micros
    keys = [key for key in KINDS if any(key in by_key for by_key in spent.values())]
    rows = [_row(day, [by_key.get(key, 0) for key in keys]) for day, by_key in sorted(spent.items())]
    days = _days(first_day)
    highest = max((sum(max(0, micros) for micros in row.micros) for row in rows), default=0)
    step = _step(highest)
    top = max(step, -(-highest // step) * step)
    slot = (WIDTH - LEFT) / len(days)
    return Chart(
        kinds=[Kind(key, str(KINDS[key])) for key in keys],
        bars=[_bar(row, keys, LEFT + slot * (row.day - first_day).days + GAP / 2, top) for row in rows],
        ticks=[Tick(_y(micros, top), _tick_words(micros, step)) for micros in range(0, top + 1, step)],
        days=[DayMark(day.day, round(LEFT + slot * (day.day - 0.5), 2)) for day in days[::WEEK]],
        rows=rows,
        bar_width=round(slot - GAP, 2),
        total=_row(first_day, [sum(row.micros[place] for row in rows) for place in range(len(keys))]),
        dearest=max(rows, key=lambda row: row.total_micros, default=None),
        today_x=round(LEFT + slot * ((today - first_day).days + 0.5), 2) if today in days else None,
    )


def _row(day: date, micros: list[int]) -> Row:
    return Row(day, micros, sum(micros))


def _days(first_day: date) -> list[date]:
    after = (first_day + timedelta(days=31)).replace(day=1)
    return [first_day + timedelta(days=number) for number in range((after - first_day).days)]


def _bar(row: Row, keys: Sequence[str], x: float, top: int) -> Bar:
    parts, below = [], 0
    for key, micros in zip(keys, row.micros, strict=True):
        if micros > 0:
            height = HEIGHT * micros / top
            parts.append(Part(key, _y(below + micros, top), round(height, 2)))
            below += micros
    return Bar(row.day, round(x, 2), parts, display_dollars(row.total_micros))


def _tick_words(micros: int, step: int) -> str:
    """In whole dollars where all lines are: there is little room."""
    return display_dollars(micros).removesuffix(".00") if step % MICROS_PER_DOLLAR == 0 else display_dollars(micros)


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
