"""The short way in for fal's callbacks, past everything that is there for people."""

from collections.abc import Callable, MutableMapping
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import resolve
from django_guid.utils import generate_guid

from webhooks import gate, views

PREFIX = "/webhooks/"


def turned_away(scope: MutableMapping[str, Any], body: bytes) -> tuple[int, dict[str, Any]] | None:
    """The status and the structured error for a forged callback, before it takes a thread; None for all else."""
    if not scope["path"].startswith(PREFIX):
        return None
    error = gate.refusal(scope, body)
    return None if error is None else views.problem_of(error, generate_guid())


class FrontDoor:
    """Middleware that answers callbacks itself: they have no session, no cookies, no language and no page.

    The middleware behind it would cost a callback as much time as verifying and storing it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PREFIX):
            return self._get_response(request)
        match = request.resolver_match = resolve(request.path_info, "webhooks.urls")
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        return response
