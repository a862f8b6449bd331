"""How the ledger looks in JSON: money as decimal dollars in strings, ids as strings, times in UTC."""

from datetime import datetime
from typing import Literal, Self

from ninja import Schema

from ledger.models import Entry
from ledger.money import format_dollars
from ledger.queries import Balance


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
    label: str
    reference: str
    granted: str
    held: str
    spent: str
    reason: str
    created_at: datetime

    @classmethod
    def of_entry(cls, entry: Entry, **more: object) -> Self:
        return cls.model_validate(
            {
                "id": str(entry.pk),
                "kind": entry.kind,
                "label": entry.label,
                "reference": entry.reference,
                "granted": format_dollars(entry.granted_delta),
                "held": format_dollars(entry.held_delta),
                "spent": format_dollars(entry.spent_delta),
                "reason": entry.reason,
                "created_at": entry.created_at,
                **more,
            }
        )
