"""The studio's tables: fields, constraints and querysets, and no rules."""

from studio.models.experiments import Arm, Experiment, Round, Trial, Verdict
from studio.models.people import AccessToken, User, UserManager
from studio.models.projects import Member, Project, ProjectQuerySet, ShareLink
from studio.models.receivers import Message, Receiver
from studio.models.reconciliations import LineKind, Reconciliation, ReconciliationLine
from studio.models.retouches import Retouch, RetouchQuerySet, Take
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
    "Arm",
    "Draft",
    "Event",
    "Experiment",
    "Generation",
    "GenerationQuerySet",
    "IdempotencyKey",
    "LineKind",
    "Member",
    "Message",
    "Preset",
    "Project",
    "ProjectQuerySet",
    "Receiver",
    "Reconciliation",
    "ReconciliationLine",
    "Retouch",
    "RetouchQuerySet",
    "Round",
    "ShareLink",
    "TagAudit",
    "Take",
    "Track",
    "TrackQuerySet",
    "Trial",
    "User",
    "UserManager",
    "Verdict",
    "generation_id_of",
    "hold_reference_of",
]
