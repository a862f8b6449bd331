"""Quotas of many at once: chosen in the list, shown before and after, and then all of them or none."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ledger import operations, quota_list, quota_plans, quotas
from ledger.admin import quota_pages
from ledger.errors import InvalidAmount, LedgerBusy
from ledger.models import Budget, Entry, Quota
from ledger.quota_plans import PlanOutdated, Wish
from ledger.quotas import TakesEffect
from studio.models import User
from tests.admins import Somebody, boss, plain_static_files, staff_with, superuser, text_of
from tests.ledger.books import assert_balanced

__all__ = ["boss", "plain_static_files", "staff_with", "superuser"]
LIST = "/admin/ledger/quota/"
CONFIRM = "/admin/ledger/quota/confirm/"
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
SAID = {"takes_effect": "NOW", "reason": "The new term"}


@pytest.fixture
def both(ada: User, bo: User) -> list[Quota]:
    return [Quota.objects.create(person=ada, monthly_micros=2_000_000), Quota.objects.create(person=bo)]


def hidden(page: str) -> dict[str, str]:
    """What a page's form carries, but for the token against forgery."""
    return {name: unescape(value) for name, value in HIDDEN.findall(page) if name != "csrfmiddlewaretoken"}


def chosen(action: str, rows: list[Quota], **more: Any) -> dict[str, Any]:
    return {"action": action, "index": 0, ACTION_CHECKBOX_NAME: [row.pk for row in rows], **more}


def previewed(boss: Client, action: str, rows: list[Quota], amount: str | None = None) -> str:
    """The page that shows what would change."""
    page = text_of(boss.post(LIST, chosen(action, rows)))
    if amount is None:
        return page
    act = {"set_to": "set", "raise_by": "raise"}[action]
    return text_of(boss.post(f"{LIST}bulk/{act}/", {**hidden(page), "amount": amount}))


def own_micros() -> dict[str, int | None]:
    return {quota.person.email[:3]: quota.monthly_micros for quota in Quota.objects.select_related("person")}


class TestTheWayOfAnAction:
    def test_sets_all_to_one_amount(self, boss: Client, superuser: User, both: list[Quota]) -> None:
        page = previewed(boss, "set_to", both, "5.00")
        for shown in ("ada@example.com", "$2.00", "bo@example.com", "$1.00 (default)", "$5.00", "Change 2 quotas"):
            assert shown in page
        assert own_micros() == {"ada": 2_000_000, "bo@": None, "roo": None}, "looking changes nothing"
        after = text_of(boss.post(CONFIRM, hidden(page) | SAID, follow=True))
        assert "2 quotas were changed" in after
        assert {micros for micros in own_micros().values() if micros} == {5_000_000}
        assert set(Budget.objects.values_list("granted_micros", flat=True)) == {5_000_000}
        assert_balanced()
        lines = {line.object_id: line for line in LogEntry.objects.all()}
        assert set(lines) == {str(quota.pk) for quota in both}
        assert all(line.user == superuser and "The new term" in line.change_message for line in lines.values())
        assert "$2.00 → $5.00" in lines[str(both[0].pk)].change_message

    def test_raises_each_from_what_it_has(self, boss: Client, both: list[Quota]) -> None:
        boss.post(CONFIRM, hidden(previewed(boss, "raise_by", both, "0.50")) | SAID)
        assert own_micros() == {"ada": 2_500_000, "bo@": 1_500_000, "roo": None}

    def test_goes_back_to_the_default(self, boss: Client, both: list[Quota]) -> None:
        page = previewed(boss, "back_to_default", both)
        assert "1 quota says so already" in page
        boss.post(CONFIRM, hidden(page) | SAID)
        assert own_micros()["ada"] is None
        assert LogEntry.objects.count() == 1

    def test_freezes_and_unfreezes(self, boss: Client, ada: User, both: list[Quota]) -> None:
        page = previewed(boss, "freeze", both)
        assert 'name="takes_effect" value="NOW"' in page, "freezing knows no next month"
        boss.post(CONFIRM, hidden(page) | {"reason": "Exams"})
        assert quotas.is_frozen(ada)
        boss.post(CONFIRM, hidden(previewed(boss, "unfreeze", both)) | {"reason": "Over"})
        assert not quotas.is_frozen(ada)
        assert not Budget.objects.exists()

    def test_reaches_everybody_that_the_filter_finds(self, boss: Client, both: list[Quota]) -> None:
        for number in range(25):
            User.objects.create_user(f"ada{number}@example.com")
        text_of(boss.get(LIST))
        page = text_of(boss.post(f"{LIST}?q=ada", chosen("freeze", both[:1], select_across=1)))
        assert "Change 26 quotas" in page
        boss.post(CONFIRM, hidden(page) | SAID)
        assert Quota.objects.filter(frozen=True).count() == 26
        assert Quota.objects.get(person__email="bo@example.com").frozen is False

    def test_can_leave_this_month_alone(self, boss: Client, ada: User, both: list[Quota]) -> None:
        page = previewed(boss, "set_to", both, "5.00")
        boss.post(CONFIRM, hidden(page) | SAID | {"takes_effect": "NEXT_MONTH"})
        assert Budget.objects.get(person=ada).granted_micros == 2_000_000

    def test_names_whose_month_could_not_be_lowered(self, boss: Client, ada: User, both: list[Quota]) -> None:
        operations.hold(person=ada, amount_micros=1_500_000, reference="song")
        page = previewed(boss, "set_to", both, "1.00")
        assert "ada@example.com ($0.50)" in text_of(boss.post(CONFIRM, hidden(page) | SAID, follow=True))

    def test_with_nothing_to_change_says_so(self, boss: Client, both: list[Quota]) -> None:
        page = previewed(boss, "unfreeze", both)
        assert "Nothing would change" in page
        assert "<form method" not in page.split('id="content-main"')[1]


