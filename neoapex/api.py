"""The one API object: who is asking, and how each error is answered."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import resolve, reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer, SessionAuth

from ledger import errors as money
from ledger.api import credits_router
from neoapex import problems, scopes
from neoapex.description import Described
from studio import errors as studio
from studio import tokens
from studio.api import router as studio_router
from studio.experiment_api import router as experiments_router
from studio.http_statuses import status_of
from studio.library_api import router as library_router
from studio.media.errors import HouseFault
from studio.models import User
from studio.retouch_api import router as retouch_router
from studio.statement_api import router as ledger_router

logger = logging.getLogger(__name__)


class PersonalToken(HttpBearer):
    """`Authorization: Bearer nxa_…`. It needs no CSRF cookie: no browser sends a token by itself."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        person = tokens.person_of(token, scopes.needed(request))
        if person is not None:
            request.user = person
        return person


class Session(SessionAuth):
    """The browser's session, with CSRF protection on everything that writes."""

    def __call__(self, request: HttpRequest) -> Any | None:
        # Who nobody is comes before what they may write: a program with a revoked token has no page to reload.
        if not request.user.is_authenticated:
            return None
        return super().__call__(request)

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:  # noqa: ARG002
        return request.user if isinstance(request.user, User) and request.user.is_active else None


api = Described(
    title="Neo-Apex",
    version="1",
    description="Make songs with Sonauto v2, with a budget that holds.",
    auth=[PersonalToken(), Session(csrf=True)],
    urls_namespace="api",
)
api.add_router("", studio_router)
api.add_router("", library_router)
api.add_router("", retouch_router)
api.add_router("/credits", credits_router)
api.add_router("/ledger", ledger_router)
api.add_router("/experiments", experiments_router)

# Where an error names no time of its own.
RETRY_AFTER_SECONDS = {429: 30, 503: 2}


def domain_error(request: HttpRequest, error: Any) -> HttpResponse:
    more: dict[str, object] = {}
    if isinstance(error, studio.InvalidInput):
        more["problems"] = [
            {"field": p.field, "code": p.code, "message": str(p.message), "hint": str(p.hint)} for p in error.problems
        ]
    status = status_of(error)
    if status >= 500 and not isinstance(error, studio.FalUnavailable | studio.NoRestore):
        logger.error("domain error", exc_info=error)
    retry_after = getattr(error, "retry_after_seconds", RETRY_AFTER_SECONDS.get(status))
    hint = str(error.hint) or _("See /api/docs for what is taken here.")
    body = problems.problem(error.code, str(error.message), hint, retry_after=retry_after, **more)
    return problems.answer(request, status, body)


def invalid_request(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """ninja's own look at parameters and bodies, in our shape. What was sent is not repeated."""
    found = [
        {
            "field": ".".join(str(part) for part in item["loc"][1:]) or None,
            "code": item["type"],
            "message": item["msg"],
            "hint": _("See /api/docs for what is taken here."),
        }
        for item in error.errors
    ]
    first = found[0] if found else {"field": None, "message": _("The request can't be read.")}
    message = f"{first['field']}: {first['message']}" if first["field"] else str(first["message"])
    body = problems.problem("invalid_input", message, _("See /api/docs for what is taken here."), problems=found)
    return problems.answer(request, 422, body)


def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if error.status_code == 400:
        hint = _("Send one JSON object in UTF-8, with each name once.")
        return problems.answer(request, 422, problems.problem("invalid_json", _("The body is no JSON object."), hint))
    if error.status_code == 403:
        # The only thing that ninja forbids by itself is a write by session without the token of the page.
        return problems.csrf_failure(request, str(error))
    code = {415: "unsupported_media_type"}.get(error.status_code, "http_error")
    body = problems.problem(code, str(error), _("See /api/docs for what is taken here."))
    return problems.answer(request, error.status_code, body)


def unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:  # noqa: ARG001
    hint = _("Log in, or send a personal token as `Authorization: Bearer …`.")
    response = problems.answer(request, 401, problems.problem("unauthenticated", _("Who are you?"), hint))
    response["WWW-Authenticate"] = "Bearer"
    return response


def suspicious(request: HttpRequest, error: SuspiciousOperation) -> HttpResponse:
    return problems.bad_request(request, error)


def forbidden(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return problems.forbidden(request, error)


def gone(request: HttpRequest, error: Http404) -> HttpResponse:
    return problems.not_found(request, error)


def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.error("unexpected error", exc_info=error)
    return problems.server_error(request)


api.exception_handler(studio.StudioError)(domain_error)
api.exception_handler(money.LedgerError)(domain_error)
api.exception_handler(HouseFault)(domain_error)
api.exception_handler(ValidationError)(invalid_request)
api.exception_handler(HttpError)(http_error)
api.exception_handler(AuthenticationError)(unauthenticated)
api.exception_handler(SuspiciousOperation)(suspicious)
api.exception_handler(PermissionDenied)(forbidden)
api.exception_handler(Http404)(gone)
api.exception_handler(Exception)(unexpected)


@csrf_exempt
def balance_as_before(request: HttpRequest) -> HttpResponse:
    """`/credits/balance`, where programs of old look for it: the same answer as `/api/credits/balance`."""
    answer: HttpResponse = resolve(reverse("api:balance")).func(request)
    return answer
