"""Admin is a window on the money: it can be looked at, in dollars, by those who may, and found by what one has."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.sites import site
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ledger import months, operations, organisation
from ledger.admin.windows import BoundedPaginator
from ledger.models import AuditRun, Budget, Entry, EntryKind, Organisation, Quota
from studio.models import User
from tests.admins import Somebody, boss, browser_of, plain_static_files, staff_with, superuser, text_of
from tests.ledger.books import assert_balanced

__all__ = ["boss", "plain_static_files", "staff_with", "superuser"]

MODELS = [Budget, Entry, AuditRun, Organisation]


@pytest.fixture
def charged(ada: User) -> Entry:
    """A charge of $0.075 on a hold of $0.1125, this month."""
    operations.hold(person=ada, amount_micros=112_500, reference="song", label="text-to-music")
    return operations.charge(reference="song", amount_micros=75_000)


class TestWindows:
    @pytest.mark.parametrize("model", MODELS)
    def test_money_can_be_looked_at_and_not_touched(self, superuser: User, model: type[Any]) -> None:
        window: admin.ModelAdmin[Any] = site.get_model_admin(model)
        request = RequestFactory().get("/")
        request.user = superuser
        assert window.has_view_permission(request)
        assert not window.has_add_permission(request)
        assert not window.has_change_permission(request)
        assert not window.has_delete_permission(request)
        assert not window.get_actions(request)

    @pytest.mark.parametrize("model", [*MODELS, Quota])
    def test_the_windows_pass_djangos_checks(self, model: type[Any]) -> None:
        assert site.get_model_admin(model).check() == []

    def test_money_is_shown_in_dollars_in_lists_and_on_pages(self, boss: Client, charged: Entry) -> None:
        budgets = text_of(boss.get(reverse("admin:ledger_budget_changelist")))
        entries = text_of(boss.get(reverse("admin:ledger_entry_changelist")))
        budget = text_of(boss.get(reverse("admin:ledger_budget_change", args=[charged.budget_id])))
        entry = text_of(boss.get(reverse("admin:ledger_entry_change", args=[charged.pk])))
        for page in (budgets, budget):
            assert "$1.00" in page
            assert "$0.925" in page
        for page in (entries, entry):
            assert "-$0.1125" in page
            assert "+$0.075" in page
        assert "75000" not in budgets + entries + budget + entry
        assert f"<h1>{months.month_name(months.month_of())} {charged.budget.person}</h1>" in budget

    def test_a_budget_leads_to_its_entries_and_an_entry_back(self, boss: Client, charged: Entry) -> None:
        budget_page = reverse("admin:ledger_budget_change", args=[charged.budget_id])
        entries = reverse("admin:ledger_entry_changelist", query={"budget__id__exact": charged.budget_id})
        assert entries in text_of(boss.get(budget_page))
        assert "song" in text_of(boss.get(entries))
        assert budget_page in text_of(boss.get(reverse("admin:ledger_entry_change", args=[charged.pk])))

    @pytest.mark.usefixtures("charged")
    def test_a_month_is_filtered_by_its_name(self, boss: Client) -> None:
        now = months.month_name(months.month_of())
        address = reverse("admin:ledger_budget_changelist")
        assert "ada@example.com" in text_of(boss.get(address, {"in": now}))
        assert "ada@example.com" not in text_of(boss.get(address, {"in": "2020-01"}))
        assert "ada@example.com" in text_of(boss.get(address, {"in": "never"}))


class TestEntries:
    @pytest.mark.usefixtures("charged")
    @pytest.mark.parametrize("term", ["song", "ada@example.com", "ADA@example.com"])
    def test_are_found_by_reference_and_person_with_their_outcomes(self, boss: Client, bo: User, term: str) -> None:
        operations.hold(person=bo, amount_micros=1, reference="other")
        found = text_of(boss.get(reverse("admin:ledger_entry_changelist"), {"q": term}))
        assert "+$0.075" in found
        assert "+$0.1125" in found
        assert "other" not in found

    def test_of_the_house_are_found_by_reference(self, boss: Client) -> None:
        operations.charge_house(reference="late", amount_micros=75_000, reason="A late success")
        assert "A late success" in text_of(boss.get(reverse("admin:ledger_entry_changelist"), {"q": "late"}))

    @pytest.mark.usefixtures("charged")
    def test_nothing_is_found_by_what_nobody_wrote(self, boss: Client) -> None:
        assert "text-to-music" not in text_of(boss.get(reverse("admin:ledger_entry_changelist"), {"q": "nothing"}))
        assert "Null characters" in text_of(boss.get(reverse("admin:ledger_entry_changelist"), {"q": "\0"}))

    @pytest.mark.usefixtures("charged")
    def test_of_an_admin_have_a_filter(self, boss: Client, superuser: User, ada: User) -> None:
        operations.grant(person=ada, amount_micros=5, reference="gift", reason="A gift", author=superuser)
        address = reverse("admin:ledger_entry_changelist")
        by_hand, grants = (text_of(boss.get(address, {"kind": kind})) for kind in ("by-hand", "grants"))
        assert "A gift" in by_hand
        assert "The month" not in by_hand
        assert "A gift" in grants
        assert "The month" in grants
        assert "+$0.075" not in grants

    @pytest.mark.usefixtures("charged")
    def test_are_not_counted_by_filter_either(self, boss: Client) -> None:
        page = text_of(boss.get(reverse("admin:ledger_entry_changelist"), {"_facets": "True"}))
        assert "given and taken back" in page
        assert "Show counts" not in page
        assert "Hide counts" not in page

    def test_are_never_counted_to_the_end(self, boss: Client) -> None:
        with CaptureQueriesContext(connection) as queries:
            boss.get(reverse("admin:ledger_entry_changelist"))
        counts = [q["sql"] for q in queries if "COUNT(" in q["sql"] and '"ledger_entry"' in q["sql"]]
        assert counts
        assert all("LIMIT 5000" in sql for sql in counts)

    def test_beyond_the_bound_are_said_to_be_more(self, monkeypatch: pytest.MonkeyPatch, ada: User) -> None:
        for number in range(3):
            operations.hold(person=ada, amount_micros=1, reference=f"{number}")
        monkeypatch.setattr("ledger.admin.windows.COUNTED_ROWS", 3)
        found = BoundedPaginator(Entry.objects.order_by("-id"), 2)
        assert (found.count, found.is_cut, found.num_pages) == (3, True, 2)
        few = BoundedPaginator(Entry.objects.filter(kind=EntryKind.GRANT).order_by("id"), 2)
        assert (few.count, few.is_cut) == (1, False)

    @pytest.mark.parametrize("name", ["ledger_entry", "ledger_budget", "ledger_quota", "studio_user"])
    def test_lists_cost_as_many_queries_for_many_rows(self, boss: Client, name: str) -> None:
        def cost() -> int:
            with CaptureQueriesContext(connection) as queries:
                text_of(boss.get(reverse(f"admin:{name}_changelist")))
            return len(queries)

        cost()
        before = cost()
        for number in range(8):
            person = User.objects.create_user(f"p{number}@example.com")
            operations.hold(person=person, amount_micros=1, reference=f"hold {number}")
        assert cost() == before


class TestTheHousePays:
    def address(self, entry: Entry) -> str:
        return reverse("admin:ledger_entry_house_pays", args=[entry.pk])

    def test_a_charge_and_the_person_has_it_back(self, boss: Client, superuser: User, charged: Entry) -> None:
        assert self.address(charged) in text_of(boss.get(reverse("admin:ledger_entry_change", args=[charged.pk])))
        assert "$0.075" in text_of(boss.get(self.address(charged)))
        answer = boss.post(self.address(charged), {"reason": "It was silence"})
        assert answer.status_code == 302
        assert list(Budget.objects.order_by("-kind").values_list("spent_micros", flat=True)) == [0, 75_000]
        assert Entry.objects.filter(author=superuser, reason="It was silence").count() == 2
        said = LogEntry.objects.get(object_id=str(charged.pk)).change_message
        assert "$0.075" in said
        assert "It was silence" in said
        assert_balanced()

    def test_once_and_never_again(self, boss: Client, ada: User, charged: Entry) -> None:
        for _ in range(2):
            boss.post(self.address(charged), {"reason": "It was silence"})
        assert Budget.objects.get(person=ada).spent_micros == 0
        assert LogEntry.objects.count() == 1
        assert self.address(charged) not in text_of(boss.get(reverse("admin:ledger_entry_change", args=[charged.pk])))

    def test_only_what_it_has_not_taken_over_already(self, boss: Client, ada: User, charged: Entry) -> None:
        operations.move_to_house(reference="song", amount_micros=50_000, reason="One of two was unreadable")
        boss.post(self.address(charged), {"reason": "The other too"})
        assert Budget.objects.get(person=ada).spent_micros == 0
        assert_balanced()

    def test_nothing_without_a_reason(self, boss: Client, ada: User, charged: Entry) -> None:
        assert "errorlist" in text_of(boss.post(self.address(charged), {"reason": " "}))
        assert Budget.objects.get(person=ada).spent_micros == 75_000

    def test_nothing_for_a_hold_or_for_itself(self, boss: Client, charged: Entry) -> None:
        own = operations.charge_house(reference="late", amount_micros=75_000, reason="A late success")
        for entry in (charged.hold, own):
            assert entry is not None
            assert boss.post(self.address(entry), {"reason": "?"}).status_code == 302
        assert not Entry.objects.filter(kind=EntryKind.ADJUST).exists()


class TestCap:
    ADDRESS = "/admin/ledger/organisation/"

    @pytest.mark.usefixtures("charged")
    def test_is_set_and_taken_away_with_a_reason(self, boss: Client) -> None:
        assert "$0.075" in text_of(boss.get(self.ADDRESS))
        assert boss.post(self.ADDRESS, {"cap": "500", "reason": "A tight year"}).status_code == 302
        assert organisation.cap_micros() == 500_000_000
        page = text_of(boss.get(self.ADDRESS))
        assert "$499.925" in page
        assert boss.post(self.ADDRESS, {"cap": "", "reason": "A good year"}).status_code == 302
        assert organisation.cap_micros() is None
        said = [line.change_message for line in LogEntry.objects.order_by("pk")]
        assert "none and is $500.00" in said[0]
        assert "A tight year" in said[0]
        assert "A good year" in said[1]

    @pytest.mark.parametrize("cap", ["-1", "1e3", "NaN", "1000001", "0.0000001"])
    def test_of_no_amount_is_refused(self, boss: Client, cap: str) -> None:
        assert "errorlist" in text_of(boss.post(self.ADDRESS, {"cap": cap, "reason": "?"}))
        assert organisation.cap_micros() is None

    def test_without_a_reason_is_refused(self, boss: Client) -> None:
        assert "errorlist" in text_of(boss.post(self.ADDRESS, {"cap": "5", "reason": ""}))
        assert organisation.cap_micros() is None

    def test_is_seen_with_one_permission_and_set_with_another(self, staff_with: Somebody) -> None:
        looking = staff_with("view_organisation")
        assert '<form method="post" novalidate' not in text_of(looking.get(self.ADDRESS))
        assert looking.post(self.ADDRESS, {"cap": "5", "reason": "?"}).status_code == 403
        assert staff_with().get(self.ADDRESS).status_code == 403
        assert staff_with("change_organisation").post(self.ADDRESS, {"cap": "5", "reason": "?"}).status_code == 302


class TestAudit:
    @pytest.mark.usefixtures("charged")
    def test_runs_at_a_click_and_says_who_asked(self, boss: Client, superuser: User) -> None:
        assert "Run the audit now" in text_of(boss.get(reverse("admin:ledger_auditrun_changelist")))
        answer = boss.post(reverse("admin:ledger_auditrun_run"), follow=True)
        assert "The books balance" in text_of(answer)
        assert LogEntry.objects.get().user == superuser

    @pytest.mark.usefixtures("charged")
    def test_that_finds_drifts_shows_them(self, boss: Client) -> None:
        Budget.objects.update(spent_micros=1)
        page = text_of(boss.post(reverse("admin:ledger_auditrun_run"), follow=True))
        assert "the counters are the sums of the entries" in page

    def test_is_not_for_everybody(self, staff_with: Somebody) -> None:
        looking = staff_with("view_auditrun")
        assert "Run the audit now" not in text_of(looking.get(reverse("admin:ledger_auditrun_changelist")))
        assert looking.post(reverse("admin:ledger_auditrun_run")).status_code == 403
        assert looking.get(reverse("admin:ledger_auditrun_run")).status_code == 405


ACTS = (
    "ledger_quota_import",
    "ledger_quota_confirm",
    "ledger_auditrun_run",
    "ledger_organisation_changelist",
)


@pytest.mark.parametrize("name", ACTS)
def test_strangers_and_musicians_come_to_no_page_of_money(client: Client, ada: User, name: str) -> None:
    address = reverse(f"admin:{name}")
    for _ in ("a stranger", "a musician"):
        answers = [client.get(address), client.post(address)]
        assert all(answer.status_code in {302, 403, 405} for answer in answers)
        assert all("/login" in answer.headers["Location"] for answer in answers if answer.status_code == 302)
        client.force_login(ada)


@pytest.mark.parametrize("name", ACTS)
def test_no_act_is_done_for_another_site(superuser: User, name: str) -> None:
    client = browser_of(superuser, checks_csrf=True)
    assert client.post(reverse(f"admin:{name}"), {"reason": "?", "cap": "1"}).status_code == 403
