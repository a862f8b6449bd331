"""What a run finds, against a real bill over HTTP; and that it only looks."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from ledger import operations as ledger
from ledger.models import Budget, Entry
from studio import comparison, dispatch, reconciliation, settling
from studio.fal import billing
from studio.models import LineKind, Reconciliation, User
from tests.ledger.books import assert_balanced
from tests.simulator.conftest import wait_until
from tests.studio.people import asked_for
from tests.studio.reconciliation.bills import (
    INPAINT,
    SONG,
    Bill,
    as_table,
    assert_says,
    billed_song,
    client_of,
    last_run,
    reconciled,
    song,
)

SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def runs_book_nothing(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test here finds, the books are after each run what they were before."""
    run = reconciliation.run

    def watched(**span: Any) -> Reconciliation:
        before = _books()
        found = run(**span)
        assert _books() == before
        return found

    monkeypatch.setattr(reconciliation, "run", watched)
    yield
    assert_balanced()


def _books() -> tuple[list[int], list[tuple[Any, ...]]]:
    counters = Budget.objects.order_by("pk").values_list("pk", "granted_micros", "held_micros", "spent_micros")
    return list(Entry.objects.order_by("pk").values_list("pk", flat=True)), list(counters)


@pytest.fixture
def asked(bill: Bill, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of each call for the bill, about how many requests in particular it asked."""
    calls: list[int] = []
    read = client_of(bill.sim).read_api

    def noted(path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if path == billing.EVENTS_PATH:
            calls.append(len(parameters.get("request_id", ())))
        return read(path, parameters)

    monkeypatch.setattr(reconciliation, "_read", lambda: noted)
    return calls


# --- Equal -----------------------------------------------------------------------------------------------------------


def test_a_song_that_was_really_made_is_billed_as_the_books_say(
    bill: Bill, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(bill.sim)
    monkeypatch.setattr(dispatch, "from_settings", lambda: client)
    generation = asked_for(ada, num_songs=2)
    assert dispatch.dispatch() == 1
    generation.refresh_from_db()
    request_id = str(generation.request_id)
    wait_until(lambda: client.status("sonauto/v2/text-to-music", request_id).status == "COMPLETED")
    assert_says(reconciled(), 0, ("UNDER_WAY", request_id, "0.0000", "0.1125"))
    result = client.result("sonauto/v2/text-to-music", request_id)
    settling.settle(generation.pk, result.payload, request_id=request_id)
    answer = reconciled()
    assert_says(answer, 0)
    assert (answer.json["ours"], answer.json["fals"], answer.json["matched"]) == ("0.1125", "0.1125", 1)


def test_nothing_on_either_side_is_equal(bill: Bill) -> None:
    answer = reconciled()
    assert_says(answer, 0)
    assert answer.json["matched"] == 0


@pytest.mark.parametrize("state", ["QUEUED", "SUBMITTED", "RUNNING", "LOST", "FAILED", "CANCELLED"])
def test_what_neither_side_took_money_for_is_no_difference(ada: User, state: str) -> None:
    song(ada, state)
    answer = reconciled()
    assert_says(answer, 0)
    assert answer.json["matched"] == 0


@pytest.mark.parametrize("state", ["SUBMITTED", "RUNNING", "LOST"])
def test_what_fal_billed_before_the_studio_heard_of_it_is_under_way(bill: Bill, ada: User, state: str) -> None:
    generation = billed_song(bill, ada, state=state)
    assert_says(reconciled(), 0, ("UNDER_WAY", generation.request_id, "0.0000", "0.0750"))
    table = as_table()
    assert table.code == 0
    assert "1 under way here that fal has billed already, $0.075" in table.text


def test_a_move_to_the_house_changes_nothing_of_the_sum(bill: Bill, ada: User) -> None:
    generation = billed_song(bill, ada)
    ledger.move_to_house(reference=generation.hold_reference, amount_micros=SONG, reason="can't be heard")
    assert_says(reconciled(), 0)


def test_what_the_house_paid_for_a_late_success_counts(bill: Bill, ada: User) -> None:
    generation = billed_song(bill, ada, state="FAILED")
    ledger.charge_house(reference=generation.hold_reference, amount_micros=SONG, reason="success after a release")
    assert_says(reconciled(), 0)


def test_several_lines_of_one_request_add_up(
    bill: Bill, ada: User, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = song(ada)
    for part in (50_000, 30_000, -5_000):
        bill.add(generation.request_id, part)
    for lines_a_page in (2, 1000):
        monkeypatch.setattr(billing, "EVENTS_A_PAGE", lines_a_page)
        assert_says(reconciled(), 0)
    assert asked == [0, 0, 0], "nothing was in doubt"


# --- Different -------------------------------------------------------------------------------------------------------


def test_what_is_only_ours_is_listed(ada: User) -> None:
    generation = song(ada)
    answer = reconciled()
    assert_says(answer, 1, ("ONLY_OURS", generation.request_id, "0.0750", "0.0000"))
    [line] = answer.json["lines"]
    assert (line["generation"], line["endpoint"], line["difference"]) == (
        str(generation.pk),
        "text-to-music",
        "-0.0750",
    )
    assert "late" in line["note"]


def test_what_ended_long_ago_is_not_called_late(ada: User) -> None:
    ended = timezone.now() - timedelta(days=2)
    song(ada, finished_at=ended)
    [line] = reconciled().json["lines"]
    assert line["note"] == ""


def test_what_is_only_fals_is_listed(bill: Bill) -> None:
    bill.add("unheard-of", endpoint_id=INPAINT)
    answer = reconciled()
    assert_says(answer, 1, ("ONLY_FALS", "unheard-of", "0.0000", "0.0750"))
    [line] = answer.json["lines"]
    assert (line["generation"], line["endpoint"]) == (None, "inpaint")
    assert "no song" in line["note"]


def test_what_fal_billed_after_the_money_went_back_is_only_fals(bill: Bill, ada: User) -> None:
    generation = billed_song(bill, ada, state="CANCELLED")
    answer = reconciled()
    assert_says(answer, 1, ("ONLY_FALS", generation.request_id, "0.0000", "0.0750"))
    [line] = answer.json["lines"]
    assert line["generation"] == str(generation.pk)
    assert "CANCELLED" in line["note"]


def test_what_differs_is_listed_with_both_amounts(bill: Bill, ada: User) -> None:
    more, less = song(ada), song(ada)
    bill.add(more.request_id, 112_500)
    bill.add(less.request_id, 74_999)
    answer = reconciled()
    assert_says(
        answer,
        1,
        ("DIFFERS", more.request_id, "0.0750", "0.1125"),
        ("DIFFERS", less.request_id, "0.0750", "0.074999"),
    )
    assert (answer.json["ours"], answer.json["fals"]) == ("0.1500", "0.187499")


def test_less_than_half_a_millionth_is_no_difference(bill: Bill, ada: User) -> None:
    nearly, not_so = song(ada), song(ada)
    bill.add(nearly.request_id, fields={"cost_estimate_nano_usd": 75_000_499})
    bill.add(not_so.request_id, fields={"cost_estimate_nano_usd": 75_000_500})
    assert_says(reconciled(), 1, ("DIFFERS", not_so.request_id, "0.0750", "0.075001"))


def test_a_difference_that_is_a_discount_says_so(bill: Bill, ada: User) -> None:
    generation = song(ada)
    discount = {"percent_discount": 10, "cost_discount": 0.0075, "cost_subtotal": 0.075}
    bill.add(generation.request_id, 67_500, fields=discount)
    answer = reconciled()
    assert_says(answer, 1, ("DIFFERS", generation.request_id, "0.0750", "0.0675"))
    assert "discount" in answer.json["lines"][0]["note"]


def test_a_difference_beyond_the_discount_does_not_say_so(bill: Bill, ada: User) -> None:
    generation = song(ada)
    bill.add(generation.request_id, 60_000, fields={"percent_discount": 10, "cost_subtotal": 0.07})
    assert reconciled().json["lines"][0]["note"] == ""


def test_what_the_key_is_used_for_elsewhere_is_counted_and_not_compared(bill: Bill, ada: User) -> None:
    billed_song(bill, ada)
    for number in range(3):
        bill.add(f"flux-{number}", endpoint_id="fal-ai/flux/dev", fields={"cost_estimate_nano_usd": "?"})
    answer = reconciled()
    assert_says(answer, 0)
    assert (answer.json["not_ours"], answer.json["fals"]) == (3, "0.0750")
    assert "3 lines of fal's bill are not the studio's" in as_table().text


def test_a_request_of_ours_counts_whatever_endpoint_its_line_names(bill: Bill, ada: User) -> None:
    generation = song(ada)
    bill.add(generation.request_id, endpoint_id="sonauto/v2")
    answer = reconciled()
    assert_says(answer, 0)
    assert answer.json["not_ours"] == 0


# --- Prices ----------------------------------------------------------------------------------------------------------


def test_another_price_at_fal_is_a_difference_of_its_own(bill: Bill) -> None:
    bill.list_prices({INPAINT: {"unit_price": 0.08}})
    answer = reconciled()
    assert_says(answer, 1, ("PRICE", None, "0.0750", "0.0800"))
    assert answer.json["lines"][0]["endpoint"] == "inpaint"


def test_a_price_that_fal_does_not_list_is_said_and_no_difference(bill: Bill) -> None:
    bill.list_prices({INPAINT: None})
    answer = reconciled()
    assert_says(answer, 0)
    assert "inpaint" in answer.json["remark"]


@pytest.mark.parametrize("price", [{"unit_price": "much"}, {"unit_price": None}, {"currency": "EUR"}])
def test_prices_that_cant_be_read_are_said_and_the_bill_is_compared(
    bill: Bill, ada: User, price: dict[str, Any]
) -> None:
    bill.list_prices({INPAINT: price})
    generation = song(ada)
    answer = reconciled()
    assert_says(answer, 1, ("ONLY_OURS", generation.request_id, "0.0750", "0.0000"))
    assert "prices were not compared" in answer.json["remark"]
    assert "prices were not compared" in as_table().text


# --- The edges of the span -------------------------------------------------------------------------------------------


def in_september() -> list[str]:
    return ["--since", "2026-09-01", "--until", "2026-10-01"]


def test_a_song_sent_before_the_end_and_billed_after_it_is_equal_in_both_months(bill: Bill, ada: User) -> None:
    generation = song(ada, sent=OCTOBER - SECOND)
    bill.add(generation.request_id, at=OCTOBER + 90 * SECOND)
    for span in (in_september(), ["--since", "2026-10-01", "--until", "2026-11-01"]):
        answer = reconciled(*span)
        assert_says(answer, 0)
        assert answer.json["matched"] == 1


def test_the_end_is_not_in_the_span_and_the_start_is(bill: Bill, ada: User) -> None:
    inside = song(ada, sent=SEPTEMBER)
    song(ada, sent=OCTOBER)
    bill.add("first", at=SEPTEMBER)
    bill.add("next", at=OCTOBER)
    assert_says(
        reconciled(*in_september()),
        1,
        ("ONLY_OURS", inside.request_id, "0.0750", "0.0000"),
        ("ONLY_FALS", "first", "0.0000", "0.0750"),
    )


@pytest.mark.parametrize("edge", [SEPTEMBER, OCTOBER], ids=["before", "after"])
def test_a_part_that_was_billed_outside_of_the_span_is_added(bill: Bill, ada: User, edge: datetime) -> None:
    generation = song(ada, sent=edge - SECOND)
    bill.add(generation.request_id, 50_000, at=edge - SECOND)
    bill.add(generation.request_id, 25_000, at=edge + SECOND)
    answer = reconciled(*in_september())
    assert_says(answer, 0)
    assert answer.json["matched"] == 1


def test_this_month_is_compared_unless_another_span_is_given(bill: Bill, ada: User) -> None:
    month = timezone.now().astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    bill.add("last-month", at=month - SECOND)
    bill.add("this-month", at=month)
    assert_says(reconciled(), 1, ("ONLY_FALS", "this-month", "0.0000", "0.0750"))
    assert last_run().since == month


def test_a_span_of_more_than_90_days_is_asked_for_in_parts(bill: Bill, ada: User) -> None:
    for days in (0, 89, 90, 91, 200, 269):
        bill.add(f"after-{days}", at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days))
    generation = song(ada, sent=datetime(2026, 4, 1, tzinfo=UTC))
    answer = reconciled("--since", "2026-01-01", "--until", "2026-09-28")
    assert [line[1] for line in answer.lines if line[0] == "ONLY_FALS"] == [
        "after-0",
        "after-200",
        "after-269",
        "after-89",
        "after-90",
        "after-91",
    ]
    assert ("ONLY_OURS", generation.request_id, "0.0750", "0.0000") in answer.lines


def test_a_moment_may_be_given_with_its_zone(bill: Bill) -> None:
    reconciled("--since", "2026-09-01T02:00:00+02:00", "--until", "2026-09-01T00:00:01Z")
    assert (last_run().since, last_run().until) == (SEPTEMBER, SEPTEMBER + SECOND)


# --- Many ------------------------------------------------------------------------------------------------------------


def test_a_bill_of_three_pages_is_read_to_its_end(
    bill: Bill, ada: User, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing, "EVENTS_A_PAGE", 3)
    monkeypatch.setattr(comparison, "PAGE_REQUESTS", 2)
    for _ in range(7):
        billed_song(bill, ada)
    answer = reconciled()
    assert_says(answer, 0)
    assert answer.json["matched"] == 7
    assert asked == [0, 0, 0]


def test_a_line_that_slips_to_another_page_is_no_difference(
    bill: Bill, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are numbered from the newest: what is billed between two of them moves all the others."""
    monkeypatch.setattr(billing, "EVENTS_A_PAGE", 1)
    moments = [timezone.now() - timedelta(minutes=minutes) for minutes in (3, 2, 1)]
    songs = [song(ada) for _ in moments]
    for generation, moment in zip(songs, moments, strict=True):
        bill.add(generation.request_id, at=moment)
    late = song(ada)
    read, asked = client_of(bill.sim).read_api, []

    def interrupted(path: str, parameters: Any) -> dict[str, Any]:
        body = read(path, parameters)
        asked.append(parameters)
        if len(asked) == 1:
            bill.add(late.request_id, at=timezone.now() - SECOND)
        return body

    monkeypatch.setattr(reconciliation, "_read", lambda: interrupted)
    answer = reconciled()
    assert_says(answer, 0)
    assert answer.json["matched"] == 4


def test_fal_is_asked_again_for_fifty_requests_at_a_time(bill: Bill, asked: list[int]) -> None:
    for number in range(120):
        bill.add(f"r{number}")
    assert len(reconciled().lines) == 120
    assert asked == [0, 50, 50, 20]


def test_lines_beyond_what_is_kept_are_counted(bill: Bill, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "LINES_MAX", 3)
    monkeypatch.setattr(comparison, "PAGE_REQUESTS", 2)
    for number in range(7):
        bill.add(f"r{number}")
    billed_song(bill, ada)
    bill.list_prices({INPAINT: {"unit_price": 0.08}})
    answer = reconciled()
    assert (answer.code, answer.kinds) == (1, ["ONLY_FALS"] * 3 + ["PRICE"])
    assert (answer.json["lines_left_out"], answer.json["matched"]) == (4, 1)
    table = as_table().text
    assert "and 4 more that are not listed" in table
    assert "1 alike, 8 different" in table


def test_one_run_leaves_another_alone(bill: Bill, ada: User) -> None:
    bill.add("unheard-of")
    first = reconciliation.run()
    bill.remove("unheard-of")
    second = reconciliation.run(author=ada)
    assert [line.kind for line in reconciliation.lines(first)] == [LineKind.ONLY_FALS]
    assert list(reconciliation.lines(second)) == []
    assert (reconciliation.is_equal(first), reconciliation.is_equal(second)) == (False, True)
    assert reconciliation.latest() == second
    assert second.author == ada


# --- The table -------------------------------------------------------------------------------------------------------


def test_the_table_is_for_eyes_and_says_the_totals(bill: Bill, ada: User) -> None:
    billed_song(bill, ada)
    bill.add("a-request", 112_500)
    lines = as_table("--since", "2026-09-01").text.splitlines()
    assert lines[0].split() == ["request", "endpoint", "ours", "fal's", "difference"]
    assert lines[1].split()[:6] == ["only", "fal's", "a-request", "text-to-music", "$0.00", "$0.1125"]
    assert lines[3].startswith("2026-09-01 00:00 to before ")
    assert lines[4:] == ["ours $0.075, fal's $0.1875", "1 alike, 1 different"]
    assert not any(line.endswith(" ") for line in lines)
