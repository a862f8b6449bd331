"""What keeping files and asking them back costs, by the prices of the settings: integers in micros, rounded up."""

from datetime import timedelta
from typing import Final

from django.conf import settings

from studio.states import RestoreTier

# S3 bills by these.
GB: Final = 2**30
DAYS_A_MONTH: Final = 30
PREVIEW_BYTES_A_SECOND: Final = 16_000
# How long S3 says that it takes at the longest, and in words.
TAKES: Final = {
    RestoreTier.EXPEDITED: timedelta(minutes=5),
    RestoreTier.STANDARD: timedelta(hours=5),
    RestoreTier.BULK: timedelta(hours=12),
}


def monthly_micros(size_bytes: int, storage_class: str) -> int:
    (price,) = settings.NEOAPEX_STORAGE_PRICES[storage_class]
    return _up(size_bytes * price, GB)


def restore_micros(size_bytes: int, tier: str) -> int:
    """For the request, the bytes, and the copy for as long as it stays."""
    per_gb, per_request = settings.NEOAPEX_RESTORE_PRICES[tier]
    (standard,) = settings.NEOAPEX_STORAGE_PRICES["STANDARD"]
    copy = _up(size_bytes * standard * settings.NEOAPEX_RESTORE_DAYS, GB * DAYS_A_MONTH)
    return per_request + _up(size_bytes * per_gb, GB) + copy


def _up(amount: int, by: int) -> int:
    return -(-amount // by)
