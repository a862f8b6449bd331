"""The budget page: what is left, what each day cost, every entry, earlier months, warnings and downloads."""

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from ledger import months, operations, organisation, queries
from ledger.queries import DaySpending
from studio import charts, statements
from studio.models import User
from studio.states import GenerationState as State
from tests import factories

THIS_MONTH = months.month_name(months.month_of())
LAST_MONTH = months.start_of(months.month_of()) - timedelta(days=1)


def shown(browser: Client, query: str = "") -> str:
    answer = browser.get(f"/budget/{query}")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def downloaded(browser: Client, kind: str, query: str = "") -> str:
    answer = browser.get(f"/budget/export.{kind}{query}")
    assert answer.status_code == 200
    assert 'filename="neoapex-statement-2' in answer["Content-Disposition"]
    assert "no-store" in answer["Cache-Control"]
    return b"".join(answer).decode()


def spend(person: User, micros: int, reference: str, label: str = "text-to-music", now: datetime | None = None) -> None:
    operations.hold(person=person, amount_micros=micros, reference=reference, label=label, now=now)
    operations.charge(reference=reference, amount_micros=micros)


class TestWarnings:
    @pytest.mark.parametrize(
        ("spent", "says"),
        [
            (7_999_999, None),
            (8_000_000, "80 % of this month's budget is used. $2.00 has to last until"),
            (9_999_999, "99 % of this month's budget is used. $0.000001 has to last until"),
            (10_000_000, "This month's budget is used up."),
        ],
    )
    def test_they_come_at_80_and_at_100_percent(self, browser: Client, ada: User, spent: int, says: str | None) -> None:
        operations.hold(person=ada, amount_micros=spent, reference="songs")
        html = shown(browser).replace("&#x27;", "'")
        assert ('class="notice' in html) == (says is not None)
        assert (says or "") in html
        assert ("budget-line--" in html) == (says is not None), "in the header of every page, too"

    def test_a_frozen_budget_says_so(self, browser: Client, ada: User) -> None:
        factories.freeze(ada)
        assert "Your budget is frozen" in shown(browser)

    def test_a_used_up_organisation_says_so_without_its_figures(self, browser: Client) -> None:
        organisation.set_cap(5_000)
        operations.charge_house(reference="late", amount_micros=5_000, reason="late")
        html = shown(browser)
        assert "organisation" in html
        assert "0.005" not in html

    def test_nobody_is_warned_of_a_month_that_is_over(self, browser: Client, ada: User) -> None:
        spend(ada, 10_000_000, "songs", now=LAST_MONTH)
        assert 'class="notice' not in shown(browser, f"?month={LAST_MONTH:%Y-%m}")


class TestMonths:
    def test_an_earlier_month_has_its_own_line_chart_and_entries(self, browser: Client, ada: User) -> None:
        spend(ada, 75_000, "song", now=LAST_MONTH)
        html = shown(browser, f"?month={LAST_MONTH:%Y-%m}")
        assert f'<span class="h1-note">{LAST_MONTH:%B %Y}</span>' in html
        assert "$9.925" in html
        assert "Charged" in html
        assert "$0.075 in this month; the dearest day was" in html

    def test_the_present_month_links_to_all_that_had_a_budget(self, browser: Client, ada: User) -> None:
        at = datetime(2025, 1, 15, tzinfo=UTC)
        for number in range(14):
            spend(ada, 1, f"song {number}", now=at + timedelta(days=30.5 * number))
        few, everything = shown(browser), shown(browser, "?months=all")
        assert few.count('<td><a href="/budget/?month=') == 12
        assert "All months" in few
        assert everything.count('<td><a href="/budget/?month=') == 14
        assert "All months" not in everything

    def test_a_month_without_a_budget_grants_nothing(self, browser: Client) -> None:
        assert "Nothing happened in this month." in shown(browser, "?month=2024-02")

    @pytest.mark.parametrize(
        "month", ["2026-13", "rubbish", "-9999-01", "2026-1", "٢٠٢٦-٠١", "2999-01", "9999-12", "\0"]
    )
    def test_what_is_no_month_is_not_there(self, browser: Client, month: str) -> None:
        for path in ("", "export.csv", "export.json"):
            assert browser.get(f"/budget/{path}", {"month": month}).status_code == 404


