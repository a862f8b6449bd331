"""Quotas one by one: in the list and on a person's page, each change through the ledger and into the log."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from ledger import months, operations, quotas
from ledger.models import Budget, Quota
from studio.models import User
from tests.admins import Somebody, boss, plain_static_files, staff_with, superuser, text_of
from tests.ledger.books import assert_balanced

__all__ = ["boss", "plain_static_files", "staff_with", "superuser"]
LIST = "/admin/ledger/quota/"
NOW = {"takes_effect": "NOW", "reason": "More songs to make"}


@pytest.fixture
def quota(ada: User) -> Quota:
    return Quota.objects.create(person=ada, monthly_micros=2_000_000)


def page_of(quota: Quota) -> str:
    return reverse("admin:ledger_quota_change", args=[quota.pk])


def filled(quota: Quota, **typed: Any) -> dict[str, Any]:
    """The form of a person's page as a browser sends it: what it showed, and what was typed over it."""
    own = "" if quota.monthly_micros is None else f"{quota.monthly_micros / 1_000_000:.4f}"
    sent = {
        "monthly": own,
        "initial-monthly": own,
        "frozen": "on" if quota.frozen else None,
        "initial-frozen": str(quota.frozen),
        "rolls_over": "on" if quota.rolls_over else None,
        "initial-rolls_over": str(quota.rolls_over),
        **NOW,
        **typed,
    }
    return {name: value for name, value in sent.items() if value is not None}


def in_list(quota: Quota, **typed: Any) -> dict[str, Any]:
    """The same, as the only row of the list."""
    sent = filled(quota, **typed)
    how = {name: sent.pop(name) for name in NOW}
    row = {
        f"initial-form-0-{name.removeprefix('initial-')}" if name.startswith("initial-") else f"form-0-{name}": value
        for name, value in sent.items()
    }
    forms = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": quota.pk, "_save": "Save"}
    return row | how | forms


def own_micros(quota: Quota) -> int | None:
    quota.refresh_from_db()
    return quota.monthly_micros


