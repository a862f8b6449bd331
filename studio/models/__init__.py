"""The studio's tables: fields, constraints and querysets, and no rules."""

from studio.models.people import AccessToken, User, UserManager
from studio.models.projects import Member, Project, ProjectQuerySet, ShareLink
from studio.models.reconciliations import LineKind, Reconciliation, ReconciliationLine
from studio.models.songs import (
    HOLD_REFERENCE,
    Event,
    Generation,
    GenerationQuerySet,
    IdempotencyKey,
    Track,
    TrackQuerySet,
    generation_id_of,
    hold_reference_of,
)
from studio.models.tag_audits import TagAudit
from studio.models.writing import Draft, Preset

__all__ = [
    "HOLD_REFERENCE",
    "AccessToken",
    "Draft",
    "Event",
    "Generation",
    "GenerationQuerySet",
    "IdempotencyKey",
    "LineKind",
    "Member",
    "Preset",
    "Project",
    "ProjectQuerySet",
    "Reconciliation",
    "ReconciliationLine",
    "ShareLink",
    "TagAudit",
    "Track",
    "TrackQuerySet",
    "User",
    "UserManager",
    "generation_id_of",
    "hold_reference_of",
]
