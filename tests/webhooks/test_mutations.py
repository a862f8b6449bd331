"""Changed deliveries through the real door: let in exactly where they should be, never a fault, nothing written else.

`make fuzz` sends many more of them; it prints its seed, and SEED= repeats it.
"""

import json
import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from neoapex.front_door import FrontDoor
from studio.models import Generation
from tests.studio.people import song
from tests.webhooks.conftest import Door
from tests.webhooks.mutations import Attempt, must_be_let_in, mutated
from tests.webhooks.signing import Fal, error_body, ok_body
from webhooks import deliveries, gate, signatures, stale, tallies
from webhooks.models import Delivery, Flag

MANY = 100_000
SETTLED_EACH = 2_000


class Wrote(Exception):
    """A refused callback spoke to the database."""


def no_statement(*_: object) -> Any:
    raise Wrote


def never(request: HttpRequest) -> HttpResponse:
    raise AssertionError(f"{request.path} went past the front door")


class Target:
    """A studio's door with its keys known, and everything that holds for each attempt at it."""

    def __init__(self, fal: Fal, generation: Generation) -> None:
        self._fal = fal
        self._stranger = Fal()
        self._door = FrontDoor(never)
        self._generation = generation
        self.seen: Counter[int] = Counter()
        self.stored = 0
        signatures.key_ring().current()

    def attempt(self, rng: random.Random) -> None:
        """One more, changed at random, and all that must hold of it."""
        changed = mutated(rng, self._fresh(rng), self._fal, self._stranger)
        # Between the two of ours and the judge's look at the clock no second may tip over.
        now = time.time()
        let_in = must_be_let_in(changed, self._fal, now)
        with self._unwritten(changed, let_in=let_in):
            refused_at_once = gate.refusal(self._scope(changed), changed.body)
            answer = self._send(changed)
        self.seen[answer.status_code] += 1
        assert (answer.status_code == 200) == let_in, (answer.status_code, changed)
        assert answer.status_code in {200, 403, 405, 413}, (answer.status_code, changed)
        if refused_at_once is not None:
            assert answer.status_code == 403, changed
        elif changed.method == "POST" and answer.status_code == 403:
            assert json.loads(answer.content)["code"] == "not_verified"
        self.stored += let_in

    def _fresh(self, rng: random.Random) -> Attempt:
        request_id = rng.choice((str(self._generation.request_id), f"{rng.getrandbits(128):032x}"))
        body = ok_body(request_id, song()) if rng.random() < 0.7 else error_body(request_id)
        return Attempt(body, self._fal.headers(body, request_id))

    def _address(self, attempt: Attempt) -> UUID:
        return UUID(attempt.address) if attempt.address else self._generation.pk

    def _send(self, attempt: Attempt) -> Any:
        path = f"/webhooks/fal/{self._address(attempt)}/"
        request = RequestFactory().generic(
            attempt.method, path, attempt.body, content_type=attempt.content_type, headers=attempt.headers
        )
        # What the view doesn't catch is raised here, where Django would answer 500.
        return self._door(request)

    def _scope(self, attempt: Attempt) -> dict[str, Any]:
        """What a server would make of it; text that can't be on a wire is left to the view."""
        wire = {name: value for name, value in attempt.headers.items() if _fits_a_wire(value)}
        method = attempt.method if len(wire) == len(attempt.headers) else "NONE"
        return {
            "type": "http", "method": method, "path": f"/webhooks/fal/{self._address(attempt)}/",
            "client": ("127.0.0.1", 7),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in wire.items()],
        }  # fmt: skip

    @contextmanager
    def _unwritten(self, attempt: Attempt, *, let_in: bool) -> Iterator[None]:
        """A refused one makes no statement. A stale one may look once for its song, and is not looked at here."""
        if let_in or "signed by fal" in attempt.trail:
            yield
            return
        with connection.execute_wrapper(no_statement):
            yield


def _fits_a_wire(value: str) -> bool:
    return all(ord(character) < 256 for character in value)


@pytest.fixture
def target(door: Door, generation: Generation, signer: Fal) -> Target:
    return Target(signer, generation)


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(rng=st.randoms(use_true_random=False))
def test_a_changed_delivery_is_let_in_exactly_where_it_should_be(target: Target, rng: random.Random) -> None:
    target.attempt(rng)


@pytest.mark.fuzz
@pytest.mark.timeout(1200)
def test_a_hundred_thousand_changed_deliveries(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    seed = os.environ.get("SEED") or secrets.token_hex(4)
    rng = random.Random(seed)
    with capsys.disabled():
        print(f"\nSEED={seed}")
    began = time.monotonic()
    for number in range(1, MANY + 1):
        target.attempt(rng)
        if number % SETTLED_EACH == 0:
            # What was stored is worked through, so that no odd body is left that breaks its worker.
            deliveries.process_waiting()
            stale.memory.cache_clear()
    while Delivery.objects.filter(processed_at=None, attempts=0).exists():
        deliveries.process_waiting()
    with capsys.disabled():
        print(f"{MANY} in {time.monotonic() - began:.0f} s: {dict(target.seen)}, stored {Delivery.objects.count()}")
    assert target.stored > MANY / 300
    assert target.seen[403] > MANY / 2
    assert 0 < Delivery.objects.count() <= target.stored
    assert sum(tallies._of_this_process()._counts.values()) > MANY / 2
    assert not Delivery.objects.filter(flag=Flag.DEAD).exists()
    # A delivery without a clear result makes us ask fal, which has none here; no other waits for another try.
    waiting = [deliveries._read(row) for row in Delivery.objects.filter(processed_at=None)]
    assert not any(body is None or deliveries._tells_all(body) for body in waiting)
