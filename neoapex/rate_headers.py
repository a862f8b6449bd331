"""Tells programs how often they may ask for songs, and how much of that is left.

The fields are those of the IETF's draft on rate limits, `RateLimit-Policy` and `RateLimit`: the older ones that begin
with X- have no one meaning. What is left costs a look into Redis, so only an answer to a POST tells it.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from studio import limits
from studio.models import User

PATHS = ("/api/", "/credits/")


class RateHeaders:
    """Middleware around everything that programs call."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        # Whose token it is, only the API itself finds out: so this looks afterwards.
        if not request.path_info.startswith(PATHS) or not isinstance(request.user, User):
            return response
        policy = limits.policy()
        if policy:
            response["RateLimit-Policy"] = ", ".join(
                f'"{name}";q={rate.amount};w={rate.get_expiry()}' for name, rate in policy
            )
        if request.method == "POST" and (left := limits.left(request.user)):
            response["RateLimit"] = ", ".join(f'"{name}";r={count};t={seconds}' for name, count, seconds in left)
        return response
