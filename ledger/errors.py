"""The ways the ledger says no: each has a stable code, a message for people and a hint."""

from datetime import datetime

from ledger.dollars import display_dollars


class LedgerError(Exception):
    """The base of all refusals of the ledger; nothing was written."""

    code = "ledger_error"
    hint = ""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InsufficientBudget(LedgerError):
    """The month's budget does not hold the amount. Amounts in micros; ``resets_at`` is the start of the next month."""

    code = "insufficient_budget"

    def __init__(self, *, available_micros: int, needed_micros: int, resets_at: datetime) -> None:
        left = display_dollars(max(available_micros, 0))
        super().__init__(f"This costs {display_dollars(needed_micros)}, and {left} of this month's budget is left.")
        self.available_micros = available_micros
        self.needed_micros = needed_micros
        self.resets_at = resets_at
        self.hint = (
            f"A new budget starts on {resets_at.day} {resets_at:%B %Y} (UTC). Until then, an admin can grant more."
        )


class OrganisationCapReached(LedgerError):
    """The person has enough, and all together have not. How much that is, is not said to everybody."""

    code = "organisation_cap_reached"

    def __init__(self, *, resets_at: datetime) -> None:
        super().__init__("The organisation's budget for this month is used up.")
        self.resets_at = resets_at
        self.hint = f"It starts anew on {resets_at.day} {resets_at:%B %Y} (UTC). Until then, an admin can raise it."


class BudgetFrozen(LedgerError):
    code = "budget_frozen"
    hint = "Ask an admin of the studio to unfreeze it. Songs that are under way will still finish."

    def __init__(self) -> None:
        super().__init__("Your budget is frozen, so nothing new can be started.")


class ReferenceConflict(LedgerError):
    """The reference is taken by an entry that says something else."""

    code = "reference_conflict"
    hint = "A reference stands for one amount of one person. Use a new reference for another amount."

    def __init__(self, reference: str) -> None:
        super().__init__(f"The ledger knows {reference} with another amount or person.")
        self.reference = reference


class UnknownHold(LedgerError):
    code = "unknown_hold"
    hint = "Take a hold before charging or releasing it."

    def __init__(self, reference: str) -> None:
        super().__init__(f"No money was held for {reference}.")
        self.reference = reference


class HoldAlreadyResolved(LedgerError):
    """A hold ends once. ``kind`` tells how it did: CHARGE or RELEASE."""

    code = "hold_already_resolved"
    hint = "What fal bills after a release goes to the house; a charge is corrected by moving it to the house."

    def __init__(self, reference: str, kind: str) -> None:
        super().__init__(f"The hold for {reference} has ended already, with a {kind}.")
        self.reference = reference
        self.kind = kind


class MoreThanCharged(LedgerError):
    """A move to the house of more than the person paid. Amount in micros."""

    code = "more_than_charged"
    hint = "Move at most what was charged."

    def __init__(self, reference: str, charged_micros: int) -> None:
        super().__init__(f"Only {display_dollars(charged_micros)} were charged for {reference}.")
        self.reference = reference
        self.charged_micros = charged_micros


class GrantInUse(LedgerError):
    """A grant can be taken back only as far as nobody held or spent it. Amount in micros, negative after an overrun."""

    code = "grant_in_use"
    hint = "Take back at most what is available, or freeze the budget."

    def __init__(self, available_micros: int) -> None:
        super().__init__(f"Only {display_dollars(max(available_micros, 0))} of this budget are neither held nor spent.")
        self.available_micros = available_micros


class SpentBelowZero(LedgerError):
    """An adjustment can give back only what was spent in that month. Amount in micros."""

    code = "spent_below_zero"
    hint = "Give back at most that. To let somebody spend more, grant more."

    def __init__(self, spent_micros: int, *, by_house: bool = False) -> None:
        who = " by the house" if by_house else ""
        super().__init__(f"Only {display_dollars(spent_micros)} were spent{who} in this month.")
        self.spent_micros = spent_micros
        if by_house:
            self.hint = "The house can't pay less than nothing: correct the person alone."


class ReasonMissing(LedgerError):
    code = "reason_missing"
    hint = "Say in a few words why; it stays in the books."

    def __init__(self) -> None:
        super().__init__("The books need a reason.")


class InvalidAmount(LedgerError):
    code = "invalid_amount"
    hint = "Give dollars like 10.00, with at most six decimals."


class InvalidMonth(LedgerError):
    code = "invalid_month"
    hint = "Give a month like 2026-11."

    def __init__(self, month: str) -> None:
        super().__init__(f"{month!r} is no month.")


class MonthToCome(InvalidMonth):
    code = "month_to_come"
    hint = "Give this month, or an earlier one."

    def __init__(self, month: str) -> None:
        super().__init__(month)
        self.message = f"{month} is still to come."


class LedgerBusy(LedgerError):
    """The budget changed under every try to read it; nothing was written, and the same call may be made again."""

    code = "ledger_busy"
    hint = "Try again in a moment."

    def __init__(self) -> None:
        super().__init__("Your budget is changing too fast right now.")


class RuleBroken(LedgerError):
    """A constraint of the database refused an entry that our own checks let through: a fault of ours."""

    code = "ledger_rule_broken"
    hint = "Nothing was booked. Run the ledger audit."

    def __init__(self, constraint: str) -> None:
        super().__init__(f"The ledger refused an entry that breaks its rule {constraint}.")
        self.constraint = constraint