class TestTheStatement:
    def test_an_entry_names_its_song_and_fals_request(self, browser: Client, ada: User) -> None:
        song = factories.make_generation(person=ada, state=State.READY, request_id="3f1c0d52-00ff-cafe")
        html = shown(browser)
        assert f'href="/generations/{song.pk}/"' in html
        assert 'data-copy="3f1c0d52-00ff-cafe"' in html
        assert ">3f1c0d52-00ff-cafe</button>" in html

    def test_somebody_elses_song_under_my_reference_stays_unknown(self, ada: User, ben: User) -> None:
        theirs = factories.make_generation(person=ben, state=State.READY)
        operations.grant(person=ada, amount_micros=1, reference=f"{theirs.hold_reference}", reason="x", author=None)
        page = queries.entries(ada)
        assert [line.card for line in statements.lines(ada, page.entries)] == [None, None]

    @pytest.mark.parametrize("path", ["/budget/", "/api/ledger/entries"])
    def test_a_long_month_asks_no_more_than_a_short_one(self, browser: Client, ada: User, path: str) -> None:
        def asked() -> int:
            with CaptureQueriesContext(
                connection,
            ) as queries_:
                browser.get(path)
            return len(queries_)

        for number in range(2):
            spend(ada, 1, f"generation:{UUID(int=number)}")
        few = asked()
        for number in range(2, 120):
            spend(ada, 1, f"generation:{UUID(int=number)}")
        assert asked() <= few


