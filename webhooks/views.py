"""The front door for fal: verify, store, answer."""

import time
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django_guid import get_guid

from webhooks import addresses, deliveries, signatures, stale, tallies
from webhooks.errors import BodyTooLarge, MethodNotAllowed, NotVerified, OutOfReach, WebhookError
from webhooks.models import Outcome

# A song's result is below 10 KB; an error of fal's that quotes the input stays far below this too.
BODY_MAX_BYTES = 256 * 1024
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
    if not deliveries.receive(signed, generation_id, body):
        tallies.add(Outcome.REPEAT)
    return HttpResponse(status=200)


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


def _refusal(error: WebhookError) -> JsonResponse:
    problem: dict[str, object] = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "requestId": get_guid(),
    }
    if isinstance(error, OutOfReach):
        response = JsonResponse(problem | {"retry_after": error.retry_after_seconds}, status=503)
        response["Retry-After"] = str(error.retry_after_seconds)
        return response
    response = JsonResponse(problem, status=STATUSES[type(error)])
    if isinstance(error, MethodNotAllowed):
        response["Allow"] = "POST"
    return response
