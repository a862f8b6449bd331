"""Reading: what people see of their money, and that looking never changes it."""

from datetime import UTC, datetime

import pytest
from ninja.testing import TestClient
from pytest_django import DjangoAssertNumQueries

from ledger import api, months, operations, queries
from ledger.errors import InvalidMonth
from ledger.models import Budget, Entry, Quota
from studio.models import User
from tests.ledger.conftest import NOVEMBER, OCTOBER, QUOTA_MICROS

SONG = 75_000


def hold(person: User, reference: str, now: datetime = NOVEMBER) -> Entry:
    return operations.hold(person=person, amount_micros=SONG, reference=reference, now=now)


class TestBalance:
    def test_looking_at_a_balance_opens_no_budget(self, ada: User) -> None:
        Quota.objects.create(person=ada, monthly_micros=2_000_000)
        balance = queries.balance(ada, NOVEMBER)
        assert balance == queries.Balance("2026-11", 2_000_000, 0, 0, 2_000_000, datetime(2026, 12, 1, tzinfo=UTC))
        assert not Budget.objects.exists()

    def test_a_balance_costs_one_query(self, ada: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        hold(ada, "song")
        with django_assert_num_queries(1):
            assert queries.balance(ada, NOVEMBER).held_micros == SONG

    def test_a_quota_that_changes_later_leaves_an_open_month_alone(self, ada: User) -> None:
        hold(ada, "song")
        Quota.objects.create(person=ada, monthly_micros=0)
        assert queries.balance(ada, NOVEMBER).granted_micros == QUOTA_MICROS


class TestStatement:
    def test_pages_go_from_new_to_old_and_hold_every_entry_once(self, ada: User, bo: User) -> None:
        for number in range(5):
            hold(ada, f"song {number}")
            hold(bo, f"tune {number}")
        hold(ada, "earlier", OCTOBER)
        pages, cursor = [], None
        for _ in range(10):
            page = queries.entries(ada, "2026-11", cursor, limit=2)
            pages.append([entry.reference for entry in page.entries])
            cursor = page.next_cursor
            if cursor is None:
                break
        grant = f"quota:{ada.pk}:2026-11"
        assert pages == [["song 4", "song 3"], ["song 2", "song 1"], ["song 0", grant]]

    def test_a_page_is_never_endless(self, ada: User) -> None:
        for number in range(3):
            hold(ada, f"song {number}")
        assert len(queries.entries(ada, "2026-11", limit=0).entries) == 1
        assert len(queries.entries(ada, "2026-11", limit=10**9).entries) == 4

    @pytest.mark.parametrize("month", ["", "2026", "2026-13", "2026-00", "0000-01", "2026-1", "2026-11-01", "٢٠٢٦-11"])
    def test_what_is_no_month_is_refused(self, ada: User, month: str) -> None:
        with pytest.raises(InvalidMonth):
            queries.entries(ada, month)
        with pytest.raises(InvalidMonth):
            queries.total_spent_micros(month)


class TestOpenHolds:
    def test_only_holds_without_an_end_are_open(self, ada: User) -> None:
        for reference in ("charged", "released", "open", "moved"):
            hold(ada, reference)
        operations.charge(reference="charged", amount_micros=SONG)
        operations.release(reference="released")
        operations.charge(reference="moved", amount_micros=SONG)
        operations.move_to_house(reference="moved", amount_micros=SONG, reason="unreadable")
        assert [entry.reference for entry in queries.open_holds()] == ["open"]


class TestHttp:
    def test_a_balance_is_told_in_dollars(self, ada: User) -> None:
        hold(ada, "song", datetime.now(UTC))
        told = TestClient(api.credits_router).get("/balance", user=ada).json()
        month = months.month_of()
        assert told == {
            "month": f"{month:%Y-%m}",
            "granted": "1.0000",
            "held": "0.0750",
            "spent": "0.0000",
            "available": "0.9250",
            "resets_at": f"{months.resets_at(month):%Y-%m-%dT%H:%M:%SZ}",
            "currency": "USD",
        }
