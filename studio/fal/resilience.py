"""How long a request waits before it is sent again. The waiting itself is the row's, not the worker's."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from tenacity import RetryCallState, Retrying, wait_exponential

MAX_TRIES: Final = 5
MIN_WAIT_SECONDS: Final = 4
MAX_WAIT_SECONDS: Final = 60
RETRY_AFTER_MAX_SECONDS: Final = 15 * 60

# Half of each wait is certain and half is drawn, so the steps are 4-8, 8-16, 16-32 and then 30-60 seconds.
_CERTAIN_HALF: Final = wait_exponential(multiplier=MIN_WAIT_SECONDS, min=MIN_WAIT_SECONDS, max=MAX_WAIT_SECONDS / 2)
_RETRYING: Final = Retrying()
_SYSTEM_RANDOM: Final = random.SystemRandom()


def wait_seconds(attempt: int, retry_after: float | None = None, rng: random.Random = _SYSTEM_RANDOM) -> float:
    """Seconds until the next try after the `attempt`-th (from 1) was not accepted.

    Never earlier than fal asked for in `retry_after`; and always with jitter, so that what failed together does not
    come back together.
    """
    if attempt < 1:
        raise ValueError("Attempts are counted from 1.")
    if retry_after is not None:
        asked = min(max(retry_after, 0.0), RETRY_AFTER_MAX_SECONDS)
        return asked + rng.uniform(0, max(1.0, asked / 10))
    state = RetryCallState(_RETRYING, fn=None, args=(), kwargs={})
    state.attempt_number = attempt
    certain = _CERTAIN_HALF(state)
    return certain + rng.uniform(0, certain)


def parse_retry_after(header: str | None, now: datetime) -> float | None:
    """A Retry-After header, seconds or an HTTP date, as seconds from 0 to 15 minutes; None for none and for rubbish."""
    if header is None or len(header) > 100:
        return None
    seconds = _seconds(header.strip(), now)
    return None if seconds is None else min(max(seconds, 0.0), float(RETRY_AFTER_MAX_SECONDS))


def _seconds(text: str, now: datetime) -> float | None:
    if text.isascii() and text.removeprefix("-").replace(".", "", 1).isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    # A date without a zone is meant in UTC, as HTTP dates are.
    return (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
