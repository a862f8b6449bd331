"""Both sides of every request: what fal billed, and what the ledger has for it, in memory that does not grow."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from studio import endpoints
from studio.fal import billing
from studio.fal.billing import BilledEvent
from studio.models import Generation, LineKind, hold_reference_of
from studio.states import GenerationState

PAGE_REQUESTS: Final = 1000
ADD_OURS_TIMEOUT_MS: Final = 30 * 60 * 1000
BILL_MAY_BE_LATE: Final = timedelta(days=1)

WAITING: Final = frozenset(
    {GenerationState.QUEUED, GenerationState.SUBMITTED, GenerationState.RUNNING, GenerationState.LOST}
)
# Our key of each endpoint, by fal's id.
KEYS: Final[Mapping[str, str]] = {endpoint.fal_id: endpoint.key for endpoint in endpoints.ENDPOINTS.values()}

# --- The bill, where the database keeps it for us --------------------------------------------------------------------

# One row a request, of both sides, in a table that this connection alone sees: a bill of any length costs the process
# the same memory, and lines of one request that lie on different pages of the bill add up.
TABLE = """
DROP TABLE IF EXISTS pg_temp.fals_bill;
CREATE TEMPORARY TABLE fals_bill (
    request_id text PRIMARY KEY,
    endpoint_id text NOT NULL DEFAULT '',
    nanos bigint NOT NULL DEFAULT 0,
    undiscounted bigint NOT NULL DEFAULT 0
)
"""
ADD_EVENTS = """
INSERT INTO fals_bill
SELECT request_id, min(endpoint_id), sum(nanos), sum(undiscounted)
FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[]) AS page (request_id, endpoint_id, nanos, undiscounted)
GROUP BY request_id
ON CONFLICT (request_id) DO UPDATE
SET nanos = fals_bill.nanos + EXCLUDED.nanos, undiscounted = fals_bill.undiscounted + EXCLUDED.undiscounted
"""
ADD_OURS = """
INSERT INTO fals_bill (request_id)
SELECT request_id FROM studio_generation
WHERE request_id IS NOT NULL AND submit_started_at >= %s AND submit_started_at < %s
ON CONFLICT DO NOTHING
"""
PAGE = """
SELECT request_id, endpoint_id, nanos, undiscounted FROM fals_bill
WHERE request_id > %s ORDER BY request_id LIMIT %s
"""


@dataclass(slots=True)
class Billed:
    """What fal says of a request, its lines added up."""

    request_id: str
    endpoint_id: str = ""
    nanos: int = 0
    undiscounted: int = 0

    def add(self, event: BilledEvent) -> None:
        self.endpoint_id = self.endpoint_id or event.endpoint_id
        self.nanos += event.cost_nanos
        self.undiscounted += event.undiscounted_nanos


@contextmanager
def bill_table() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE fals_bill")


def add_events(page: Sequence[BilledEvent]) -> int:
    """Note what of a page concerns the studio; the rest is counted. :raises BillUnreadable: naming the line."""
    ours = _of_the_studio(page)
    rows = [(event.request_id, event.endpoint_id, event.cost_nanos, event.undiscounted_nanos) for event in ours]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(ADD_EVENTS, [list(column) for column in zip(*rows, strict=True)])
    return len(page) - len(ours)


def _of_the_studio(page: Sequence[BilledEvent]) -> list[BilledEvent]:
    """Lines of our endpoints, and of requests of ours whatever endpoint they name: the key may have other uses."""
    others = [event.request_id for event in page if event.endpoint_id not in KEYS]
    known = set(Generation.objects.filter(request_id__in=others).values_list("request_id", flat=True)) if others else ()
    ours = [event for event in page if event.endpoint_id in KEYS or event.request_id in known]
    for event in ours:
        if not event.request_id:
            raise event.unreadable("request_id")
    return ours


def add_ours(since: datetime, until: datetime) -> None:
    """Add the requests sent in the span that fal billed nothing for."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {ADD_OURS_TIMEOUT_MS}")
        cursor.execute(ADD_OURS, [since, until])
        cursor.execute("ANALYZE fals_bill")


def pages() -> Iterator[list[Billed]]:
    """Everything noted, in the order of request ids."""
    after = ""
    while page := _page(after):
        yield page
        after = page[-1].request_id


def _page(after: str) -> list[Billed]:
    with connection.cursor() as cursor:
        cursor.execute(PAGE, [after, PAGE_REQUESTS])
        return [Billed(*row) for row in cursor.fetchall()]


# --- The books beside it ---------------------------------------------------------------------------------------------

