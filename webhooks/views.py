"""The front door for fal: verify, store, answer."""

import time
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django_guid import get_guid

from webhooks import addresses, deliveries, signatures, stale, tallies
from webhooks.errors import BodyTooLarge, MethodNotAllowed, NotVerified, OutOfReach, WebhookError
from webhooks.limits import BODY_MAX_BYTES
from webhooks.models import Outcome

STATUSES: dict[type[WebhookError], int] = {NotVerified: 403, MethodNotAllowed: 405, BodyTooLarge: 413}


@csrf_exempt
def fal(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """Store one callback. 200 stored or seen before, 403 not from fal, 413 too large, 503 can't tell now."""
    try:
        signed, body = _verified(request)
    except WebhookError as error:
        tallies.add(error.outcome)
        if isinstance(error, NotVerified) and error.stale_request_id is not None:
            stale.ask_once(generation_id, error.stale_request_id)
        return _refusal(error)
    store(signed, generation_id, body)
    return HttpResponse(status=200)


def store(signed: signatures.Signed, generation_id: UUID, body: bytes) -> None:
    """Store what is verified; a repeat is only counted."""
    if not deliveries.receive(signed, generation_id, body):
        tallies.add(Outcome.REPEAT)


def _verified(request: HttpRequest) -> tuple[signatures.Signed, bytes]:
    if request.method != "POST":
        raise MethodNotAllowed
    addresses.check(request.META)
    body = _body(request)
    return signatures.active().verify(request.headers, body, now=time.time()), body


def _body(request: HttpRequest) -> bytes:
    """The raw body, read no further than the limit whatever its declared length."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > BODY_MAX_BYTES:
        raise BodyTooLarge
    body = request.read(BODY_MAX_BYTES + 1)
    if len(body) > BODY_MAX_BYTES:
        raise BodyTooLarge
    return bytes(body)


def problem_of(error: WebhookError, request_id: str | None) -> tuple[int, dict[str, object]]:
    """The status and the structured error."""
    problem: dict[str, object] = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "requestId": request_id,
    }
    if isinstance(error, OutOfReach):
        problem["retry_after"] = error.retry_after_seconds
    return STATUSES.get(type(error), 503), problem


def _refusal(error: WebhookError) -> JsonResponse:
    status, problem = problem_of(error, get_guid())
    response = JsonResponse(problem, status=status)
    if isinstance(error, OutOfReach):
        response["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, MethodNotAllowed):
        response["Allow"] = "POST"
    # Else Django writes a line about each refusal, which the tallies sum up.
    response._has_been_logged = True  # type: ignore[attr-defined] # noqa: SLF001
    return response
