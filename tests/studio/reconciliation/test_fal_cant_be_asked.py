"""Where fal's bill can't be had or understood: code 2, nothing on standard output, and what to do about it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection

from studio import reconciliation
from studio.fal import billing
from studio.fal.client import from_settings
from studio.fal.transport import Timeouts
from studio.models import Reconciliation, ReconciliationLine, User
from tests.simulator.server import RunningSimulator, running_simulator
from tests.studio.reconciliation.bills import Answer, Bill, client_of, last_run, reconciled, song

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.django_db


def assert_could_not_tell(answer: Answer, *words: str) -> None:
    """No run that broke off looks like one that ended well."""
    assert (answer.code, answer.text) == (2, "")
    for word in words:
        assert word in answer.error
    found = last_run()
    assert (found.finished_at, found.error) == (None, answer.error)
    assert not reconciliation.is_equal(found)


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_key_that_may_not_see_the_bill_is_told_which_key_may(bill: Bill, status: int) -> None:
    bill.sim.set_mood(call="platform", answer_status=status)
    assert_could_not_tell(reconciled(), "ADMIN", "FAL_ADMIN_KEY", str(status))


def test_the_admin_key_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with running_simulator(admin_key="admin:of-the-account") as sim:
        for admin_key, code in (("", 2), ("admin:of-the-account", 0)):
            client = client_of(sim, admin_key=admin_key)
            monkeypatch.setattr(reconciliation, "from_settings", lambda client=client: client)
            assert reconciled().code == code


@pytest.mark.parametrize("status", [400, 404, 410, 500, 502, 503, 504])
def test_a_fal_that_fails_is_asked_another_time(bill: Bill, status: int) -> None:
    bill.sim.set_mood(call="platform", answer_status=status)
    assert_could_not_tell(reconciled(), "out of reach", "Try again later", str(status))


def test_a_failure_on_a_later_page_is_one_of_the_whole(bill: Bill, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(billing, "EVENTS_A_PAGE", 1)
    for number in range(3):
        bill.add(f"r{number}")
    read, asked = client_of(bill.sim).read_api, []

    def third_fails(path: str, parameters: Any) -> dict[str, Any]:
        asked.append(path)
        if len(asked) == 3:
            bill.sim.set_mood(call="platform", answer_status=500)
        return read(path, parameters)

    monkeypatch.setattr(reconciliation, "_read", lambda: third_fails)
    assert_could_not_tell(reconciled(), "500")
    assert not ReconciliationLine.objects.exists()


@pytest.mark.parametrize("mood", [{"delay_seconds": 5}, {"drop": "before"}, {"drop": "after"}], ids=str)
def test_a_fal_that_does_not_answer_is_out_of_reach(
    bill: Bill, monkeypatch: pytest.MonkeyPatch, mood: dict[str, Any]
) -> None:
    client = client_of(bill.sim, timeouts=Timeouts(read=0.3))
    monkeypatch.setattr(reconciliation, "from_settings", lambda: client)
    bill.sim.set_mood(call="platform", **mood)
    assert_could_not_tell(reconciled(), "out of reach", "Try again later")


def test_a_fal_that_is_asked_too_often_is_waited_for(bill: Bill, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    patient = billing.patient
    monkeypatch.setattr(billing, "patient", lambda read: patient(read, waits.append))
    bill.sim.set_mood(call="platform", answer_status=429, retry_after=7, next=3)
    assert reconciled().code == 0
    assert [7 <= wait <= 8 for wait in waits] == [True] * 3
    bill.sim.set_mood(call="platform", answer_status=429, retry_after=7, next=5)
    assert_could_not_tell(reconciled(), "429")
    assert len(waits) == 7


@pytest.mark.parametrize("key", ["", "a key with spaces"])
def test_a_key_that_is_none_is_named(settings: Any, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    settings.FAL_KEY = key
    # The configured client, and not one that another test has left.
    monkeypatch.setattr(reconciliation, "from_settings", from_settings.__wrapped__)
    answer = reconciled()
    assert_could_not_tell(answer, "FAL_KEY")
    assert "spaces or" in answer.error


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"cost_estimate_nano_usd": "much"}, "cost_estimate_nano_usd"),
        ({"cost_estimate_nano_usd": True}, "cost_estimate_nano_usd"),
        ({"cost_estimate_nano_usd": 10**18}, "cost_estimate_nano_usd"),
        ({"cost_estimate_nano_usd": [75]}, "cost_estimate_nano_usd"),
        ({"cost_estimate_nano_usd": None, "cost_total": None}, "cost_total"),
        ({"cost_estimate_nano_usd": None, "cost_total": "1e2"}, "cost_total"),
        ({"cost_estimate_nano_usd": None, "cost_total": 10**7}, "cost_total"),
    ],
    ids=str,
)
def test_a_cost_that_cant_be_read_is_no_nought_and_its_line_is_named(
    bill: Bill, ada: User, fields: dict[str, Any], name: str
) -> None:
    generation = song(ada)
    bill.add(generation.request_id, fields=fields)
    assert_could_not_tell(reconciled(), str(generation.request_id), "sonauto/v2/text-to-music", name)


@pytest.mark.parametrize("request_id", ["", None, 5, "two\nlines", "a\0b"])
def test_a_line_of_ours_without_a_request_is_named_by_the_rest(bill: Bill, request_id: Any) -> None:
    bill.add("odd", fields={"request_id": request_id})
    assert_could_not_tell(reconciled(), "(none)", "sonauto/v2/text-to-music", "request_id")


@pytest.mark.parametrize("arguments", [["--since", "2026-10-01", "--until", "2026-10-01"], ["--since", "2099-01-01"]])
def test_a_span_that_ends_before_it_begins_is_refused(arguments: list[str]) -> None:
    answer = reconciled(*arguments)
    assert (answer.code, answer.text) == (2, "")
    assert "before" in answer.error
    assert not Reconciliation.objects.exists()


def test_a_run_that_dies_on_its_way_stays_without_an_end(
    bill: Bill, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    song(ada)
    monkeypatch.setattr(reconciliation, "_looked_up_again", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        reconciliation.run()
    found = last_run()
    assert found.finished_at is None
    assert not reconciliation.is_equal(found)
    monkeypatch.undo()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("argument", "code"), [("--json", 0), ("--since=yesterday", 2)])
def test_the_process_ends_with_the_code(own_simulator: RunningSimulator, argument: str, code: int) -> None:
    done = manage(own_simulator, argument)
    assert done.returncode == code
    assert bool(done.stdout) is (code == 0)
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_process_ends_with_1_on_a_difference_and_with_2_without_fal(bill: Bill) -> None:
    bill.add("unheard-of")
    assert manage(bill.sim).returncode == 1
    refused = manage(bill.sim, FAL_KEY="not:the-right-one", FAL_ADMIN_KEY="nor:this-secret-one")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "FAL_ADMIN_KEY" in refused.stderr
    assert "secret" not in refused.stderr


def manage(sim: RunningSimulator, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    urls = dict.fromkeys(("NEOAPEX_FAL_QUEUE_URL", "NEOAPEX_FAL_REST_URL", "NEOAPEX_FAL_CDN_URL"), sim.url)
    given = {**urls, "NEOAPEX_FAL_API_URL": f"{sim.url}/v1", "FAL_KEY": sim.key, "DATABASE_URL": database}
    return subprocess.run(
        [sys.executable, "manage.py", "reconcile_fal", *arguments],
        cwd=ROOT, env={**os.environ, **given, **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
