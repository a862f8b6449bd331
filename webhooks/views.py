"""The front door for fal: verify, store, answer."""

import logging
import time
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django_guid import get_guid

from studio import sweep
from webhooks import deliveries, signatures
from webhooks.errors import BodyTooLarge, KeysUnreachable, MethodNotAllowed, NotVerified, WebhookError

logger = logging.getLogger(__name__)

# A song's result is below 10 KB; an error of fal's that quotes the input stays far below this too.
BODY_MAX_BYTES = 256 * 1024


@csrf_exempt
def fal(request: HttpRequest, generation_id: UUID) -> HttpResponse:
    """Store one callback. 200 stored or seen before, 403 not from fal, 413 too large, 503 can't tell now."""
    if request.method != "POST":
        response = _refusal(MethodNotAllowed(), 405)
        response["Allow"] = "POST"
        return response
    try:
        body = _body(request)
        signed = signatures.active().verify(request.headers, body, now=time.time())
    except NotVerified as error:
        logger.warning("callback refused", extra={"detail": error.detail, "generation": str(generation_id)})
        if error.stale_request_id is not None:
            sweep.ask_soon(generation_id, error.stale_request_id)
        return _refusal(error, 403)
    except BodyTooLarge as error:
        return _refusal(error, 413)
    except KeysUnreachable as error:
        response = _refusal(error, 503)
        response["Retry-After"] = str(error.retry_after_seconds)
        return response
    deliveries.receive(signed, generation_id, body)
    return HttpResponse(status=200)


def _body(request: HttpRequest) -> bytes:
    """The raw body, read no further than the limit whatever its declared length."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > BODY_MAX_BYTES:
        raise BodyTooLarge
    body = request.read(BODY_MAX_BYTES + 1)
    if len(body) > BODY_MAX_BYTES:
        raise BodyTooLarge
    return bytes(body)


def _refusal(error: WebhookError, status: int) -> JsonResponse:
    problem: dict[str, object] = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "requestId": get_guid(),
    }
    if isinstance(error, KeysUnreachable):
        problem["retry_after"] = error.retry_after_seconds
    return JsonResponse(problem, status=status)
