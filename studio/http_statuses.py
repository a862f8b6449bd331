"""What each error is over HTTP, for pages and programs alike."""

from collections.abc import Mapping
from typing import Final

from ledger import errors as money
from ledger.quota_plans import PlanOutdated
from studio import errors as studio
from studio import reconciliation
from studio.endpoints import NotDirect, UnknownEndpoint
from studio.media.errors import HouseFault

# The domain knows no HTTP; a test walks the subclasses and demands a line for each.
STATUSES: Final[Mapping[type[Exception], int]] = {
    studio.StudioError: 422,
    studio.NotFound: 404,
    studio.InvalidInput: 422,
    studio.InvalidIdempotencyKey: 422,
    studio.IdempotencyConflict: 409,
    studio.AlreadyFinal: 409,
    studio.AlreadyMade: 409,
    studio.PresetNameTaken: 409,
    studio.TooManyPresets: 409,
    studio.TooManyProjects: 409,
    studio.TooManyMembers: 409,
    studio.TooManyLinks: 409,
    studio.TrackNotReady: 409,
    studio.TrackIsReady: 409,
    studio.NotFailed: 409,
    studio.FileForgotten: 409,
    studio.TrackInTrash: 409,
    studio.TrackDeleted: 404,
    studio.MasterGone: 404,
    studio.MasterIsCold: 409,
    studio.NoRestore: 503,
    studio.NoSuchFormat: 409,
    studio.InvalidRegion: 422,
    studio.TrackHidden: 409,
    studio.SourceTooLarge: 422,
    studio.RetriesExhausted: 409,
    studio.TakePending: 409,
    studio.RetouchOver: 409,
    studio.TakeNotReady: 409,
    studio.VerdictMissing: 422,
    studio.NothingToUndo: 409,
    studio.TakeInUse: 409,
    studio.NotComparable: 422,
    studio.NotFrozen: 422,
    studio.CantFreeze: 422,
    studio.NoRecipe: 422,
    studio.NotReproducible: 422,
    studio.ArmNotFailed: 409,
    studio.NothingToJudge: 409,
    studio.RoundOver: 409,
    studio.StaleTransition: 409,
    studio.TooManyWaiting: 429,
    studio.RateReached: 429,
    studio.UserRateReached: 429,
    studio.OrganisationRateReached: 429,
    studio.AddressRateReached: 429,
    studio.FalUnavailable: 503,
    studio.AccountClosed: 403,
    studio.ScopeMissing: 403,
    studio.LastAdmin: 409,
    studio.WhyMissing: 422,
    studio.SongsUnderWay: 409,
    UnknownEndpoint: 422,
    NotDirect: 422,
    reconciliation.InvalidSpan: 422,
    reconciliation.LineNotBookable: 409,
    reconciliation.LineOutdated: 409,
    reconciliation.HouseSpentLess: 409,
    reconciliation.BillOutOfReach: 503,
    money.LedgerError: 422,
    money.InsufficientBudget: 402,
    money.OrganisationCapReached: 402,
    money.BudgetFrozen: 403,
    money.ReferenceConflict: 409,
    money.UnknownHold: 409,
    money.HoldAlreadyResolved: 409,
    money.MoreThanCharged: 409,
    money.GrantInUse: 409,
    money.SpentBelowZero: 409,
    money.ReasonMissing: 422,
    money.InvalidAmount: 422,
    money.InvalidMonth: 422,
    money.MonthToCome: 422,
    money.LedgerBusy: 503,
    money.RuleBroken: 500,
    PlanOutdated: 409,
    HouseFault: 503,
}


def status_of(error: Exception) -> int:
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
