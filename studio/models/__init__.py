"""The studio's tables: fields, constraints and querysets, and no rules."""

from studio.models.experiments import Arm, Experiment, Round, Trial, Verdict
from studio.models.people import AccessToken, User, UserManager
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
    "Arm",
    "Draft",
    "Event",
    "Experiment",
    "Generation",
    "GenerationQuerySet",
    "IdempotencyKey",
    "LineKind",
    "Preset",
    "Reconciliation",
    "ReconciliationLine",
    "Round",
    "TagAudit",
    "Track",
    "TrackQuerySet",
    "Trial",
    "User",
    "UserManager",
    "Verdict",
    "generation_id_of",
    "hold_reference_of",
]