class TestThePageOfAPerson:
    def test_shows_the_month_and_the_ways_from_it(self, boss: Client, ada: User, quota: Quota) -> None:
        operations.hold(person=ada, amount_micros=112_500, reference="song")
        page = text_of(boss.get(page_of(quota)))
        for shown in ("Quota of ada@example.com", "$2.00", "$0.1125", "$1.8875", "Adjust this month"):
            assert shown in page
        assert reverse("admin:ledger_entry_changelist", query={"budget__id__exact": ada.budgets.get().pk}) in page

    def test_changes_the_quota_and_this_month(self, boss: Client, superuser: User, ada: User, quota: Quota) -> None:
        assert boss.post(page_of(quota), filled(quota, monthly="5.00")).status_code == 302
        assert own_micros(quota) == 5_000_000
        assert Budget.objects.get(person=ada).granted_micros == 5_000_000
        line = LogEntry.objects.get()
        assert (line.user, line.object_id) == (superuser, str(quota.pk))
        for said in ("$2.00 → $5.00", "now", "+$3.00", "More songs to make"):
            assert said in line.change_message
        assert_balanced()

    def test_changes_from_next_month_on_and_leaves_this_one(self, boss: Client, ada: User, quota: Quota) -> None:
        boss.post(page_of(quota), filled(quota, monthly="5.00", takes_effect="NEXT_MONTH"))
        assert own_micros(quota) == 5_000_000
        assert Budget.objects.get(person=ada).granted_micros == 2_000_000
        assert "from next month on" in LogEntry.objects.get().change_message

    def test_goes_back_to_the_default(self, boss: Client, quota: Quota) -> None:
        boss.post(page_of(quota), filled(quota, monthly=""))
        assert own_micros(quota) is None
        assert "$2.00 → $1.00 (default)" in LogEntry.objects.get().change_message

    def test_freezes_and_rolls_over(self, boss: Client, ada: User, quota: Quota) -> None:
        boss.post(page_of(quota), filled(quota, frozen="on", rolls_over="on"))
        quota.refresh_from_db()
        assert (quota.frozen, quota.rolls_over) == (True, True)
        assert not Budget.objects.filter(person=ada).exists(), "no month is opened for it"
        assert "Frozen: no → yes; Rolls over: no → yes" in LogEntry.objects.get().change_message

    def test_names_what_could_not_be_taken_back(self, boss: Client, ada: User, quota: Quota) -> None:
        operations.hold(person=ada, amount_micros=1_500_000, reference="song")
        page = text_of(boss.post(page_of(quota), filled(quota, monthly="1.00"), follow=True))
        assert "ada@example.com ($0.50)" in page
        assert Budget.objects.get(person=ada).available_micros == 0

    @pytest.mark.parametrize("typed", ["-1", "ten", "1e3", "NaN", "1000001", "0.0000001", "1" * 19])
    def test_refuses_what_is_no_amount_at_its_field(self, boss: Client, quota: Quota, typed: str) -> None:
        assert "errorlist" in text_of(boss.post(page_of(quota), filled(quota, monthly=typed)))
        assert own_micros(quota) == 2_000_000

    @pytest.mark.parametrize("typed", [{"reason": " "}, {"takes_effect": "NEVER"}, {"takes_effect": ""}])
    def test_asks_for_a_reason_and_a_time(self, boss: Client, quota: Quota, typed: dict[str, str]) -> None:
        assert "errorlist" in text_of(boss.post(page_of(quota), filled(quota, monthly="5", **typed)))
        assert own_micros(quota) == 2_000_000

    def test_takes_no_change_for_none(self, boss: Client, quota: Quota) -> None:
        assert "says already" in text_of(boss.post(page_of(quota), filled(quota)))
        assert not LogEntry.objects.exists()

    def test_undoes_nobodys_change(self, boss: Client, quota: Quota) -> None:
        sent = filled(quota, monthly="5.00")
        Quota.objects.update(monthly_micros=7_000_000)
        assert "Somebody has changed this" in text_of(boss.post(page_of(quota), sent))
        assert own_micros(quota) == 7_000_000

    def test_is_open_to_an_admins_own_quota_and_logs_it(self, boss: Client, superuser: User) -> None:
        own = Quota.objects.create(person=superuser)
        boss.post(page_of(own), filled(own, monthly="9.00"))
        assert quotas.monthly_micros(superuser) == 9_000_000
        assert LogEntry.objects.get().user == superuser


