"""Quotas from a CSV file: with a broken line nothing of the file is applied, and each bad line is named."""

from io import BytesIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ledger import quota_import
from ledger.models import Budget, Quota
from ledger.quota_import import Fault
from ledger.quota_plans import Wish
from ledger.quotas import KEEP
from studio.models import User
from tests.admins import boss, plain_static_files, staff_with, superuser, text_of
from tests.ledger.test_quota_bulk import CONFIRM, SAID, hidden

__all__ = ["boss", "plain_static_files", "staff_with", "superuser"]
IMPORT = "/admin/ledger/quota/import/"
HEADER = "email,monthly_budget,frozen,rolls_over\n"


def faults_of(text: str | bytes) -> list[Fault]:
    found = quota_import.read(text.encode() if isinstance(text, str) else text)
    return found.faults


def only_fault_of(text: str | bytes) -> Fault:
    [fault] = faults_of(text)
    return fault


def sent(boss: Client, text: str | bytes) -> Any:
    file = BytesIO(text.encode() if isinstance(text, str) else text)
    file.name = "quotas.csv"
    return boss.post(IMPORT, {"file": file})


class TestWhatIsUnderstood:
    @pytest.mark.parametrize(
        "text",
        [
            "email,monthly_budget\nada@example.com,25.00\n",
            "email;monthly_budget\nada@example.com;25.00\n",
            "monthly_budget,email\n25.00,ada@example.com",
            "\ufeffemail,monthly_budget\r\nada@example.com,25.00\r\n",
            ' Email , "Monthly_Budget"\n\n"ADA@example.com", 25 \n\n',
            "email,monthly_budget\rada@example.com,25.000000\r",
        ],
        ids=repr,
    )
    def test_is_a_file_of_either_kind(self, ada: User, text: str) -> None:
        found = quota_import.read(text.encode())
        assert found.faults == []
        assert found.wishes == [Wish(ada.pk, 25_000_000)]

    def test_is_what_each_cell_may_say(self, ada: User, bo: User) -> None:
        found = quota_import.read(f"{HEADER}ada@example.com,default,Yes,no\nbo@example.com,0,,\n".encode())
        assert found.faults == []
        assert found.wishes == [
            Wish(ada.pk, None, frozen=True, rolls_over=False),
            Wish(bo.pk, 0, frozen=KEEP, rolls_over=KEEP),
        ]


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        "amount", ["-1", "NaN", "1e3", "0.1234567", "1000000000000000000", "ten", "", "25,00", "$5", "Infinity", "٣"]
    )
    def test_is_an_amount_that_is_none(self, ada: User, amount: str) -> None:
        fault = only_fault_of(f'email,monthly_budget\n{ada.email},"{amount}"\n')
        assert fault.line == 2
        assert "default" in fault.hint

    def test_is_somebody_unknown(self, ada: User) -> None:
        faults = faults_of(f"email,monthly_budget\nnobody@example.com,5\n{ada.email},5\n,5\n")
        assert [(fault.line, fault.message) for fault in faults] == [
            (2, "Nobody here has the address nobody@example.com."),
            (4, "The email address is missing."),
        ]

    def test_is_the_same_person_twice(self, ada: User) -> None:
        fault = only_fault_of(f"email,monthly_budget\n{ada.email},5\n\n{ada.email.upper()},6\n")
        assert (fault.line, fault.message) == (4, "ADA@EXAMPLE.COM is in line 2 already.")

    def test_is_an_address_of_two_people(self, ada: User) -> None:
        User.objects.create(email="ADA@example.com")
        assert "More than one" in only_fault_of(f"email,monthly_budget\n{ada.email},5\n").message

    def test_is_a_switch_that_says_something_else(self, ada: User) -> None:
        fault = only_fault_of(f"{HEADER}{ada.email},5,perhaps,\n")
        assert (fault.line, fault.message) == (2, "“perhaps” in frozen is neither yes nor no.")

    def test_is_a_line_of_another_length(self, ada: User) -> None:
        faults = faults_of(f"email,monthly_budget\n{ada.email}\n{ada.email},5\n{ada.email},5,6\n")
        assert [(fault.line, fault.message[:20]) for fault in faults] == [
            (2, "This line has 1 cell"),
            (4, "This line has 3 cell"),
        ]

    def test_is_named_by_the_line_it_begins_in(self, ada: User) -> None:
        assert only_fault_of(f'email,monthly_budget\n"nobody\n@x",5\n{ada.email},5\n').line == 2
        faults = faults_of(f'email,monthly_budget\n"{ada.email}",\n"x\ny",z,z\n{ada.email},1\nnobody,1\n')
        assert [fault.line for fault in faults] == [2, 3, 6]

    @pytest.mark.parametrize(
        ("data", "line", "said"),
        [
            (b"", 0, "empty"),
            (b"\xef\xbb\xbf \n\n", 0, "empty"),
            (b",,\n,,\n", 1, "missing"),
            (b"email\nada@example.com\n", 1, "“monthly_budget” is missing"),
            (b"monthly_budget\n5\n", 1, "“email” is missing"),
            (b"email,monthly_budget,colour\n", 1, "no column “colour”"),
            (b"email,monthly_budget,email\n", 1, "there twice"),
            (b"email,monthly_budget\n", 0, "no lines"),
            (b"email,monthly_budget\nada@example.com,5\0\n", 2, "NUL"),
            (b"email,monthly_budget\n\xff\xfe,5\n", 2, "UTF-8"),
            ("email,monthly_budget\nada@example.com,5\n".encode("utf-16"), 1, "UTF-8"),
            (b"PK\x03\x04\x14\x00\x06\x00\x08", 1, "NUL"),
            (b"\x89PNG\r\n\x1a\n", 1, "UTF-8"),
            (b'email,monthly_budget\n"ada@example.com,5\n', 2, "not CSV"),
            (b'email,monthly_budget\n"ada"x,5\n', 2, "not CSV"),
            (b"email,monthly_budget\n" + b"x" * 200_000 + b",5\n", 2, "not CSV"),
            (b"x" * (quota_import.MAX_BYTES + 1), 0, "larger than 1 MB"),
            (b"email,monthly_budget\n" + b"a@b.c,1\n" * 10_001, 0, "more than 10000 lines"),
        ],
        ids=lambda value: repr(value)[:30],
    )
    @pytest.mark.usefixtures("db")
    def test_is_a_file_that_is_no_such_file(self, data: bytes, line: int, said: str) -> None:
        fault = only_fault_of(data)
        assert fault.line == line
        assert said in fault.message
        assert fault.hint

    @pytest.mark.usefixtures("db")
    def test_is_every_line_of_ten_thousand(self) -> None:
        faults = faults_of("email,monthly_budget\n" + "".join(f"n{n}@example.com,1\n" for n in range(10_000)))
        assert [fault.line for fault in faults] == list(range(2, 10_002))


