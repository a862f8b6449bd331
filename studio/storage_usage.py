"""Who keeps how much, and what that costs in a month: for the admin's page."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce

from studio import storage_costs
from studio.media import lifecycle
from studio.media.storage import default_storage
from studio.models import Track
from studio.states import MasterStorage

SHOWN: Final = 100
# For each file in cold storage S3 keeps this much beside it, in the cold and at hand.
OVERHEAD_COLD_BYTES: Final = 32 * 1024
OVERHEAD_BYTES: Final = 8 * 1024
COLD: Final = (MasterStorage.GLACIER, MasterStorage.RESTORING, MasterStorage.RESTORED)


@dataclass(frozen=True, slots=True)
class Share:
    """What one person keeps, or all together. `previews_bytes` is worked out from their length."""

    email: str
    tracks: int
    at_hand_bytes: int
    cold_bytes: int
    restored_bytes: int
    previews_bytes: int
    trash_bytes: int
    cold_tracks: int

    @property
    def total_bytes(self) -> int:
        return self.at_hand_bytes + self.cold_bytes + self.previews_bytes

    @property
    def monthly_micros(self) -> int:
        at_hand = self.at_hand_bytes + self.restored_bytes + self.previews_bytes + self.cold_tracks * OVERHEAD_BYTES
        cold = self.cold_bytes + self.cold_tracks * OVERHEAD_COLD_BYTES
        return storage_costs.monthly_micros(at_hand, "STANDARD") + storage_costs.monthly_micros(cold, "GLACIER")


@dataclass(frozen=True, slots=True)
class Usage:
    total: Share
    shares: list[Share]
    people: int
    is_bucket: bool
    prices: dict[str, tuple[int, ...]]
    source: str


def read() -> Usage:
    kept = Track.objects.kept()
    rows: Iterable[dict[str, Any]] = kept.values("person__email").annotate(**_sums())  # type: ignore[assignment]
    shares = [_share(row["person__email"], row) for row in rows]
    shares.sort(key=lambda share: (-share.monthly_micros, share.email))
    return Usage(
        total=_share("", kept.aggregate(**_sums())),
        shares=shares[:SHOWN],
        people=len(shares),
        is_bucket=lifecycle.bucket_of(default_storage()) is not None,
        prices=settings.NEOAPEX_STORAGE_PRICES,
        source=settings.NEOAPEX_PRICES_SOURCE,
    )


def _sums() -> dict[str, Any]:
    cold = Q(master_storage__in=COLD)
    return {
        "tracks": Count("pk"),
        "at_hand": Coalesce(Sum("master_bytes", filter=~cold), 0),
        "cold": Coalesce(Sum("master_bytes", filter=cold), 0),
        "restored": Coalesce(Sum("master_bytes", filter=Q(master_storage=MasterStorage.RESTORED)), 0),
        "heard_ms": Coalesce(Sum("duration_ms"), 0),
        "trash": Coalesce(Sum("master_bytes", filter=Q(trashed_at__isnull=False)), 0),
        "cold_tracks": Count("pk", filter=cold),
    }


def _share(email: str, row: dict[str, Any]) -> Share:
    return Share(
        email=email,
        tracks=row["tracks"],
        at_hand_bytes=row["at_hand"],
        cold_bytes=row["cold"],
        restored_bytes=row["restored"],
        previews_bytes=row["heard_ms"] * storage_costs.PREVIEW_BYTES_A_SECOND // 1000,
        trash_bytes=row["trash"],
        cold_tracks=row["cold_tracks"],
    )
