"""The short way in for fal's callbacks, past everything that is there for people."""

import logging
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

from django.db import Error, close_old_connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import resolve
from django_guid.utils import generate_guid

from webhooks import gate, views

logger = logging.getLogger(__name__)

PREFIX = "/webhooks/"

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def turned_away(scope: MutableMapping[str, Any], body: bytes) -> tuple[int, dict[str, Any]] | None:
    """The status and the structured error for a forged callback, before it takes a thread; None for all else."""
    if not scope["path"].startswith(PREFIX):
        return None
    error = gate.refusal(scope, body)
    return None if error is None else views.problem_of(error, generate_guid())


def stored_first(django: Wsgi) -> Wsgi:
    """A WSGI application that stores what the gate has verified, and leaves all else to Django.

    What Django does around a view would cost a callback as much time again as storing it.
    """

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        callback = gate.verified(environ)
        if callback is None:
            return django(environ, start_response)
        # As Django does before each request.
        close_old_connections()
        try:
            views.store(callback.signed, callback.generation_id, environ["wsgi.input"].getvalue())
        except Error:
            # The view tries once more, and says in the one shape what is wrong.
            logger.warning("callback not stored at once", exc_info=True)
            return django(environ, start_response)
        start_response("200 OK", [("Content-Length", "0"), ("X-Request-Id", generate_guid())])
        return []

    return application


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
