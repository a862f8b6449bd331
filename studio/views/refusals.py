"""Which HTTP status a refused form answers with; the reason itself is shown in the form."""

from typing import Final

from django.http import HttpResponse

from ledger.errors import BudgetFrozen, InsufficientBudget, LedgerError, OrganisationCapReached
from studio.errors import (
    AccountClosed,
    AlreadyMade,
    ArmNotFailed,
    CantFreeze,
    FalUnavailable,
    FileForgotten,
    IdempotencyConflict,
    InvalidInput,
    MasterIsCold,
    NoRecipe,
    NotComparable,
    NotFailed,
    NotFrozen,
    NothingToJudge,
    NothingToUndo,
    Problem,
    RateReached,
    RetouchOver,
    RetriesExhausted,
    RoundOver,
    StudioError,
    TakeInUse,
    TakeNotReady,
    TakePending,
    TooManyLinks,
    TooManyMembers,
    TooManyProjects,
    TooManyWaiting,
    TrackDeleted,
    TrackHidden,
    TrackInTrash,
    TrackIsReady,
    TrackNotReady,
    VerdictMissing,
)
from studio.media.errors import HouseFault

STATUSES: Final[dict[type[Exception], int]] = {
    InvalidInput: 422,
    NotFrozen: 422,
    NoRecipe: 422,
    CantFreeze: 422,
    NotComparable: 422,
    TrackInTrash: 409,
    TrackNotReady: 409,
    TrackDeleted: 404,
    ArmNotFailed: 409,
    NothingToJudge: 409,
    RoundOver: 409,
    InsufficientBudget: 402,
    OrganisationCapReached: 402,
    AccountClosed: 403,
    BudgetFrozen: 403,
    AlreadyMade: 409,
    IdempotencyConflict: 409,
    TrackIsReady: 409,
    NotFailed: 409,
    FileForgotten: 409,
    TooManyProjects: 409,
    TooManyMembers: 409,
    TooManyLinks: 409,
    TooManyWaiting: 429,
    RateReached: 429,
    FalUnavailable: 503,
    HouseFault: 503,
    MasterIsCold: 409,
    TrackHidden: 409,
    RetouchOver: 409,
    RetriesExhausted: 409,
    TakePending: 409,
    TakeNotReady: 409,
    TakeInUse: 409,
    NothingToUndo: 409,
    VerdictMissing: 422,
}


def status_of(error: StudioError | LedgerError | HouseFault) -> int:
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 400)


def say_when(response: HttpResponse, error: StudioError | LedgerError | HouseFault) -> HttpResponse:
    """Tell programs too when to come again, where that is known."""
    seconds = getattr(error, "retry_after_seconds", None)
    if seconds is not None:
        response["Retry-After"] = str(seconds)
    return response


def problems_of(error: StudioError | LedgerError | HouseFault) -> list[Problem]:
    if isinstance(error, InvalidInput):
        return error.problems
    return [Problem(error.code, str(error.message), str(error.hint))]
