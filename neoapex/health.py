"""Is the process alive, and is every part that it needs within reach."""

import logging

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from neoapex import problems
from studio import redis_server
from studio.media.errors import HouseFault
from studio.media.storage import default_storage

logger = logging.getLogger(__name__)


@csrf_exempt
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return JsonResponse({"alive": True})


@csrf_exempt
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 where database, Redis and storage answer; else 503 that names those which don't."""
    checks = {"database": _database, "redis": _redis, "storage": _storage}
    missing = []
    for name, check in checks.items():
        try:
            check()
        except (DatabaseError, RedisError, OSError, HouseFault) as error:
            logger.warning("not ready", extra={"part": name, "error": type(error).__name__})
            missing.append(name)
    if not missing:
        return JsonResponse({"ready": True, "parts": dict.fromkeys(checks, True)})
    message = _("Not within reach: %s.") % ", ".join(missing)
    body = problems.problem("not_ready", message, _("Try again in a moment."), retry_after=5, missing=missing)
    return problems.answer(request, 503, body)


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _redis() -> None:
    redis_server.connection().ping()


def _storage() -> None:
    default_storage().probe()
