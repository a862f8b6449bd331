"""Comparing the taxonomy with a saved page, and when somebody last did."""

from datetime import date, datetime, timedelta
from typing import Final

from django.utils import timezone

from studio.models import TagAudit
from studio.tags import drift, explorer
from studio.tags.drift import Drift
from studio.tags.taxonomy import taxonomy

# Sonauto adds and renames without saying so.
EVERY: Final = timedelta(days=92)


def compare(page: bytes) -> Drift:
    """What has changed on the page. :raises PageUnreadable: it is no copy of the tag explorer."""
    ours = taxonomy()
    return drift.between(ours, explorer.names(page, (tag.name for tag in ours.tags)))


def record(found: Drift) -> TagAudit:
    return TagAudit.objects.create(
        known=found.known, added=len(found.added), gone=len(found.gone), moved=len(found.moved)
    )


def last_checked() -> date:
    """The day of the last comparison, or of the facts themselves where nobody has compared them since."""
    last = TagAudit.objects.order_by("-at").values_list("at", flat=True).first()
    return max(taxonomy().read_on, last.date()) if last else taxonomy().read_on


def is_due(checked: date, now: datetime | None = None) -> bool:
    return (now or timezone.now()).date() - checked > EVERY