@pytest.mark.usefixtures("db")
def test_reading_costs_a_query_a_thousand_lines() -> None:
    with CaptureQueriesContext(connection) as queries:
        quota_import.read(("email,monthly_budget\n" + "".join(f"n{n}@example.com,1\n" for n in range(2_500))).encode())
    assert len(queries) == 3


class TestThePage:
    def test_shows_who_changes_and_applies_it_when_confirmed(self, boss: Client, ada: User, bo: User) -> None:
        Quota.objects.create(person=ada, monthly_micros=2_000_000)
        assert "What the file looks like" in text_of(boss.get(IMPORT))
        page = text_of(sent(boss, f"{HEADER}ada@example.com,25.00,,yes\nbo@example.com,default,yes,\n"))
        for shown in ("ada@example.com", "$2.00", "$25.00", "Rolls over", "bo@example.com", "Frozen"):
            assert shown in page
        assert Quota.objects.get(person=ada).monthly_micros == 2_000_000
        boss.post(CONFIRM, hidden(page) | SAID)
        hers, his = Quota.objects.get(person=ada), Quota.objects.get(person=bo)
        assert (hers.monthly_micros, hers.rolls_over, hers.frozen) == (25_000_000, True, False)
        assert (his.monthly_micros, his.rolls_over, his.frozen) == (None, False, True)
        assert Budget.objects.get(person=ada).granted_micros == 25_000_000
        assert LogEntry.objects.filter(change_message__contains="The new term").count() == 2

    def test_names_each_bad_line_and_applies_none(self, boss: Client, ada: User) -> None:
        page = text_of(sent(boss, f"{HEADER}ada@example.com,25.00,,\nnobody@example.com,-1,,\n<b>,NaN,,\n"))
        assert "2 lines of the file are wrong" in page
        assert "nobody@example.com" in page
        assert "&lt;b&gt;" in page
        assert "What would change" not in page
        assert not Quota.objects.filter(person=ada, monthly_micros__isnull=False).exists()

    def test_refuses_what_changed_since_the_preview(self, boss: Client, ada: User) -> None:
        page = text_of(sent(boss, f"{HEADER}ada@example.com,25.00,,\n"))
        Quota.objects.filter(person=ada).update(frozen=True)
        assert "have changed since you looked" in text_of(boss.post(CONFIRM, hidden(page) | SAID))
        assert Quota.objects.get(person=ada).monthly_micros is None

    def test_asks_for_a_file(self, boss: Client) -> None:
        assert "errorlist" in text_of(boss.post(IMPORT, {}))
        assert "The file is empty" in text_of(sent(boss, ""))

    def test_says_what_is_too_large(self, boss: Client, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2_000_000
        assert "larger than 1 MB" in text_of(sent(boss, b"x" * (quota_import.MAX_BYTES + 1)))