class TestDownloads:
    def test_csv_has_every_entry_oldest_first_in_exact_dollars(self, browser: Client, ada: User) -> None:
        song = factories.make_generation(person=ada, state=State.READY, request_id="req-1")
        text = downloaded(browser, "csv")
        assert text.startswith("\ufefftime,")
        rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
        assert [row["kind"] for row in rows] == ["GRANT", "HOLD", "CHARGE"]
        assert (rows[2]["spent"], rows[2]["held"], rows[2]["currency"]) == ("0.0750", "-0.0750", "USD")
        assert (rows[2]["generation"], rows[2]["request_id"]) == (str(song.pk), "req-1")
        assert rows[2]["time"].endswith("Z")

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
    def test_no_cell_is_a_formula(self, browser: Client, ada: User, start: str) -> None:
        operations.grant(person=ada, amount_micros=1, reference="gift", reason=f"{start}cmd|'/C calc'!A0", author=None)
        row = list(csv.DictReader(io.StringIO(downloaded(browser, "csv"))))[-1]
        assert row["reason"].startswith(f"'{start}")

    def test_json_says_the_same(self, browser: Client, ada: User) -> None:
        factories.make_generation(person=ada, state=State.READY, request_id="req-1")
        told = json.loads(downloaded(browser, "json", f"?month={THIS_MONTH}"))
        assert (told["month"], told["currency"]) == (THIS_MONTH, "USD")
        assert [entry["kind"] for entry in told["entries"]] == ["GRANT", "HOLD", "CHARGE"]
        assert told["entries"][2]["request_id"] == "req-1"
        assert told["entries"][2]["label"] == "text-to-music"

    def test_an_empty_month_is_an_empty_list(self, browser: Client) -> None:
        assert json.loads(downloaded(browser, "json", "?month=2024-02"))["entries"] == []
        assert len(downloaded(browser, "csv", "?month=2024-02").splitlines()) == 1

    def test_nobody_gets_anothers(self, ben_browser: Client, ada: User) -> None:
        spend(ada, 75_000, "song")
        assert json.loads(downloaded(ben_browser, "json"))["entries"] == []

    @pytest.mark.django_db
    def test_strangers_get_the_login_page(self, client: Client) -> None:
        assert client.get("/budget/export.csv").status_code == 302

    def test_a_long_one_is_looked_up_a_batch_at_a_time(self, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(statements, "BATCH", 10)
        for number in range(20):
            spend(ada, 1, f"generation:{UUID(int=number)}")
        with CaptureQueriesContext(connection) as asked:
            assert len(list(statements.statement(ada, THIS_MONTH))) == 41
        looked_up = [query for query in asked.captured_queries if "studio_generation" in query["sql"]]
        assert len(looked_up) == 5


class TestTheChart:
    NOVEMBER = date(2026, 11, 1)

    def day(self, number: int, micros: int, label: str = "text-to-music") -> DaySpending:
        return DaySpending(date(2026, 11, number), label, micros)

    def test_kinds_stand_upon_each_other_in_the_order_of_the_legend(self) -> None:
        spending = [self.day(3, 150_000, "unheard of"), self.day(3, 75_000, "extend"), self.day(3, 75_000)]
        chart = charts.of_month(self.NOVEMBER, spending, date(2026, 11, 3))
        assert [kind.title for kind in chart.kinds] == ["New songs", "Extensions", "Other"]
        (bar,) = chart.bars
        for lower, upper in zip(bar.parts, bar.parts[1:], strict=False):
            assert upper.y + upper.height == pytest.approx(lower.y, abs=0.02)
        assert bar.parts[0].y + bar.parts[0].height == pytest.approx(chart.height)
        assert chart.rows[0].micros == [75_000, 75_000, 150_000]

    @pytest.mark.parametrize("highest", [1, 9_999, 75_000, 112_500, 3_150_000, 10_000_000, 10**12])
    def test_no_bar_rises_above_the_highest_line_and_lines_are_few(self, highest: int) -> None:
        chart = charts.of_month(self.NOVEMBER, [self.day(1, highest)], self.NOVEMBER)
        assert 2 <= len(chart.ticks) <= charts.MOST_TICKS + 1
        assert 0 <= chart.bars[0].parts[0].y < chart.height
        assert chart.ticks[-1].y == 0

    def test_what_was_given_back_has_no_bar_and_stands_in_the_table(self) -> None:
        chart = charts.of_month(self.NOVEMBER, [self.day(2, -75_000)], self.NOVEMBER)
        assert chart.bars[0].parts == []
        assert (chart.rows[0].total_micros, chart.total.total_micros) == (-75_000, -75_000)

    @pytest.mark.parametrize(
        ("micros", "says"),
        [(75_000, ["$0.00", "$0.02", "$0.04", "$0.06", "$0.08"]), (3_150_000, ["$0", "$1", "$2", "$3", "$4"])],
    )
    def test_the_lines_are_named_as_shortly_as_they_can_be(self, micros: int, says: list[str]) -> None:
        chart = charts.of_month(self.NOVEMBER, [self.day(1, micros)], self.NOVEMBER)
        assert [tick.says for tick in chart.ticks] == says

    def test_every_day_lies_within_the_picture(self) -> None:
        for month in (date(2026, 2, 1), date(2028, 2, 1), date(2026, 12, 1)):
            last = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            chart = charts.of_month(month, [DaySpending(last, "", 1)], last)
            assert chart.bars[0].x + chart.bar_width <= chart.width
            assert chart.today_x is not None

    def test_today_is_marked_in_its_own_month_only(self) -> None:
        assert charts.of_month(self.NOVEMBER, [], date(2026, 12, 1)).today_x is None

    def test_an_empty_month_says_so(self, browser: Client) -> None:
        assert "Each song will stand here on its day." in shown(browser)


class TestOverHttp:
    def test_a_statement_is_told_line_by_line(self, browser: Client, ada: User, ben: User) -> None:
        factories.make_generation(person=ben, state=State.READY)
        song = factories.make_generation(person=ada, state=State.READY, request_id="req-1")
        told = browser.get(f"/api/ledger/entries?month={THIS_MONTH}").json()
        assert (told["month"], told["next_cursor"]) == (THIS_MONTH, None)
        assert [line["kind"] for line in told["entries"]] == ["CHARGE", "HOLD", "GRANT"]
        line = told["entries"][0]
        assert line.pop("created_at").endswith("Z")
        assert line.pop("id").isdecimal()
        assert line == {
            "kind": "CHARGE", "label": "text-to-music", "reference": song.hold_reference, "granted": "0.0000",
            "held": "-0.0750", "spent": "0.0750", "reason": "", "generation": str(song.pk), "request_id": "req-1",
        }  # fmt: skip
        assert told["entries"][2]["generation"] is told["entries"][2]["request_id"] is None

    def test_a_cursor_leads_to_the_older_lines(self, browser: Client, ada: User) -> None:
        spend(ada, 1, "first")
        spend(ada, 1, "second")
        newest = browser.get("/api/ledger/entries").json()["entries"]
        older = browser.get(f"/api/ledger/entries?cursor={newest[1]['id']}").json()["entries"]
        assert older == newest[2:]

    def test_a_cursor_of_somebody_elses_shows_ones_own_lines_alone(
        self, browser: Client, ben_browser: Client, ada: User, ben: User
    ) -> None:
        spend(ada, 1, "mine")
        spend(ben, 1, "theirs")
        theirs = ben_browser.get("/api/ledger/entries").json()["entries"]
        answer = browser.get(f"/api/ledger/entries?cursor={theirs[0]['id']}").json()
        assert {line["reference"] for line in answer["entries"]}.isdisjoint({line["reference"] for line in theirs})
        assert "theirs" not in shown(browser, f"?cursor={theirs[0]['id']}")

    @pytest.mark.parametrize("cursor", ["x", "0", "-1", "9223372036854775808", "1.5"])
    def test_a_cursor_that_is_none_is_refused(self, browser: Client, cursor: str) -> None:
        assert browser.get(f"/api/ledger/entries?cursor={cursor}").status_code == 422

    def test_months_and_spending_are_there_for_programs(self, browser: Client, ada: User, settings: Settings) -> None:
        settings.NEOAPEX_MONTHLY_BUDGET = 1_000_000
        spend(ada, 75_000, "song")
        told = browser.get("/api/ledger/months").json()["months"]
        assert [(month["month"], month["spent"]) for month in told] == [(THIS_MONTH, "0.0750")]
        spent = browser.get("/api/ledger/spending").json()
        assert (spent["month"], spent["days"][0]["label"], spent["days"][0]["spent"]) == (
            THIS_MONTH, "text-to-music", "0.0750",
        )  # fmt: skip
        assert browser.get("/api/ledger/spending?month=rubbish").status_code == 422
