"""What chance alone would do: exact binomial tails for guessing, and Wilson's interval for a share."""

from fractions import Fraction
from math import comb, sqrt
from typing import Final

# 95 % of a normal distribution lies within so many standard deviations.
Z_95: Final = 1.959963984540054
SHOWN_BELOW: Final = 0.05


def at_least(right: int, rounds: int) -> float:
    """The probability that somebody who only guesses between two is right in so many rounds or more."""
    if not 0 <= right <= rounds:
        raise ValueError(f"{right} of {rounds} makes no sense.")
    return float(Fraction(sum(comb(rounds, k) for k in range(right, rounds + 1)), 2**rounds))


def is_shown(right: int, rounds: int) -> bool:
    """Whether a difference may be called heard: guessing gives as much in at most one test of twenty."""
    return rounds > 0 and at_least(right, rounds) <= SHOWN_BELOW


def wilson(wins: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `wins` of `of` were seen; all of it where nothing was."""
    if not 0 <= wins <= of:
        raise ValueError(f"{wins} of {of} makes no sense.")
    if of == 0:
        return 0.0, 1.0
    share, z2 = wins / of, Z_95**2
    middle = share + z2 / (2 * of)
    around = Z_95 * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    scale = 1 + z2 / of
    return max(0.0, (middle - around) / scale), min(1.0, (middle + around) / scale)
