"""What a refused form answers with, beside the reason that is shown in it."""

from django.http import HttpResponse

from ledger.errors import LedgerError
from studio.errors import InvalidInput, Problem, StudioError
from studio.media.errors import HouseFault


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
