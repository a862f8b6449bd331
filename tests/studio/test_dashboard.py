"""The admin's first page: a month's money, what failed, what hangs, and an alarm while the books are in doubt."""

import csv
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ledger import months, operations, organisation
from ledger.models import AuditRun, Budget, Entry
from ledger.queries import DaySpending
from studio import dashboard
from studio.models import LineKind, Reconciliation, User
from studio.states import GenerationState as State
from tests.admins import Somebody, boss, plain_static_files, staff_with, superuser, text_of
from tests.studio import people

__all__ = ["boss", "plain_static_files", "staff_with", "superuser"]
INDEX = "/admin/"
NOW = timezone.now()
THIS_MONTH = months.month_of()


def spend(person: User, micros: int, reference: str, label: str = "text-to-music", now: Any = None) -> Entry:
    operations.hold(person=person, amount_micros=micros, reference=reference, label=label, now=now)
    return operations.charge(reference=reference, amount_micros=micros)


def aged_hold(person: User, reference: str, hours: float) -> Entry:
    """A hold that was taken so long ago; the guard that forbids it is off meanwhile."""
    hold = operations.hold(person=person, amount_micros=75_000, reference=reference)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE ledger_entry DISABLE TRIGGER entry_append_only")
        cursor.execute(
            "UPDATE ledger_entry SET created_at = created_at - make_interval(secs => %s) WHERE id = %s",
            [3600 * hours, hold.pk],
        )
        cursor.execute("ALTER TABLE ledger_entry ENABLE TRIGGER entry_append_only")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return hold


class TestTheMonth:
    def test_is_added_up_over_people_and_house(self, ada: User, bo: User) -> None:
        spend(ada, 300_000, "a")
        spend(bo, 100_000, "b", "inpaint")
        operations.hold(person=bo, amount_micros=75_000, reference="c")
        operations.charge_house(reference="late", amount_micros=75_000, reason="A late success", label="text-to-music")
        found = dashboard.read(THIS_MONTH)
        assert (found.totals.people, found.totals.house, found.totals.held) == (400_000, 75_000, 75_000)
        assert (found.totals.used, found.totals.cap, found.totals.cap_percent) == (550_000, None, None)
        assert [(share.name, share.micros, share.percent) for share in found.people] == [
            ("ada@example.com", 300_000, 75),
            ("bo@example.com", 100_000, 25),
        ]
        assert [(share.name, share.micros, share.percent) for share in found.endpoints] == [
            ("New song", 375_000, 78),
            ("Retouch", 100_000, 21),
        ]
        assert [entry.reason for entry in found.house_entries] == ["A late success"]

    def test_has_what_each_day_was_spent_on(self, ada: User, bo: User) -> None:
        for person in (ada, bo):
            spend(person, 300_000, f"{person}")
        today = timezone.now().date()
        assert dashboard.read(THIS_MONTH).spending == [DaySpending(today, "text-to-music", 600_000)]

    def test_before_is_whole_and_its_own(self, ada: User) -> None:
        before = months.start_of(THIS_MONTH) - timedelta(days=1)
        spend(ada, 300_000, "old", now=before)
        # What is charged after a month's end counts for its last day.
        spending = dashboard.read(months.month_of(before)).spending
        assert spending == [DaySpending(before.date(), "text-to-music", 300_000)]
        assert dashboard.read(THIS_MONTH).totals.used == 0

    def test_is_measured_against_the_cap_that_was_counted_then(self, ada: User) -> None:
        organisation.set_cap(1_000_000)
        spend(ada, 250_000, "a")
        assert dashboard.read(THIS_MONTH).totals.cap_percent == 25
        before = months.start_of(THIS_MONTH) - timedelta(days=1)
        assert dashboard.read(months.month_of(before)).totals.cap is None
        organisation.set_cap(None)
        assert dashboard.read(THIS_MONTH).totals.cap is None

    def test_names_what_was_for_no_endpoint_apart(self, ada: User) -> None:
        spend(ada, 300_000, "a")
        operations.adjust(person=ada, spent_micros=-100_000, reference="x", reason="Silence", author=None)
        names = {share.name: share.micros for share in dashboard.read(THIS_MONTH).endpoints}
        assert names == {"New song": 300_000, "Without an endpoint": -100_000}

    @pytest.mark.usefixtures("db")
    def test_of_nobody_is_all_noughts(self) -> None:
        found = dashboard.read(THIS_MONTH)
        assert (found.totals.used, found.people, found.endpoints, found.failures, found.old_holds) == (
            0,
            [],
            [],
            [],
            [],
        )


