"""The page on security claims nothing that no test proves."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.neoapex.test_start import PRODUCTION

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
COOKIES = """
from neoapex import settings as s
print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.CSRF_COOKIE_HTTPONLY)
"""


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 35
    for file, name in named:
        assert re.search(rf"^ *def {name}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{name}"


def test_every_item_has_a_test_or_a_reason() -> None:
    table = PAGE.partition("level 2\n")[2].partition("Not applicable")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 40
    for _item, _how, proof in rows:
        assert NAMED.search(proof) or proof.strip().startswith("reason: "), proof


def test_cookies_in_production_are_for_this_host_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COOKIES], cwd=ROOT, env={"PATH": os.environ["PATH"], **PRODUCTION},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["__Host-neoapex_session", "__Host-neoapex_csrf", "True", "True", "True"]
