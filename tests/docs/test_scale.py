"""The capacity model: every computed figure follows from the measured and the assumed ones that stand above it."""

import re

import pytest

from studio.endpoints import ENDPOINTS
from tests.docs.blocks import DOCS

TEXT = (DOCS / "scale.md").read_text()
SIZES = ("30", "1,000", "10,000", "100,000", "1,000,000")
HOURS_OF_SECONDS = 3600


def given() -> dict[str, float]:
    """The two tables of figures, by the letter that each has."""
    rows = re.findall(r"^\| `([a-z_]+)` \| [^|]+ \| ([0-9.,]+)", TEXT, re.MULTILINE)
    return {name: float(value.replace(",", "")) for name, value in rows}


def rows() -> dict[str, list[str]]:
    """The computed table, a row by its first cell."""
    section = TEXT.partition("## Computed")[2].partition("\n## ")[0]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:2] == "| "]
    return {first: rest for first, *rest in found}


def computed(people: int) -> dict[str, float]:
    g = given()
    songs = people * g["songs"]
    peak = songs / g["peak"]
    file_mb = g["master_mb"] + g["preview_mb"]
    gb_warm = songs * (g["preview_mb"] * 12 + g["master_mb"]) / 1000
    gb_cold = songs * g["master_mb"] * 11 / 1000
    return {
        "songs a month": songs,
        "songs in the busiest hour": peak,
        "slots at fal": peak * g["generation_s"] / HOURS_OF_SECONDS,
        "cores for media": peak * g["media_cpu_s"] / HOURS_OF_SECONDS / g["busy"],
        "cores for PostgreSQL": peak * g["postgres_cpu_s"] / HOURS_OF_SECONDS / g["busy"],
        "open streams": people * g["online"],
        "memory for streams, GB": people * g["online"] * g["stream_kb"] / 1e6,
        "new files a month, TB": songs * file_mb / 1e6,
        "rows a year, millions": songs * 12 * g["rows"] / 1e6,
        "database a year, GB": songs * 12 * g["row_bytes"] * g["index_factor"] / 1e9,
        "bucket after a year, $ a month": gb_warm * g["warm_usd"] + gb_cold * g["cold_usd"],
        "fal, $ a month": songs * ENDPOINTS["text-to-music"].prices[-1].micros / 1e6,
    }


def shown(value: float) -> str:
    """Two digits that count; more would say more than is known."""
    if value >= 100:
        return f"{float(f'{value:.2g}'):,.0f}"
    return f"{float(f'{value:.2g}'):g}"


@pytest.mark.parametrize("place", range(len(SIZES)), ids=SIZES)
def test_every_figure_follows_from_those_above(place: int) -> None:
    told = rows()
    people = int(SIZES[place].replace(",", ""))
    assert told["people"][place] == SIZES[place]
    expected = {name: shown(value) for name, value in computed(people).items()}
    assert {name: told[name][place] for name in expected} == expected


def test_every_row_is_computed_here() -> None:
    assert rows().keys() - {"people", "---"} == computed(1).keys()


@pytest.mark.parametrize(("slots", "people"), [(2, 600), (40, 12_000)])
def test_where_fals_slots_end_is_computed_too(slots: int, people: int) -> None:
    g = given()
    an_hour = slots * HOURS_OF_SECONDS / g["generation_s"]
    assert people == round(an_hour * g["peak"] / g["songs"])
    assert f"{people:,} people" in TEXT
