"""One shape for every error, for browsers as a page and for programs as JSON."""

import json
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, InternalError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django_guid import get_guid
from psycopg.errors import ReadOnlySqlTransaction

logger = logging.getLogger(__name__)

# Everything below these is for programs, whatever they say they accept.
PROGRAM_PATHS = ("/api/", "/webhooks/", "/credits/", "/healthz", "/readyz", "/metrics", "/csp-reports/")

DATABASE_AWAY_SECONDS = 5


def problem(
    code: str, message: str, hint: str = "", *, retry_after: int | None = None, **more: object
) -> dict[str, Any]:
    """The structured error. `requestId` is the one in the logs and in the answer's X-Request-Id."""
    body: dict[str, Any] = {"code": code, "message": message, "hint": hint, "requestId": get_guid()}
    if retry_after is not None:
        body["retry_after"] = retry_after
    return body | more


def answer(request: HttpRequest, status: int, body: dict[str, Any]) -> HttpResponse:
    """The error as JSON or as a page, by where it happened and what was asked for."""
    response = _page(request, status, body) if _wants_page(request) else JsonResponse(body, status=status)
    if "retry_after" in body:
        response["Retry-After"] = str(body["retry_after"])
    return response


def _wants_page(request: HttpRequest) -> bool:
    """A browser names HTML when it opens a page; a program that takes anything gets JSON."""
    if request.path.startswith(PROGRAM_PATHS):
        return False
    preferred = request.get_preferred_type(["application/json", "text/html"])
    return preferred == "text/html" or "HX-Request" in request.headers


def _page(request: HttpRequest, status: int, body: dict[str, Any]) -> HttpResponse:
    context = {**body, "request_id": body["requestId"], "status": status}
    try:
        return render(request, "error.html", context, status=status)
    except Exception:
        # Whatever broke may have broken the page too, a database that is away for instance: the answer stays.
        logger.exception("error page not rendered")
        return JsonResponse(body, status=status)


async def send_plain(
    send: Callable[[dict[str, Any]], Awaitable[None]],
    status: int,
    body: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
) -> None:
    """The error straight to an ASGI server, where there is no request of Django's yet."""
    told = {
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-request-id": str(body["requestId"]),
        **({"retry-after": str(body["retry_after"])} if "retry_after" in body else {}),
        **(headers or {}),
    }
    raw = [(name.encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": json.dumps(body).encode(), "more_body": False})


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return too_large(request)
    return answer(
        request, 400, problem("bad_request", _("The request can't be understood."), _("Check what was sent."))
    )


def too_large(request: HttpRequest) -> HttpResponse:
    hint = _("A request may have %d KiB.") % (settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024)
    return answer(request, 413, problem("too_large", _("This is larger than anything taken here."), hint))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    return answer(request, 403, problem("forbidden", _("This is not for you."), _("Log in as somebody who may.")))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    hint = _("Check the address, or look for it in your songs.")
    return answer(request, 404, problem("not_found", _("There is nothing here that is yours."), hint))


def server_error(request: HttpRequest) -> HttpResponse:
    # Whoever calls this is answering the exception that is being handled, and hands nothing else over.
    if _is_database_away(sys.exception()):
        return database_away(request)
    hint = _("Try again. If it stays, give the admin the request id.")
    return answer(request, 500, problem("internal_error", _("Something broke on our side."), hint))


def _is_database_away(error: BaseException | None) -> bool:
    """No connection, none left, or one to a server that only reads because another has taken over from it."""
    away = isinstance(error, OperationalError | InterfaceError)
    return away or (isinstance(error, InternalError) and isinstance(error.__cause__, ReadOnlySqlTransaction))


def database_away(request: HttpRequest) -> HttpResponse:
    """No fault of the request's, and none that stays: a program should come again."""
    hint = _("Try again in a moment.")
    message = _("The studio can't reach its database right now.")
    return answer(request, 503, problem("not_ready", message, hint, retry_after=DATABASE_AWAY_SECONDS))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    logger.info("csrf refused", extra={"reason": reason})
    hint = _("Reload the page and try again; programs use a personal token instead of the session.")
    return answer(
        request, 403, problem("csrf_failed", _("The page was too old, or this came from another site."), hint)
    )


def method_not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    hint = _("Allowed here: %s.") % allowed
    return answer(request, 405, problem("method_not_allowed", _("This address doesn't take that method."), hint))


def range_not_satisfiable(request: HttpRequest) -> HttpResponse:
    hint = _("Content-Range says how many bytes there are.")
    return answer(request, 416, problem("range_not_satisfiable", _("The file ends before that range."), hint))


def too_many_requests(request: HttpRequest) -> HttpResponse:
    hint = _("Wait a minute, then try again.")
    body = problem("too_many_requests", _("That was tried too often."), hint, retry_after=60)
    return answer(request, 429, body)


class StructuredErrors:
    """Middleware that refuses what is too large for any page, and shapes bare refusals, those without a body of ours.

    It stands inside the middleware that sets security headers, so that its answers have them too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Django's own limit does not count uploaded files, and nothing here takes any.
        if _declared_bytes(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return too_large(request)
        response = self._get_response(request)
        if response.status_code not in {405, 416} or response.get("Content-Type", "").startswith("application/json"):
            return response
        if response.status_code == 405:
            shaped = method_not_allowed(request, response.get("Allow", ""))
        else:
            shaped = range_not_satisfiable(request)
        for name, value in response.items():
            shaped.setdefault(name, value)
        shaped["Content-Length"] = str(len(shaped.content))
        return shaped


def _declared_bytes(request: HttpRequest) -> int:
    declared = str(request.META.get("CONTENT_LENGTH") or "0")
    return int(declared[:20]) if declared.isascii() and declared.isdigit() else 0
