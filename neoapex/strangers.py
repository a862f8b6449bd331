"""Limits how often an address may call without being anybody."""

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from neoapex import problems
from studio import limits
from studio.errors import AddressRateReached

# Whoever watches over the studio asks often and is nobody. fal's callbacks don't come this way at all.
HEALTH_PATHS = ("/healthz", "/readyz", "/metrics")
# Here a token may say who it is, which only the API itself finds out.
TOKEN_PATHS = ("/api/", "/credits/")


class StrangersRate:
    """Middleware that counts each call of somebody who isn't logged in, and refuses those above the rate.

    It stands behind the sessions, so that nobody who is logged in is held up by strangers at the same address.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info in HEALTH_PATHS:
            return self._get_response(request)
        if request.path_info.startswith(TOKEN_PATHS) and "Authorization" in request.headers:
            response = self._get_response(request)
            return (response.status_code == 401 and _refusal(request)) or response
        return _refusal(request) or self._get_response(request)


def count(request: HttpRequest) -> None:
    """Count a stranger's call. :raises AddressRateReached: it is one too many."""
    if settings.NEOAPEX_ADDRESS_RATE is not None:
        limits.count_stranger(get_adapter().get_client_ip(request))


def problem_of(error: AddressRateReached) -> dict[str, Any]:
    return problems.problem(error.code, str(error.message), str(error.hint), retry_after=error.retry_after_seconds)


def _refusal(request: HttpRequest) -> HttpResponseBase | None:
    if settings.NEOAPEX_ADDRESS_RATE is None or request.user.is_authenticated:
        return None
    try:
        count(request)
    except AddressRateReached as error:
        return problems.answer(request, 429, problem_of(error))
    return None
