"""fal's bill and prices, as its platform API tells them: page by page, and to the last digit that was written."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from studio.fal.errors import FalError, Unreachable
from studio.fal.resilience import wait_seconds

EVENTS_PATH: Final = "models/billing-events"
PRICES_PATH: Final = "models/pricing"
# A page stays far below what the client reads of one answer.
EVENTS_A_PAGE: Final = 1000
IDS_A_CALL: Final = 50
SPAN_MAX: Final = timedelta(days=90)
TRIES: Final = 5

NANOS_A_DOLLAR: Final = 10**9
# A million dollars for one request is no price but a fault.
COST_MAX_NANOS: Final = 10**6 * NANOS_A_DOLLAR

_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")

# `FalClient.read_api`, or the like: a path and parameters give the answer's object.
Read = Callable[[str, Mapping[str, Any]], dict[str, Any]]


class BillUnreadable(FalError):
    """A line or a page that can't be understood. It is never taken for nought."""

    code = "fal_bill_unreadable"
    default_message = "fal.ai's bill can't be read."
    default_hint = "Nothing was compared with it. fal.ai may have changed its form."


@dataclass(frozen=True, slots=True)
class BilledEvent:
    """One line of the bill. `request_id` is "" where there is none to be read; costs are read when asked for."""

    request_id: str
    endpoint_id: str
    fields: Mapping[str, Any]

    @property
    def cost_nanos(self) -> int:
        """What fal takes, discounts off. :raises BillUnreadable: naming the line."""
        if self.fields.get("cost_estimate_nano_usd") is not None:
            return self._nanos("cost_estimate_nano_usd", 1)
        return self._nanos("cost_total", NANOS_A_DOLLAR)

    @property
    def undiscounted_nanos(self) -> int:
        """What it would be without a discount; the cost where fal names none."""
        if not (_number(self.fields.get("percent_discount")) or _number(self.fields.get("cost_discount"))):
            return self.cost_nanos
        subtotal = _number(self.fields.get("cost_subtotal"))
        return self.cost_nanos if subtotal is None else _rounded(subtotal * NANOS_A_DOLLAR)

    def _nanos(self, name: str, factor: int) -> int:
        number = _number(self.fields.get(name))
        if number is None or abs(number) * factor > COST_MAX_NANOS:
            raise self.unreadable(name)
        return _rounded(number * factor)

    def unreadable(self, name: str) -> BillUnreadable:
        line = f"request {self.request_id or '(none)'}, {self.endpoint_id}, {self.fields.get('timestamp')}"
        given = repr(self.fields.get(name))[:60]
        return BillUnreadable(f"fal.ai's bill can't be read: its line for {line[:300]} says {given} for {name}.")


def _number(value: object) -> Decimal | None:
    """The number as it was written; None for what is none, NaN and infinities among it."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if abs(value) < 10**20 else None
    if isinstance(value, Decimal):
        return value if value.is_finite() and abs(value) < 10**20 else None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Decimal(value)
    return None


def _rounded(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_HALF_UP))


def nanos_as_micros(nanos: int) -> int:
    return (nanos + 500) // 1000


def patient(read: Read, sleep: Callable[[float], None] = time.sleep) -> Read:
    """The same, waiting where fal says that it is asked too often. Nothing else is asked twice."""

    def ask(path: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        for attempt in range(1, TRIES):
            try:
                return read(path, parameters)
            except Unreachable as error:
                if error.status_code != 429:
                    raise
                sleep(wait_seconds(attempt, error.retry_after_seconds))
        return read(path, parameters)

    return ask


def events(
    read: Read, since: datetime, until: datetime, request_ids: Sequence[str] = ()
) -> Iterator[list[BilledEvent]]:
    """The lines billed from `since` to before `until`, a page at a time; with ids (50 at most) only theirs.

    :raises FalError: fal can't be asked, or its answer can't be understood.
    """
    for start, end in _spans(since, until):
        parameters: dict[str, Any] = {"start": _iso(start), "end": _iso(end), "limit": EVENTS_A_PAGE}
        if request_ids:
            parameters["request_id"] = list(request_ids)
        yield from _pages(read, parameters)


def _spans(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    while since < until:
        end = min(since + SPAN_MAX, until)
        yield since, end
        since = end


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _pages(read: Read, parameters: Mapping[str, Any]) -> Iterator[list[BilledEvent]]:
    cursor = None
    while True:
        body = read(EVENTS_PATH, parameters if cursor is None else {**parameters, "cursor": cursor})
        given = body.get("billing_events")
        if not isinstance(given, list) or not all(isinstance(event, dict) for event in given):
            raise BillUnreadable("fal.ai's bill can't be read: a page of it holds no lines.")
        yield [_event(event) for event in given]
        following = body.get("next_cursor")
        if not (body.get("has_more", following is not None)):
            return
        if not (given and isinstance(following, str) and following not in {"", cursor}):
            raise BillUnreadable("fal.ai's bill can't be read: a page of it leads to no other, and says that it does.")
        cursor = following


def _event(fields: Mapping[str, Any]) -> BilledEvent:
    request_id, endpoint_id = fields.get("request_id"), fields.get("endpoint_id")
    readable = isinstance(request_id, str) and _REQUEST_ID.fullmatch(request_id)
    return BilledEvent(str(request_id) if readable else "", str(endpoint_id)[:200], fields)


def prices_micros(read: Read, endpoint_ids: Sequence[str]) -> dict[str, int]:
    """What fal's price list says now for a unit of each, as far as it lists them.

    :raises FalError: fal can't be asked, or its answer can't be understood.
    """
    given = read(PRICES_PATH, {"endpoint_id": list(endpoint_ids)}).get("prices")
    if not isinstance(given, list) or not all(isinstance(price, dict) for price in given):
        raise BillUnreadable("fal.ai's price list can't be read: it holds no prices.")
    return {str(price.get("endpoint_id")): _price_micros(price) for price in given}


def _price_micros(price: Mapping[str, Any]) -> int:
    number = _number(price.get("unit_price"))
    if number is None or price.get("currency", "USD") != "USD":
        what = f"{price.get('unit_price')!r} {price.get('currency')!r} for {price.get('endpoint_id')!r}"
        raise BillUnreadable(f"fal.ai's price list can't be read: it says {what[:200]}.")
    return nanos_as_micros(_rounded(number * NANOS_A_DOLLAR))
