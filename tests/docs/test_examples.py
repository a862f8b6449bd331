"""What pages show beside commands: files, prices, variables. It is taken, and it is true."""

import re

import pytest

from ledger import quota_import
from ledger.dollars import display_dollars
from ledger.models import EntryKind
from neoapex.doctor import callbacks
from neoapex.doctor.examination import CHECKS, DEADLINE_SECONDS
from studio import pricing
from studio.endpoints import ENDPOINTS
from studio.models import User
from tests.deploy.test_compose import KNOWN
from tests.docs.blocks import DOCS, blocks_of, pages
from webhooks import signatures


@pytest.mark.django_db
def test_the_file_of_quotas_of_a_class_is_taken_as_it_stands() -> None:
    [block] = blocks_of(DOCS / "how-to" / "class-of-thirty.md", "csv")
    for email in re.findall(r"\S+@\S+?(?=,)", block.text):
        User.objects.create_user(email)
    found = quota_import.read(block.text.encode())
    assert found.faults == []
    assert len(found.wishes) == 2


def test_the_variables_of_the_rehearsal_are_ones_that_somebody_reads() -> None:
    text = (DOCS / "how-to" / "compose.md").read_text()
    rehearsal = text.partition("## A rehearsal")[2]
    names = set(re.findall(r"^([A-Z_]+)=", rehearsal, re.MULTILINE))
    assert len(names) == 8
    assert names - KNOWN == {"SIMULATOR_URL"}


def test_prices_are_those_that_are_charged() -> None:
    told = {display_dollars(pricing.price_micros(key, songs)) for key in ENDPOINTS for songs in (1, 2)}
    assert told == {"$0.075", "$0.1125"}
    for page in ("reference/money.md", "how-to/real-fal-key.md"):
        assert set(re.findall(r"\$0\.\d+", (DOCS / page).read_text())) == told, page


def test_the_entries_of_the_reference_are_those_of_the_ledger() -> None:
    text = (DOCS / "reference" / "money.md").read_text().partition("## What holds")[0]
    assert set(re.findall(r"^\| ([A-Z]+) \|", text, re.MULTILINE)) == set(EntryKind.values)


def test_every_check_of_the_doctor_is_explained_in_its_order() -> None:
    text = (DOCS / "reference" / "doctor.md").read_text()
    assert re.findall(r"^\| `([a-z ]+)` \|", text, re.MULTILINE) == list(CHECKS)
    assert f"| {signatures.TOLERANCE_SECONDS // 2} s off" in text
    assert f"from {callbacks.NOTICED_SECONDS} s" in text
    assert DEADLINE_SECONDS == 30


def test_every_variable_that_a_page_names_exists() -> None:
    others = {"SIMULATOR_URL", "SIMULATOR_KEY", "STUDIO", "RESTORED_URL", "AWS_REGION"}
    for page in pages():
        named = set(re.findall(r"\b((?:NEOAPEX|AWS|FAL)_[A-Z0-9_]+)\b", page.read_text()))
        assert {name.removesuffix("_FILE") for name in named} - KNOWN - others == set(), page.name
