"""One-off adjustments: shown first, booked once, with a reason, and refused where the ledger refuses."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from ledger import months, operations
from ledger.models import Budget, BudgetKind, Entry, EntryKind, Quota
from studio.models import User
from tests.admins import Somebody, boss, plain_static_files, staff_with, superuser, text_of
from tests.ledger.books import assert_balanced

__all__ = ["boss", "plain_static_files", "staff_with", "superuser"]
TOKEN = re.compile(r'name="token" value="([^"]+)"')


@pytest.fixture
def quota(ada: User) -> Quota:
    """Of somebody with $1.00 this month, $0.075 of it spent."""
    operations.hold(person=ada, amount_micros=75_000, reference="song", label="text-to-music")
    operations.charge(reference="song", amount_micros=75_000)
    return Quota.objects.create(person=ada)


def address(quota: Quota, **query: str) -> str:
    return reverse("admin:ledger_quota_adjust", args=[quota.pk], query=query or None)


def filled(kind: str, amount: str, **more: Any) -> dict[str, Any]:
    said = {"kind": kind, "amount": amount, "reason": "Agreed by mail", "token": str(uuid.uuid4()), **more}
    return {name: value for name, value in said.items() if value is not None}


def sums(person: User) -> tuple[int, int]:
    budget = Budget.objects.get(person=person, month=months.month_of())
    return budget.granted_micros, budget.spent_micros


def house_micros() -> int:
    return sum(Budget.objects.filter(kind=BudgetKind.HOUSE).values_list("spent_micros", flat=True))


@pytest.mark.parametrize(
    ("kind", "house_pays", "after", "house"),
    [
        ("GIVE", None, (1_050_000, 75_000), 0),
        ("TAKE", None, (950_000, 75_000), 0),
        ("SPENT_LESS", "on", (1_000_000, 25_000), 50_000),
        ("SPENT_LESS", None, (1_000_000, 25_000), 0),
        ("SPENT_MORE", None, (1_000_000, 125_000), 0),
    ],
)
def test_each_adjustment_does_what_it_says(
    boss: Client, superuser: User, ada: User, quota: Quota, kind: str, house_pays: str | None, after: Any, house: int
) -> None:
    said = filled(kind, "0.05", house_pays=house_pays)
    before = Entry.objects.count()
    page = text_of(boss.post(address(quota), said))
    assert "Book it" in page
    assert (Entry.objects.count(), sums(ada)) == (before, (1_000_000, 75_000)), "looking books nothing"
    answer = boss.post(address(quota), said | {"book": "Book it"})
    assert answer.status_code == 302
    assert sums(ada) == after
    assert house_micros() == house
    entry = Entry.objects.get(reference=f"admin:{said['token']}")
    assert (entry.author, entry.reason) == (superuser, "Agreed by mail")
    assert answer.headers["Location"] == reverse("admin:ledger_entry_change", args=[entry.pk])
    texts = LogEntry.objects.values_list("change_message", flat=True)
    assert len(texts) == 2, "with the quota and with the entry"
    assert all("$0.05" in text and "Agreed by mail" in text for text in texts)
    assert_balanced()


def test_the_preview_shows_the_month_before_and_after(boss: Client, quota: Quota) -> None:
    page = text_of(boss.post(address(quota), filled("GIVE", "4")))
    for shown in ("$1.00", "$5.00", "$0.925", "$4.925", "Agreed by mail"):
        assert shown in page
    again = text_of(boss.post(address(quota), filled("GIVE", "4", edit="Change it")))
    assert "Show what it does" in again
    assert 'value="4"' in again


def test_a_form_sent_twice_is_one_entry(boss: Client, ada: User, quota: Quota) -> None:
    token = TOKEN.search(text_of(boss.get(address(quota))))
    assert token
    said = filled("GIVE", "4", token=token[1], book="Book it")
    assert [boss.post(address(quota), said).status_code for _ in range(2)] == [302, 302]
    assert sums(ada)[0] == 5_000_000
    assert LogEntry.objects.count() == 2


def test_a_token_stands_for_one_amount(boss: Client, ada: User, quota: Quota) -> None:
    said = filled("GIVE", "4", book="Book it")
    boss.post(address(quota), said)
    assert "errorlist" in text_of(boss.post(address(quota), said | {"amount": "5"}))
    assert sums(ada)[0] == 5_000_000


@pytest.mark.parametrize(
    ("kind", "amount", "said"),
    [
        ("TAKE", "0.93", "Only $0.925 of this budget"),
        ("SPENT_LESS", "0.08", "Only $0.075 were spent"),
        ("SPENT_MORE", "0.93", "$0.925 of this month"),
        ("GIVE", "0", "changes nothing"),
        ("GIVE", "-1", "no amount"),
        ("GIVE", "1e3", "no amount"),
        ("GIVE", "0.0000001", "six decimals"),
        ("GIVE", "1000001", "at most"),
        ("STEAL", "1", "valid choice"),
    ],
)
@pytest.mark.parametrize("button", ["", "book"])
def test_what_the_ledger_refuses_is_said_at_the_field(
    boss: Client, ada: User, quota: Quota, kind: str, amount: str, said: str, button: str
) -> None:
    page = text_of(boss.post(address(quota), filled(kind, amount, **({button: "x"} if button else {}))))
    assert said in page.split('class="errorlist"')[1]
    assert sums(ada) == (1_000_000, 75_000)
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("missing", ["reason", "token", "amount", "kind"])
def test_nothing_is_booked_without(boss: Client, quota: Quota, missing: str) -> None:
    before = Entry.objects.count()
    text_of(boss.post(address(quota), filled("GIVE", "4", book="x") | {missing: " "}))
    assert Entry.objects.count() == before


def test_an_earlier_month_is_corrected_in_its_own_books(boss: Client, ada: User, quota: Quota) -> None:
    earlier = months.start_of(months.month_of()) - timedelta(days=3)
    operations.hold(person=ada, amount_micros=75_000, reference="old song", now=earlier)
    operations.charge(reference="old song", amount_micros=75_000)
    name = months.month_name(months.month_of(earlier))
    budget = Budget.objects.get(person=ada, month=months.month_of(earlier))
    way = address(quota, month=name)
    assert way in text_of(boss.get(reverse("admin:ledger_budget_change", args=[budget.pk])))
    boss.post(way, filled("SPENT_LESS", "0.075", house_pays="on", book="x"))
    budget.refresh_from_db()
    assert budget.spent_micros == 0
    assert sums(ada) == (1_000_000, 75_000)
    assert_balanced()


@pytest.mark.parametrize("month", ["2026-13", "x", "2026-11-01"])
def test_a_month_that_is_none_is_not_found(boss: Client, quota: Quota, month: str) -> None:
    assert boss.get(address(quota, month=month)).status_code == 404


def test_adjusting_takes_the_permission_to_write_entries(staff_with: Somebody, ada: User, quota: Quota) -> None:
    looking = staff_with("view_quota", "change_quota", "view_entry")
    assert looking.get(address(quota)).status_code == 403
    assert looking.post(address(quota), filled("GIVE", "4", book="x")).status_code == 403
    assert sums(ada)[0] == 1_000_000
    assert "Adjust this month" not in text_of(looking.get(reverse("admin:ledger_quota_change", args=[quota.pk])))
    booking = staff_with("add_entry")
    assert booking.post(address(quota), filled("GIVE", "4", book="x")).status_code == 302
    charge = Entry.objects.get(kind=EntryKind.CHARGE)
    pays = reverse("admin:ledger_entry_house_pays", args=[charge.pk])
    assert looking.post(pays, {"reason": "?"}).status_code == 403