class TestTheList:
    @pytest.mark.usefixtures("quota")
    def test_names_everybody_whether_they_have_a_quota_or_not(self, boss: Client, bo: User) -> None:
        page = text_of(boss.get(LIST))
        for person in ("ada@example.com", "bo@example.com", "root@example.com"):
            assert person in page
        assert quotas.monthly_micros(bo) == 1_000_000, "a row of defaults is as good as none"

    @pytest.mark.usefixtures("quota")
    def test_shows_the_month_and_how_much_of_it_is_used(self, boss: Client, ada: User) -> None:
        operations.hold(person=ada, amount_micros=1_700_000, reference="song")
        operations.charge(reference="song", amount_micros=1_600_000)
        page = text_of(boss.get(LIST))
        for shown in ("$2.00", "$1.60", "$0.40", "80 %", "use--near"):
            assert shown in page

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"q": "ada"}, ["ada"]),
            ({"quota": "own"}, ["ada"]),
            ({"quota": "default"}, ["bo", "root"]),
            ({"used": "80"}, ["ada"]),
            ({"used": "100"}, []),
            ({"used": "nothing"}, ["bo", "root"]),
            ({"used": "?"}, ["ada", "bo", "root"]),
            ({"frozen__exact": "1"}, ["bo"]),
            ({"person__is_active__exact": "0"}, ["bo"]),
        ],
        ids=str,
    )
    @pytest.mark.usefixtures("quota")
    def test_is_filtered(self, boss: Client, ada: User, bo: User, query: dict[str, str], found: list[str]) -> None:
        operations.hold(person=ada, amount_micros=1_600_000, reference="song")
        Quota.objects.create(person=bo, frozen=True)
        User.objects.filter(pk=bo.pk).update(is_active=False)
        page = text_of(boss.get(LIST, query))
        assert [name for name in ("ada", "bo", "root") if f">{name}@example.com</a>" in page] == found

    @pytest.mark.parametrize("column", range(1, 10))
    @pytest.mark.usefixtures("quota", "bo")
    def test_is_sorted_by_each_column(self, boss: Client, column: int) -> None:
        for order in (column, -column):
            assert "bo@example.com" in text_of(boss.get(LIST, {"o": order}))

    def test_is_edited_in_place(self, boss: Client, ada: User, quota: Quota) -> None:
        answer = boss.post(f"{LIST}?q=ada", in_list(quota, monthly="5.00", rolls_over="on"))
        assert answer.status_code == 302
        assert own_micros(quota) == 5_000_000
        assert Budget.objects.get(person=ada).granted_micros == 5_000_000
        said = LogEntry.objects.get().change_message
        assert "$2.00 → $5.00" in said
        assert "More songs to make" in said

    def test_asks_for_a_reason_below(self, boss: Client, quota: Quota) -> None:
        page = text_of(boss.post(f"{LIST}?q=ada", in_list(quota, monthly="5.00", reason="")))
        assert "Say why" in page
        assert own_micros(quota) == 2_000_000

    def test_undoes_nobodys_change(self, boss: Client, quota: Quota) -> None:
        untouched, touched = in_list(quota), in_list(quota, monthly="5.00")
        Quota.objects.update(monthly_micros=7_000_000)
        boss.post(f"{LIST}?q=ada", untouched)
        assert own_micros(quota) == 7_000_000
        assert "Somebody has changed this" in text_of(boss.post(f"{LIST}?q=ada", touched))
        assert own_micros(quota) == 7_000_000

    def test_fits_into_what_a_form_may_send(self, boss: Client, settings: Any) -> None:
        for number in range(25):
            User.objects.create_user(f"p{number}@example.com")
        page = text_of(boss.get(LIST))
        assert page.count("<input") + page.count("<select") < settings.DATA_UPLOAD_MAX_NUMBER_FIELDS

    def test_can_be_looked_at_without_changing_anything(self, staff_with: Somebody, quota: Quota) -> None:
        looking = staff_with("view_quota")
        page = text_of(looking.get(LIST))
        assert "$2.00" in page
        assert 'name="form-0-monthly"' not in page
        assert 'name="_save"' not in page
        page = text_of(looking.get(page_of(quota)))
        assert "$2.00" in page
        assert 'name="reason"' not in page
        assert looking.post(LIST, in_list(quota, monthly="5.00")).status_code == 403
        assert looking.post(page_of(quota), filled(quota, monthly="5.00")).status_code == 403
        assert own_micros(quota) == 2_000_000

    def test_is_not_for_staff_without_a_permission(self, staff_with: Somebody, quota: Quota) -> None:
        assert staff_with().get(LIST).status_code == 403
        assert staff_with().get(page_of(quota)).status_code == 403

    def test_lets_nobody_be_added_or_deleted(self, boss: Client, quota: Quota) -> None:
        assert boss.get(f"{LIST}add/").status_code == 403
        assert boss.post(f"{LIST}{quota.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_month_that_nobody_opened_is_shown_as_it_will_begin(boss: Client, quota: Quota) -> None:
    assert "$2.00" in text_of(boss.get(LIST, {"q": "ada"}))
    assert not Budget.objects.filter(month=months.month_of()).exists(), "looking opens nothing"