class TestWhatIsRefused:
    @pytest.mark.parametrize("amount", ["", "-1", "1e3", "NaN", "1000001", "0.0000001"])
    def test_is_an_amount_that_is_none(self, boss: Client, both: list[Quota], amount: str) -> None:
        assert "errorlist" in previewed(boss, "set_to", both, amount)

    @pytest.mark.parametrize("amount", ["0", "999999"])
    def test_is_a_raise_of_nothing_or_beyond_all_measure(self, boss: Client, both: list[Quota], amount: str) -> None:
        assert "errorlist" in previewed(boss, "raise_by", both, amount)

    def test_is_a_change_without_a_reason(self, boss: Client, both: list[Quota]) -> None:
        page = previewed(boss, "set_to", both, "5.00")
        again = text_of(boss.post(CONFIRM, hidden(page) | {"takes_effect": "NOW", "reason": " "}))
        assert "errorlist" in again
        assert "ada@example.com" in again
        assert own_micros()["ada"] == 2_000_000
        boss.post(CONFIRM, hidden(again) | SAID)
        assert own_micros()["ada"] == 5_000_000

    def test_is_what_changed_since_it_was_shown(self, boss: Client, both: list[Quota]) -> None:
        page = previewed(boss, "raise_by", both, "0.50")
        Quota.objects.filter(pk=both[1].pk).update(monthly_micros=9_000_000)
        again = text_of(boss.post(CONFIRM, hidden(page) | SAID))
        assert "have changed since you looked" in again
        assert "$9.00" in again
        assert own_micros()["ada"] == 2_000_000, "not even those that did not change"
        assert not LogEntry.objects.exists()
        boss.post(CONFIRM, hidden(again) | SAID)
        assert own_micros()["ada"] == 2_500_000

    def test_is_a_plan_of_somebody_elses_making(self, boss: Client, both: list[Quota]) -> None:
        sent = hidden(previewed(boss, "set_to", both, "5.00")) | SAID
        for forged in (sent | {"wishes": "W10"}, sent | {"wishes": ""}):
            assert boss.post(CONFIRM, forged).status_code == 302
        assert own_micros()["ada"] == 2_000_000
        assert boss.post(f"{LIST}bulk/set/", {"people": "W10", "amount": "1"}).status_code == 404
        assert boss.post(f"{LIST}bulk/freeze/", sent).status_code == 404

    def test_is_all_of_it_where_one_fails(
        self, boss: Client, both: list[Quota], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = previewed(boss, "set_to", both, "5.00")
        monkeypatch.setattr(quota_pages, "log", fail)
        with pytest.raises(LedgerBusy):
            boss.post(CONFIRM, hidden(page) | SAID)
        assert own_micros()["ada"] == 2_000_000
        assert not Entry.objects.exists()
        assert not LogEntry.objects.exists()

    def test_is_everything_to_who_may_only_look(self, staff_with: Somebody, boss: Client, both: list[Quota]) -> None:
        looking = staff_with("view_quota")
        page = previewed(boss, "set_to", both, "5.00")
        assert "Raise the monthly budget" not in text_of(looking.get(LIST))
        assert looking.post(CONFIRM, hidden(page) | SAID).status_code == 403
        assert looking.post(f"{LIST}bulk/set/", hidden(page)).status_code == 403
        assert looking.get(f"{LIST}import/").status_code == 403
        assert own_micros()["ada"] == 2_000_000

    def test_is_more_people_than_fit(self, boss: Client, both: list[Quota], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(quota_pages, "MAX_PEOPLE", 1)
        assert boss.post(LIST, chosen("freeze", both)).status_code == 302
        assert "Choose fewer" in text_of(boss.get(LIST))


def fail(*_: object) -> None:
    raise LedgerBusy


class TestPlans:
    @pytest.mark.usefixtures("both")
    def test_give_the_missing_their_row_once(self) -> None:
        newcomer = User.objects.create_user("cy@example.com")
        quota_list.fill_in()
        quota_list.fill_in()
        assert Quota.objects.get(person=newcomer).monthly_micros is None
        assert own_micros()["ada"] == 2_000_000

    def test_are_outdated_by_another_default(self, superuser: User, both: list[Quota], settings: Any) -> None:
        wishes = [Wish(both[0].person_id, None)]
        seen = quota_plans.plan(wishes).seen
        settings.NEOAPEX_MONTHLY_BUDGET = 3_000_000
        with pytest.raises(PlanOutdated):
            quota_plans.carry_out(wishes, takes_effect=TakesEffect.NOW, reason="?", author=superuser, seen=seen)

    def test_raise_nobody_beyond_a_million(self, both: list[Quota]) -> None:
        with pytest.raises(InvalidAmount):
            quota_plans.raised(both, 999_999_000_000)

    @pytest.mark.usefixtures("db")
    def test_cost_as_many_queries_to_show_for_many_people(self) -> None:
        def cost(people: int) -> int:
            wishes = [Wish(pk, 5) for pk in User.objects.order_by("pk").values_list("pk", flat=True)[:people]]
            with CaptureQueriesContext(connection) as queries:
                assert len(quota_plans.plan(wishes).steps) == people
            return len(queries)

        User.objects.bulk_create(User(email=f"p{number}@example.com") for number in range(50))
        quota_list.fill_in()
        assert cost(2) == cost(50)


@pytest.mark.slow
def test_ten_thousand_people_are_changed_in_one_go(boss: Client, superuser: User) -> None:
    User.objects.bulk_create(User(email=f"p{number:05}@example.com") for number in range(10_000))
    first = Quota.objects.create(person=superuser)
    text_of(boss.get(LIST))
    page = text_of(boss.post(f"{LIST}?q=p0", chosen("set_to", [first], select_across=1)))
    page = text_of(boss.post(f"{LIST}bulk/set/", {**hidden(page), "amount": "5.00"}))
    assert "Change 10000 quotas" in page
    assert boss.post(CONFIRM, hidden(page) | SAID).status_code == 302
    assert Budget.objects.filter(granted_micros=5_000_000).count() == 10_000
    assert LogEntry.objects.count() == 10_000
