"""The reference of settings says what the settings read: each variable, and each default."""

import io
import json
import os
import re
import subprocess
import sys

from django.core.management import call_command

from tests.docs.blocks import DOCS, ROOT, blocks_of
from tests.neoapex.test_start import PRODUCTION, value_of

# What the settings fall back on, where nothing of the environment says otherwise.
RECORD = """
import json, sys
from neoapex import environment
seen, text = {}, environment.text
def recorded(name, default=None, **more):
    seen.setdefault(name, default)
    return text(name, default, **more)
environment.text = recorded
from neoapex import settings
json.dump(seen, sys.stdout)
"""
# Made of other settings, or of where the code lies.
DERIVED = {"NEOAPEX_HOME", "NEOAPEX_MAIL_FROM", "AWS_S3_PUBLIC_ENDPOINT_URL"}
# The example shows what they look like; there is no default.
SHOWN = {"AWS_S3_ENDPOINT_URL"}


def test_the_page_is_the_one_that_the_command_draws() -> None:
    out = io.StringIO()
    call_command("list_settings", stdout=out)
    assert (DOCS / "reference" / "settings.md").read_text() == out.getvalue()


def test_the_defaults_of_the_example_are_those_of_the_settings() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RECORD], cwd=ROOT, env={"PATH": os.environ["PATH"], **PRODUCTION},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    falls_back_on = {name: default or "" for name, default in json.loads(done.stdout).items()}
    example = (ROOT / ".env.example").read_text()
    written = dict(re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.*)$", example, re.MULTILINE))
    compared = written.keys() & falls_back_on.keys() - DERIVED - SHOWN
    assert {name: written[name] for name in compared} == {name: falls_back_on[name] for name in compared}
    assert len(compared) > 40


def test_every_variable_stands_in_the_page_with_a_meaning() -> None:
    page = (DOCS / "reference" / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| .+? \| (.*) \|$", page, re.MULTILINE))
    example = (ROOT / ".env.example").read_text()
    assert rows.keys() == set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE))
    assert [name for name, meaning in rows.items() if len(meaning) < 10] == []


def test_the_settings_of_a_class_are_ones_that_the_studio_takes() -> None:
    [block] = [
        one for one in blocks_of(DOCS / "how-to" / "class-of-thirty.md", "sh") if one.name.endswith("class-settings")
    ]
    given = dict(word.split("=", 1) for word in block.text.split())
    told = "[settings.NEOAPEX_USER_SLOTS, settings.NEOAPEX_USER_WAITING, str(settings.NEOAPEX_USER_RATE)]"
    assert value_of(told, {**PRODUCTION, **given}) == "[1, 3, '10 per 1 minute']"