class TestNow:
    def test_failures_are_counted_by_reason_with_their_share(self, ada: User) -> None:
        for state, fields in (
            (State.READY, {}),
            (State.FAILED, {"reason_code": "content_policy", "reason_whose": "you"}),
            (State.FAILED, {"reason_code": "content_policy", "reason_whose": "you"}),
            (State.FAILED, {"reason_code": "fal_down", "reason_whose": "fal"}),
            (State.FAILED, {"reason_code": "old", "finished_at": NOW - timedelta(days=8)}),
        ):
            people.put(people.asked_for(ada), state, **fields)
        found = dashboard.read(THIS_MONTH)
        assert found.ended == 4
        assert [(one.reason_code, one.whose, one.count, one.percent) for one in found.failures] == [
            ("content_policy", "you", 2, 50),
            ("fal_down", "fal", 1, 25),
        ]

    def test_holds_of_more_than_an_hour_are_listed_oldest_first(self, ada: User, bo: User) -> None:
        generation = people.asked_for(ada)
        aged_hold(bo, "strange", 3)
        aged_hold(ada, "ended", 3)
        operations.release(reference="ended")
        operations.hold(person=ada, amount_micros=75_000, reference="fresh")
        aged_hold(ada, "generation:11111111-1111-4111-8111-111111111111", 2)
        found = dashboard.read(THIS_MONTH)
        assert [hold.entry.reference[:10] for hold in found.old_holds] == ["strange", "generation"]
        assert [hold.generation_id for hold in found.old_holds] == [None, UUID("11111111-1111-4111-8111-111111111111")]
        assert (found.old_holds_count, found.old_holds_micros) == (2, 150_000)
        assert found.old_holds[0].age > timedelta(hours=2, minutes=59)
        assert generation.hold_reference not in [hold.entry.reference for hold in found.old_holds]

    def test_everything_costs_as_many_queries_for_many(self, superuser: User) -> None:
        def cost() -> int:
            with CaptureQueriesContext(connection) as queries:
                dashboard.read(THIS_MONTH)
            return len(queries)

        one = people.person("one")
        spend(one, 75_000, "one")
        aged_hold(one, "old one", 2)
        operations.charge_house(reference="late", amount_micros=75_000, reason="late", author=superuser)
        before = cost()
        for number in range(10):
            person = people.person(f"p{number}")
            spend(person, 75_000, f"{number}", f"label {number}")
            aged_hold(person, f"old {number}", 2)
            operations.charge_house(reference=f"late {number}", amount_micros=75_000, reason="late", author=superuser)
        assert cost() == before
        assert before <= 16


class TestAlarm:
    @pytest.mark.parametrize(
        ("run", "said"),
        [
            ({"finished_at": NOW}, None),
            ({"finished_at": NOW, "drifts": [{"rule": "r", "budget": 1, "books": "1", "entries": "2"}]}, "1 drift"),
            ({"started_at": NOW - timedelta(minutes=10)}, None),
            ({"started_at": NOW - timedelta(hours=2)}, "did not end"),
            ({"started_at": NOW - timedelta(days=3), "finished_at": NOW - timedelta(days=3)}, "older than two days"),
        ],
    )
    def test_is_raised_by_the_last_audit(self, boss: Client, run: dict[str, Any], said: str | None) -> None:
        AuditRun.objects.create(finished_at=NOW, drifts=["an older one"])
        AuditRun.objects.create(**run)
        for address in (INDEX, "/admin/ledger/quota/", "/admin/ledger/organisation/"):
            page = text_of(boss.get(address))
            assert ('role="alert"' in page) == (said is not None)
            assert said is None or said in page

    def test_is_raised_where_no_audit_ever_ran(self, ada: User) -> None:
        assert dashboard.alarm() is None
        spend(ada, 75_000, "a")
        assert dashboard.alarm() is None, "the studio is new"
        Budget.objects.update(created_at=NOW - timedelta(days=3))
        found = dashboard.alarm()
        assert found
        assert "never audited" in found.message

    def test_is_not_told_to_strangers(self, client: Client, staff_with: Somebody) -> None:
        AuditRun.objects.create(started_at=NOW - timedelta(days=3))
        assert "did not end" not in client.get("/admin/login/", follow=True).content.decode()
        assert "did not end" not in text_of(staff_with().get(INDEX))
        assert "did not end" in text_of(staff_with("view_budget").get(INDEX))


