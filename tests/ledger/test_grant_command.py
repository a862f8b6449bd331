"""`manage.py grant`, with which an admin raises a month's budget."""

from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ledger import operations, queries
from ledger.errors import InsufficientBudget
from ledger.models import Entry, EntryKind
from studio.models import User
from tests.ledger.conftest import QUOTA_MICROS

pytestmark = pytest.mark.django_db


def test_a_grant_lets_a_person_go_on(make_person: Callable[[str], User]) -> None:
    ada = make_person("ada")
    operations.hold(person=ada, amount_micros=QUOTA_MICROS, reference="all of it")
    with pytest.raises(InsufficientBudget):
        operations.hold(person=ada, amount_micros=75_000, reference="one more")
    said = StringIO()
    call_command("grant", "Ada@example.com", "0.10", "a deadline", stdout=said)
    assert said.getvalue().startswith("$0.10 of ")
    operations.hold(person=ada, amount_micros=75_000, reference="one more")
    assert Entry.objects.filter(kind=EntryKind.GRANT).latest("pk").reason == "a deadline"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nobody@example.com", "1", "because"),
        ("ada@example.com", "0", "because"),
        ("ada@example.com", "-1", "because"),
        ("ada@example.com", "NaN", "because"),
        ("ada@example.com", "1", " "),
    ],
)
def test_a_bad_grant_books_nothing(make_person: Callable[[str], User], arguments: tuple[str, ...]) -> None:
    ada = make_person("ada")
    with pytest.raises(CommandError):
        call_command("grant", *arguments)
    assert queries.balance(ada).granted_micros == QUOTA_MICROS
    assert not Entry.objects.exists()
