"""A simulator whose bill is what a test says, and the client that reads it."""

from collections.abc import Iterator

import pytest

from studio import reconciliation
from tests.simulator.server import RunningSimulator, running_simulator
from tests.studio.reconciliation.bills import Bill, client_of


@pytest.fixture(scope="session")
def own_simulator() -> Iterator[RunningSimulator]:
    with running_simulator() as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def bill(own_simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> Bill:
    """Empty, at the prices of the whitelist."""
    own_simulator.clear_moods()
    empty = Bill(own_simulator)
    for request_id in empty.request_ids():
        empty.remove(request_id)
    empty.list_prices({})
    client = client_of(own_simulator)
    monkeypatch.setattr(reconciliation, "from_settings", lambda: client)
    return empty
