"""Amounts of money: integers in millionths of a US dollar inside, decimal dollars at the edges, never a float."""

import re

from ledger.dollars import MICROS_PER_DOLLAR, display_dollars, format_dollars
from ledger.errors import InvalidAmount

__all__ = ["MAX_MICROS", "check_micros", "display_dollars", "format_dollars", "parse_dollars", "whole_percent"]

# A million dollars: far above any budget, and far enough below bigint that sums of entries cannot overflow.
MAX_MICROS = 1_000_000 * MICROS_PER_DOLLAR
_DECIMAL = re.compile(r"(?P<whole>[0-9]+)(\.(?P<fraction>[0-9]+))?")


def parse_dollars(text: str) -> int:
    """A plain decimal like ``10``, ``0.075`` or ``10.00`` in micros, exactly.

    :raises InvalidAmount: when it is no plain decimal (a sign, an exponent, NaN, separators, blanks), has more than
        six decimals, or is above a million dollars.
    """
    match = _DECIMAL.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidAmount(f"{str(text)[:40]!r} is no amount in dollars.")
    whole, fraction = match["whole"].lstrip("0"), match["fraction"] or ""
    if len(fraction) > 6:
        raise InvalidAmount("An amount has at most six decimals.")
    # The length is checked first: turning a million digits into a number takes long.
    if len(whole) > 7 or (micros := int(whole or "0") * MICROS_PER_DOLLAR + int(fraction.ljust(6, "0"))) > MAX_MICROS:
        raise InvalidAmount(f"An amount is at most {display_dollars(MAX_MICROS)}.")
    return micros


def check_micros(amount_micros: int, *, at_least: int = 1) -> int:
    """The amount itself, when it is an integer from ``at_least`` to `MAX_MICROS`.

    :raises InvalidAmount: for anything else, floats and booleans included.
    """
    if not isinstance(amount_micros, int) or isinstance(amount_micros, bool):
        raise InvalidAmount(f"Amounts are whole micros, not {type(amount_micros).__name__}.")
    if not at_least <= amount_micros <= MAX_MICROS:
        raise InvalidAmount(f"{amount_micros} micros are out of range: from {at_least} to {MAX_MICROS}.")
    return amount_micros


def whole_percent(part: int, whole: int) -> int:
    """Rounded down, so that 100 means all of it; more than all is more than 100. All of nothing is 100 where any is."""
    if whole <= 0:
        return 100 if part > 0 else 0
    return max(0, 100 * part // whole)
