"""What browsers report of the content security policy: a line in the log each, few enough that nobody can flood it."""

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from neoapex import problems
from studio import limits

logger = logging.getLogger(__name__)

MAX_BYTES = 8 * 1024
MAX_CHARACTERS = 120
# A browser may send several together.
MAX_REPORTS = 5
# By the names of both ways in which browsers report.
FIELDS = {
    "directive": ("effective-directive", "violated-directive", "effectiveDirective"),
    "blocked": ("blocked-uri", "blockedURL"),
    "page": ("document-uri", "documentURL"),
}


class NoReport(Exception):
    """It is JSON, and nothing that a browser sends."""


@csrf_exempt
@require_POST
def take(request: HttpRequest) -> HttpResponse:
    """Anybody may report, for a browser sends neither a token nor always a session."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
        return problems.too_large(request)
    if not limits.is_report_taken(get_adapter().get_client_ip(request)):
        # Nobody reads the answer, and a refusal would stand as an error in the console of every page.
        return HttpResponse(status=204)
    try:
        reports = list(_reports(json.loads(request.body)))
    except (ValueError, RecursionError, NoReport):
        hint = _("Send what a browser sends.")
        return problems.answer(request, 422, problems.problem("invalid_report", _("That is no report."), hint))
    for report in reports[:MAX_REPORTS]:
        logger.warning("csp violation", extra=report)
    return HttpResponse(status=204)


def _reports(body: Any) -> Iterator[dict[str, str]]:
    for entry in body if isinstance(body, list) else [body]:
        told = entry.get("csp-report", entry.get("body")) if isinstance(entry, Mapping) else None
        if not isinstance(told, Mapping):
            raise NoReport
        yield {
            name: _short(name, next((told[key] for key in keys if key in told), "")) for name, keys in FIELDS.items()
        }


def _short(name: str, value: object) -> str:
    """Where it was, without what an address may carry: of others' the origin, of ours the path."""
    text = str(value)
    parts = urlsplit(text)
    if parts.netloc:
        text = parts.path if name == "page" else f"{parts.scheme}://{parts.hostname or ''}"
    return "".join(mark for mark in text[:MAX_CHARACTERS] if mark.isprintable())