class TestThePage:
    def test_shows_all_of_it_without_styles_or_scripts_of_its_own(self, boss: Client, ada: User) -> None:
        spend(ada, 300_000, "a")
        operations.charge_house(reference="late", amount_micros=75_000, reason="<b>late</b>")
        aged_hold(ada, "strange", 3)
        people.put(people.asked_for(ada), State.FAILED, reason_code="fal_down", reason_whose="fal")
        run = Reconciliation.objects.create(since=NOW - timedelta(days=1), until=NOW, finished_at=NOW)
        run.lines.create(kind=LineKind.ONLY_FALS, request_id="r", endpoint="e", ours_micros=0, fals_micros=75_000)
        page = text_of(boss.get(INDEX))
        for shown in (
            months.month_name(THIS_MONTH), "no cap", "$0.30", "$0.075", "ada@example.com", "New song", "fal_down",
            "strange", "1 difference", "&lt;b&gt;late", "<svg", "The same in figures", "CSV by person",
        ):  # fmt: skip
            assert shown in page, shown
        assert " style=" not in page

    def test_shows_another_month(self, boss: Client, ada: User) -> None:
        before = months.start_of(THIS_MONTH) - timedelta(days=1)
        spend(ada, 310_000, "old", now=before)
        name = months.month_name(months.month_of(before))
        assert "$0.31" not in text_of(boss.get(INDEX)).split("<svg")[0]
        page = text_of(boss.get(INDEX, {"month": name}))
        assert "$0.31" in page
        assert f"<option selected>{name}</option>" in page
        for never in ("never", "2999-01", "9999-12"):
            assert boss.get(INDEX, {"month": never}).status_code == 404
            assert boss.get("/admin/month.csv", {"month": never}).status_code == 404

    def test_is_for_those_who_may_see_money(self, staff_with: Somebody, client: Client, ada: User) -> None:
        assert "Used by all" in text_of(staff_with("view_budget").get(INDEX))
        assert "Used by all" not in text_of(staff_with("view_track").get(INDEX))
        client.force_login(ada)
        assert client.get(INDEX).status_code == 302
        assert client.get("/admin/month.csv").status_code == 302
        assert staff_with("view_track").get("/admin/month.csv").status_code == 403

    def test_says_who_spent_what_in_a_file(self, boss: Client, ada: User, bo: User) -> None:
        spend(bo, 300_000, "b")
        spend(ada, 75_000, "a")
        operations.charge_house(reference="late", amount_micros=75_000, reason="late")
        User.objects.filter(pk=bo.pk).update(email="=cmd@example.com")
        answer: Any = boss.get("/admin/month.csv")
        rows = list(csv.reader(b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()))
        month = months.month_name(THIS_MONTH)
        assert rows == [
            ["month", "email", "granted", "held", "spent", "available"],
            [month, "'=cmd@example.com", "7.5000", "0.0000", "0.3000", "7.2000"],
            [month, "ada@example.com", "7.5000", "0.0000", "0.0750", "7.4250"],
            [month, "the house", "0.0000", "0.0000", "0.0750", ""],
        ]
        assert f"neo-apex-{month}.csv" in answer.headers["Content-Disposition"]
