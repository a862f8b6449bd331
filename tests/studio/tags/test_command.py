"""`manage.py tags`: standard output carries the answer, the exit says whether somebody should look."""

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError
from django.test import Client

from studio import dashboard
from studio.models import TagAudit
from studio.tags import audits, taxonomy
from tests.admins import boss, plain_static_files, superuser
from tests.studio.tags.pages import buttons, numbered_text

__all__ = ["boss", "plain_static_files", "superuser"]
NAMES = [tag.name for tag in taxonomy.all_tags()]

pytestmark = pytest.mark.django_db


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[str], str]:
    def save(page: str) -> str:
        path = tmp_path / "page.html"
        path.write_text(page)
        return str(path)

    return save


def tags(*arguments: str) -> tuple[int, str]:
    answer = io.StringIO()
    try:
        call_command("tags", *arguments, stdout=answer, stderr=io.StringIO())
    except SystemExit as end:
        return int(end.code or 0), answer.getvalue()
    except CommandError as error:
        return error.returncode, answer.getvalue()
    return 0, answer.getvalue()


def test_extract_prints_what_the_studio_reads(saved: Callable[[str], str]) -> None:
    status, answer = tags("extract", saved(buttons(NAMES)))
    assert status == 0
    assert [tag.name for tag in taxonomy.load(answer.encode()).tags] == NAMES


def test_audit_of_an_equal_page_is_content(saved: Callable[[str], str]) -> None:
    assert tags("audit", saved(numbered_text(NAMES))) == (
        0,
        f"Added: 0\nGone: 0\nMoved: 0\nDrift: 0.0 % of {len(NAMES)} tags\n",
    )


def test_audit_names_each_change_and_ends_with_1_above_a_tenth(saved: Callable[[str], str]) -> None:
    status, answer = tags("audit", saved(numbered_text([*NAMES[300:], "glitter folk"])))
    assert status == 1
    assert "  + glitter folk\n" in answer
    assert f"  - {NAMES[0]}\n" in answer
    status, answer = tags("audit", "--json", saved(numbered_text(NAMES[100:])))
    assert (status, json.loads(answer)["added"], len(json.loads(answer)["gone"])) == (0, [], 100)


@pytest.mark.parametrize("what", ["extract", "audit"])
def test_a_page_that_is_not_there_or_another_one_ends_with_2(what: str, saved: Callable[[str], str]) -> None:
    assert tags(what, "no such file") == (2, "")
    assert tags(what, saved("<html><p>Not found</p></html>")) == (2, "")
    assert not TagAudit.objects.exists()


def test_an_audit_is_noted_and_one_that_can_not_be_noted_still_answers(
    saved: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tags("audit", saved(numbered_text(NAMES[5:])))
    noted = TagAudit.objects.get()
    assert (noted.known, noted.added, noted.gone, noted.moved) == (len(NAMES), 0, 5, 0)

    def away(_: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr(audits, "record", away)
    assert tags("audit", saved(numbered_text(NAMES)))[0] == 0


class TestTheReminder:
    READ = taxonomy.taxonomy().read_on

    @staticmethod
    def at(day: date) -> datetime:
        return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)

    def test_comes_a_quarter_after_the_facts_were_read(self) -> None:
        assert dashboard.tags_reminder(self.at(self.READ + timedelta(days=92))) == ""
        assert "tags audit" in dashboard.tags_reminder(self.at(self.READ + timedelta(days=93)))

    def test_goes_with_an_audit_and_comes_again(self) -> None:
        later = self.at(self.READ + timedelta(days=200))
        TagAudit.objects.create(at=later, known=1, added=0, gone=0, moved=0)
        assert dashboard.tags_reminder(later + timedelta(days=90)) == ""
        assert dashboard.tags_reminder(later + timedelta(days=95))

    def test_stands_on_the_admins_first_page(self, boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audits, "EVERY", timedelta(days=-1))
        assert b"manage.py tags audit FILE" in boss.get("/admin/").content
