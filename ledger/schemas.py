"""How the ledger looks in JSON: money as decimal dollars in strings, ids as strings, times in UTC."""

from datetime import datetime
from typing import Literal, Self

from ninja import Schema

from ledger.models import Entry
from ledger.money import format_dollars
from ledger.queries import Balance, EntryPage


class BalanceOut(Schema):
    month: str
    granted: str
    held: str
    spent: str
    available: str
    resets_at: datetime
    currency: Literal["USD"] = "USD"

    @classmethod
    def of(cls, balance: Balance) -> Self:
        return cls(
            month=balance.month,
            granted=format_dollars(balance.granted_micros),
            held=format_dollars(balance.held_micros),
            spent=format_dollars(balance.spent_micros),
            available=format_dollars(balance.available_micros),
            resets_at=balance.resets_at,
        )


class EntryOut(Schema):
    id: str
    kind: Literal["GRANT", "HOLD", "CHARGE", "RELEASE", "ADJUST"]
    reference: str
    granted: str
    held: str
    spent: str
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, entry: Entry) -> Self:
        return cls.model_validate(
            {
                "id": str(entry.pk),
                "kind": entry.kind,
                "reference": entry.reference,
                "granted": format_dollars(entry.granted_delta),
                "held": format_dollars(entry.held_delta),
                "spent": format_dollars(entry.spent_delta),
                "reason": entry.reason,
                "created_at": entry.created_at,
            }
        )


class StatementOut(Schema):
    """Entries of one month, newest first. Each tells by how much it changed what was granted, held and spent."""

    month: str
    entries: list[EntryOut]
    next_cursor: str | None

    @classmethod
    def of(cls, page: EntryPage) -> Self:
        cursor = None if page.next_cursor is None else str(page.next_cursor)
        return cls(month=page.month, entries=[EntryOut.of(entry) for entry in page.entries], next_cursor=cursor)
