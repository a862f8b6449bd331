"""One shape for every error, for browsers as a page and for programs as JSON."""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django_guid import get_guid

logger = logging.getLogger(__name__)

# Everything below these is for programs, whatever they say they accept.
PROGRAM_PATHS = ("/api/", "/webhooks/", "/credits/", "/healthz", "/readyz")


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
    if request.path.startswith(PROGRAM_PATHS) or not request.accepts("text/html"):
        response: HttpResponse = JsonResponse(body, status=status)
    else:
        context = {**body, "request_id": body["requestId"], "status": status}
        response = render(request, "error.html", context, status=status)
    if "retry_after" in body:
        response["Retry-After"] = str(body["retry_after"])
    return response


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
    hint = _("Try again. If it stays, give the admin the request id.")
    return answer(request, 500, problem("internal_error", _("Something broke on our side."), hint))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    logger.info("csrf refused", extra={"reason": reason})
    hint = _("Reload the page and try again; programs use a personal token instead of the session.")
    return answer(
        request, 403, problem("csrf_failed", _("The page was too old, or this came from another site."), hint)
    )


def method_not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    hint = _("Allowed here: %s.") % allowed
    return answer(request, 405, problem("method_not_allowed", _("This address doesn't take that method."), hint))


class StructuredErrors:
    """Middleware that gives Django's own bare refusals, those without a body of ours, the structured shape."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if response.status_code != 405 or response.get("Content-Type", "").startswith("application/json"):
            return response
        shaped = method_not_allowed(request, response.get("Allow", ""))
        shaped["Allow"] = response.get("Allow", "")
        return shaped
