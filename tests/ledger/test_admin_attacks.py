"""What a hasty or hostile client sends to the admin's pages of money: a clear answer, and nothing booked twice."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from ledger import months, operations
from ledger.models import Budget, Entry, EntryKind, Quota
from studio.models import User
from tests.admins import boss, browser_of, plain_static_files, superuser, text_of
from tests.ledger.books import assert_balanced
from tests.ledger.crew import crew
from tests.ledger.test_quota_adjust import address, filled, quota
from tests.ledger.test_quota_bulk import CONFIRM, SAID, hidden, previewed

__all__ = ["boss", "plain_static_files", "quota", "superuser"]

AT_ONCE = 6
PATIENCE_SECONDS = 30


def lines() -> tuple[int, int, int]:
    return Budget.objects.count(), Entry.objects.count(), LogEntry.objects.count()


@pytest.mark.parametrize("month", ["2999-01", "9999-12", "1000-01", "2024-02"])
def test_a_month_without_books_is_not_adjusted(boss: Client, quota: Quota, month: str) -> None:
    before = lines()
    assert boss.get(address(quota, month=month)).status_code == HTTPStatus.NOT_FOUND
    assert boss.post(address(quota, month=month), filled("GIVE", "4", book="x")).status_code == HTTPStatus.NOT_FOUND
    assert lines() == before


def test_an_adjustment_is_booked_in_the_month_that_was_looked_at(boss: Client, quota: Quota) -> None:
    assert f'action="?month={months.month_name(months.month_of())}"' in text_of(boss.get(address(quota)))


def test_the_house_never_pays_less_than_nothing_and_says_so(boss: Client, quota: Quota) -> None:
    before = lines()
    page = text_of(boss.post(address(quota), filled("SPENT_MORE", "0.1", house_pays="on", book="x")))
    assert "Only $0.00 were spent by the house" in page
    assert lines() == before


@pytest.mark.parametrize(
    "query",
    [
        "studio_generation_changelist?reason_code=%00",
        "studio_generation_changelist?endpoint=%00",
        "studio_reconciliationline_changelist?endpoint=%00",
        "ledger_budget_changelist?in=%00",
    ],
)
def test_a_filter_that_no_text_can_match_is_refused(boss: Client, query: str) -> None:
    name, typed = query.split("?")
    assert boss.get(f"{reverse(f'admin:{name}')}?{typed}").status_code == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize("query", ["?q=%00", "?p=99999", "?budget__id__exact=99999999999999999999999", "?kind=x"])
def test_a_list_asked_for_nonsense_is_still_a_list(boss: Client, query: str) -> None:
    text_of(boss.get(f"{reverse('admin:ledger_entry_changelist')}{query}"))


@pytest.mark.parametrize("people", ["", "x", "WzFd:1tAAAA:x"])
@pytest.mark.parametrize("act", ["set", "raise"])
def test_a_bulk_of_people_that_nobody_chose_is_not_found(boss: Client, quota: Quota, act: str, people: str) -> None:
    before = lines()
    answer = boss.post(reverse("admin:ledger_quota_bulk", args=[act]), {"people": people, "amount": "5"})
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert lines() == before


def acts(quota: Quota) -> dict[str, dict[str, Any]]:
    """Every address that books or changes something, with what a page would send there."""
    charge = Entry.objects.get(kind=EntryKind.CHARGE)
    quotas = reverse("admin:ledger_quota_changelist")
    chosen = {"action": "freeze", "_selected_action": [str(quota.pk)]}
    leaving = {"action": "deactivate", "_selected_action": [str(quota.person_id)], "confirmed": "yes", "reason": "x"}
    return {
        address(quota): filled("GIVE", "4", book="x"),
        reverse("admin:ledger_entry_house_pays", args=[charge.pk]): {"reason": "x"},
        reverse("admin:ledger_quota_change", args=[quota.pk]): {"frozen": "on", "takes_effect": "NOW", "reason": "x"},
        quotas: chosen,
        reverse("admin:studio_user_changelist"): leaving,
        reverse("admin:studio_reconciliation_run"): {},
    }


def test_no_act_on_money_is_done_for_another_site_or_for_a_musician(superuser: User, ada: User, quota: Quota) -> None:
    before = lines()
    elsewhere, musician = browser_of(superuser, checks_csrf=True), browser_of(ada)
    for where, said in acts(quota).items():
        assert elsewhere.post(where, said).status_code == HTTPStatus.FORBIDDEN, where
        assert "/login" in musician.post(where, said).headers["Location"], where
    assert lines() == before
    assert User.objects.get(pk=ada.pk).is_active


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """The same form, sent by several threads with connections of their own."""

    def sent(self, person: User, post: Callable[[Client], Any]) -> list[int]:
        browsers = [browser_of(person) for _ in range(AT_ONCE)]
        with crew(AT_ONCE) as band:
            works = [lambda browser=browser: post(browser).status_code for browser in browsers]
            return [int(str(future.result(PATIENCE_SECONDS))) for future in band.start(works)]

    @pytest.mark.parametrize(("kind", "house_pays"), [("GIVE", None), ("SPENT_LESS", "on")])
    def test_an_adjustment_is_one_entry(self, superuser: User, quota: Quota, kind: str, house_pays: str | None) -> None:
        said = filled(kind, "0.05", house_pays=house_pays, book="x")
        assert self.sent(superuser, lambda browser: browser.post(address(quota), said)) == [302] * AT_ONCE
        assert Entry.objects.filter(reference=f"admin:{said['token']}").count() == 1
        assert LogEntry.objects.count() == 2
        assert_balanced()

    @pytest.mark.usefixtures("quota")
    def test_a_charge_is_given_back_once(self, superuser: User, ada: User) -> None:
        charge = Entry.objects.get(kind=EntryKind.CHARGE)
        where = reverse("admin:ledger_entry_house_pays", args=[charge.pk])
        assert self.sent(superuser, lambda browser: browser.post(where, {"reason": "Silent"})) == [302] * AT_ONCE
        assert Budget.objects.get(person=ada).spent_micros == 0
        assert LogEntry.objects.count() == 1
        assert_balanced()

    def test_a_plan_for_many_is_carried_out_once(self, superuser: User, ada: User, quota: Quota) -> None:
        said = hidden(previewed(browser_of(superuser), "raise_by", [quota], "0.50")) | SAID
        codes = self.sent(superuser, lambda browser: browser.post(CONFIRM, said))
        # The others are shown that it is so already.
        assert sorted(codes) == [200] * (AT_ONCE - 1) + [302]
        assert Budget.objects.get(person=ada).granted_micros == 1_500_000
        assert LogEntry.objects.count() == 1
        assert_balanced()

    def test_many_small_takings_never_take_what_is_held(self, superuser: User, ada: User, quota: Quota) -> None:
        operations.hold(person=ada, amount_micros=600_000, reference="under way", label="text-to-music")
        codes = self.sent(superuser, lambda browser: browser.post(address(quota), filled("TAKE", "0.1", book="x")))
        # $0.325 are left, so three of them go through and the others hear why not.
        assert sorted(codes) == [200] * (AT_ONCE - 3) + [302] * 3
        assert Budget.objects.get(person=ada).available_micros == 25_000
        assert_balanced()
