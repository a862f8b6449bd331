"""Songs with request ids, fal's bill beside them, and what the command makes of both."""

import io
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management import CommandError, call_command
from django.utils import timezone

from studio.fal.client import FalClient
from studio.fal.transport import FalUrls, Timeouts
from studio.models import Generation, Reconciliation, User
from tests import factories
from tests.simulator.server import RunningSimulator

SONG = 75_000
INPAINT = "sonauto/v2/inpaint"


def client_of(sim: RunningSimulator, *, timeouts: Timeouts | None = None, key: str = "", **more: str) -> FalClient:
    urls = FalUrls(sim.url, sim.url, f"{sim.url}/v1", sim.url)
    return FalClient(key or sim.key, urls, allow_http=True, timeouts=timeouts, **more)


@dataclass(frozen=True)
class Bill:
    """fal's, as the simulator tells it."""

    sim: RunningSimulator

    def add(self, request_id: str | None, cost_micros: int = SONG, *, at: datetime | None = None, **more: Any) -> None:
        line = {"request_id": request_id, "cost_micros": cost_micros, "billed_at": (at or timezone.now()).timestamp()}
        self.sim.call("POST", "/_sim/bill", json=line | more).raise_for_status()

    def remove(self, request_id: str | None) -> None:
        self.sim.call("DELETE", f"/_sim/bill?request_id={request_id}").raise_for_status()

    def list_prices(self, prices: dict[str, Any]) -> None:
        self.sim.call("PUT", "/_sim/prices", json=prices).raise_for_status()

    def request_ids(self) -> set[str]:
        return {line["request_id"] for line in self.sim.bill()["requests"]}


def song(person: User, state: str = "READY", *, sent: datetime | None = None, **fields: Any) -> Generation:
    """A generation in a state, with its money and a request id; fal has billed nothing for it yet."""
    if sent:
        fields["submit_started_at"] = sent
    return factories.make_generation(person=person, state=state, request_id=str(uuid.uuid4()), **fields)


def billed_song(bill: Bill, person: User, **fields: Any) -> Generation:
    """One that both sides have, at the same price."""
    generation = song(person, **fields)
    bill.add(generation.request_id, generation.cost_micros)
    return generation


@dataclass(frozen=True)
class Answer:
    code: int
    text: str
    error: str = ""
    json: dict[str, Any] = field(default_factory=dict)

    @property
    def lines(self) -> list[tuple[str, str | None, str, str]]:
        return [(line["kind"], line["request_id"], line["ours"], line["fals"]) for line in self.json["lines"]]

    @property
    def kinds(self) -> list[str]:
        return [line["kind"] for line in self.json["lines"]]


def reconciled(*arguments: str) -> Answer:
    """What `manage.py reconcile_fal --json` says, and the code it ends with."""
    code, text, error = _called("--json", *arguments)
    return Answer(code, text, error, json.loads(text) if text else {})


def as_table(*arguments: str) -> Answer:
    return Answer(*_called(*arguments))


def _called(*arguments: str) -> tuple[int, str, str]:
    output = io.StringIO()
    try:
        call_command("reconcile_fal", *arguments, stdout=output)
    except SystemExit as end:
        return int(str(end.code)), output.getvalue(), ""
    except CommandError as error:
        return error.returncode, output.getvalue(), str(error)
    return 0, output.getvalue(), ""


def last_run() -> Reconciliation:
    return Reconciliation.objects.latest()


def days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def on(day: datetime) -> str:
    return day.astimezone(UTC).isoformat()


def assert_says(answer: Answer, code: int, *lines: tuple[str, str | None, str, str]) -> None:
    assert sorted(answer.lines, key=str) == sorted(lines, key=str)
    assert answer.code == code
    assert answer.json["equal"] is (code == 0)
