"""What the budget page shows in a browser: people from hardly used to used up, with songs spread over their months."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import cycle
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from ledger import months, operations
from ledger.models import Entry
from studio.management.commands.seed_demo import login_path
from studio.models import Generation, User
from studio.states import GenerationState as State
from tests import factories

SONG = 75_000
ENDPOINTS = ("text-to-music", "text-to-music", "inpaint", "text-to-music", "extend")
TITLES = (
    "Night bus home, tape hiss and a Rhodes that keeps forgetting the chord",
    "Handpan and cello for a rooftop in June",
    "A slow waltz for upright piano and rain",
    "Desert blues with a talking drum",
)
# Songs of each day, from the first of the month on.
BUSY = (2, 5, 0, 3, 7, 1, 0, 0, 4, 9, 2, 3, 0, 6, 2, 1, 5, 0, 0, 3, 8, 2, 4, 1, 0, 2, 3, 1)

DAYS = """
DELETE FROM ledger_spending WHERE budget_id = %(budget)s;
INSERT INTO ledger_spending (budget_id, day, label, spent_micros)
SELECT budget_id, (created_at AT TIME ZONE 'UTC')::date, label, SUM(spent_delta)
FROM ledger_entry WHERE budget_id = %(budget)s AND spent_delta <> 0 GROUP BY 1, 2, 3
"""


def lay() -> None:
    """Lays the months of five people, and prints the paths that log them in at their budget page."""
    people = {"rich": _rich(), "near": _used("near", 8_500_000), "out": _used("out", 10_000_000)}
    people["frozen"] = _used("frozen", 3_150_000)
    factories.freeze(people["frozen"])
    people["new"] = User.objects.create_user("new@example.com")
    print(json.dumps({name: login_path(person, "/budget/") for name, person in people.items()}))


def _rich() -> User:
    person = User.objects.create_user("rich@example.com")
    now = timezone.now()
    this_month = months.start_of(months.month_of(now))
    last_month = months.start_of(months.month_of(this_month - timedelta(days=1)))
    for start in (last_month, this_month):
        operations.grant(
            person=person,
            amount_micros=4_000_000,
            reference=f"more {start}",
            reason="For the album",
            author=None,
            now=start,
        )
        _songs(person, start, now)
    operations.adjust(
        person=person,
        spent_micros=-SONG,
        reference="silent",
        reason="The song was silent",
        author=None,
        house_pays=True,
    )
    # A lost one's money is still set aside, and it takes no slot from the songs of other tests.
    for state in (State.FAILED, State.LOST):
        factories.make_generation(
            person=person, state=state, recipe={"prompt": TITLES[2], "num_songs": 2}, request_id=_id()
        )
    for number in range(14):
        at = last_month - timedelta(days=20 + 30 * number)
        operations.charge(
            reference=operations.hold(
                person=person, amount_micros=SONG * (number + 1), reference=f"long ago {number}", now=at
            ).reference,
            amount_micros=SONG * (number + 1),
        )
    return person


def _used(name: str, micros: int) -> User:
    person = User.objects.create_user(f"{name}@example.com")
    operations.hold(person=person, amount_micros=micros - SONG, reference=f"{name} songs", label="text-to-music")
    operations.charge(reference=f"{name} songs", amount_micros=micros - SONG)
    factories.make_generation(person=person, state=State.LOST, request_id=_id())
    return person


def _songs(person: User, start: datetime, now: datetime) -> None:
    for endpoint, title, at in zip(cycle(ENDPOINTS), cycle(TITLES), _moments(start, now), strict=False):
        song = Generation.objects.create(
            person=person,
            endpoint=endpoint,
            state=State.READY,
            recipe=factories.make_recipe(prompt=title),
            seed=1,
            num_songs=1,
            cost_micros=SONG,
            request_id=_id(),
            charged_micros=SONG,
            finished_at=at,
        )
        operations.hold(person=person, amount_micros=SONG, reference=song.hold_reference, label=endpoint, now=at)
        operations.charge(reference=song.hold_reference, amount_micros=SONG)
        _move(song.hold_reference, at)


def _moments(start: datetime, now: datetime) -> Iterator[datetime]:
    for day, songs in enumerate(BUSY):
        for number in range(songs):
            at = start + timedelta(days=day, hours=9, minutes=17 * number)
            if at < now:
                yield at


def _move(reference: str, at: datetime) -> None:
    """As if both lines had been written then."""
    budget = Entry.objects.filter(reference=reference).values_list("budget", flat=True).first()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_entry DISABLE TRIGGER entry_append_only")
        cursor.execute(
            "UPDATE ledger_entry SET created_at = %s WHERE reference = %s AND kind = 'HOLD'", [at, reference]
        )
        cursor.execute(
            "UPDATE ledger_entry SET created_at = %s WHERE reference = %s AND kind = 'CHARGE'",
            [at + timedelta(seconds=95), reference],
        )
        cursor.execute("ALTER TABLE ledger_entry ENABLE TRIGGER entry_append_only")
        cursor.execute(DAYS, {"budget": budget})


def _id() -> str:
    return str(uuid4())