# All that was ever booked under some references, each branch by an index that it fits: a generation's charge and what
# of it moved to the house, what the house paid by itself, and corrections.
SPENT = """
SELECT reference, sum(spent_delta) FROM (
    SELECT hold.reference, outcome.spent_delta
    FROM ledger_entry hold JOIN ledger_entry outcome ON outcome.hold_id = hold.id
    WHERE hold.kind = 'HOLD' AND hold.reference = ANY(%(references)s) AND outcome.kind IN ('CHARGE', 'RELEASE')
    UNION ALL
    SELECT hold.reference, moved.spent_delta
    FROM ledger_entry hold JOIN ledger_entry moved ON moved.hold_id = hold.id
    WHERE hold.kind = 'HOLD' AND hold.reference = ANY(%(references)s) AND moved.kind = 'ADJUST'
    UNION ALL
    SELECT reference, spent_delta FROM ledger_entry
    WHERE kind = 'CHARGE' AND hold_id IS NULL AND reference = ANY(%(references)s)
    UNION ALL
    SELECT reference, spent_delta FROM ledger_entry
    WHERE kind = 'ADJUST' AND hold_id IS NULL AND reference = ANY(%(references)s)
) booked
GROUP BY reference
"""


@dataclass(frozen=True, slots=True)
class Ours:
    """A generation as far as it concerns its bill; of a request that the studio does not know, all is empty."""

    id: UUID | None = None
    endpoint: str = ""
    state: str = ""
    finished_at: datetime | None = None

    @property
    def reference(self) -> str:
        return hold_reference_of(self.id) if self.id else ""

    @property
    def has_just_ended(self) -> bool:
        return self.finished_at is not None and self.finished_at > timezone.now() - BILL_MAY_BE_LATE


UNKNOWN: Final = Ours()


@dataclass(frozen=True, slots=True)
class Pair:
    billed: Billed
    ours: Ours
    ours_micros: int

    @property
    def fals_micros(self) -> int:
        return billing.nanos_as_micros(self.billed.nanos)

    @property
    def endpoint(self) -> str:
        """The key of ours, else fal's id."""
        return self.ours.endpoint or KEYS.get(self.billed.endpoint_id, self.billed.endpoint_id)

    @property
    def kind(self) -> LineKind | None:
        """None where the two are equal."""
        if self.ours_micros == self.fals_micros:
            return None
        if self.ours.state in WAITING and not self.ours_micros:
            return LineKind.UNDER_WAY
        if not self.fals_micros:
            return LineKind.ONLY_OURS
        return LineKind.DIFFERS if self.ours_micros else LineKind.ONLY_FALS

    @property
    def note(self) -> str:
        """What explains the difference, as far as it can be told."""
        if billing.nanos_as_micros(self.billed.undiscounted) == self.ours_micros != 0:
            return _("fal gave a discount; without it the two would be equal.")
        match self.kind:
            case LineKind.ONLY_OURS if self.ours.has_just_ended:
                return _("It ended within the last day: fal's bill may be late.")
            case LineKind.ONLY_FALS if self.ours.state:
                return _("Here this song is %(state)s, and nothing was paid for it.") % {"state": self.ours.state}
            case LineKind.ONLY_FALS:
                return _("The studio has no song with this request id.")
        return ""


def paired(page: Sequence[Billed]) -> list[Pair]:
    ids = [billed.request_id for billed in page]
    fields = ("request_id", "id", "endpoint", "state", "finished_at")
    # States first, entries second: what is settled in between then counts as settled.
    ours = {row[0]: Ours(*row[1:]) for row in Generation.objects.filter(request_id__in=ids).values_list(*fields)}
    charged = _spent([one.reference for one in ours.values()])
    corrected = _corrections(ids)
    pairs = []
    for billed in page:
        mine = ours.get(billed.request_id, UNKNOWN)
        micros = charged.get(mine.reference, 0) + corrected[billed.request_id].micros
        pairs.append(Pair(billed, mine, micros))
    return pairs


def _spent(references: Sequence[str]) -> dict[str, int]:
    """The sums of those that something was booked under."""
    with connection.cursor() as cursor:
        cursor.execute(SPENT, {"references": list(references)})
        return {reference: int(micros) for reference, micros in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class _Corrections:
    """What was booked for a request because of fal's bill, in so many entries."""

    entries: int = 0
    micros: int = 0


def _corrections(request_ids: Sequence[str]) -> dict[str, _Corrections]:
    corrections = dict.fromkeys(request_ids, _Corrections())
    asked, number = list(request_ids), 1
    while asked:
        spent = _spent([_reference(request_id, number) for request_id in asked])
        asked = [request_id for request_id in asked if _reference(request_id, number) in spent]
        for request_id in asked:
            micros = corrections[request_id].micros + spent[_reference(request_id, number)]
            corrections[request_id] = _Corrections(number, micros)
        number += 1
    return corrections


def _reference(request_id: str, number: int) -> str:
    return f"fal:{request_id}" if number == 1 else f"fal-{number}:{request_id}"


def correction_reference(request_id: str) -> str:
    """The name under which the ledger takes the next correction for a request, so that later comparisons count it."""
    return _reference(request_id, _corrections([request_id])[request_id].entries + 1)
