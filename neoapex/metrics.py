"""`/metrics`: for monitoring alone, and at most every few seconds worth the look."""

import hmac
import threading
import time
from ipaddress import ip_address

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from neoapex import problems
from neoapex.collector import Studio

KEPT_SECONDS = 5.0

registry = CollectorRegistry()
registry.register(Studio())


class _Kept:
    """The last answer. Whoever comes while it is made anew waits for that, so there is one look at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = b""
        self._made_at = -KEPT_SECONDS

    def text(self) -> bytes:
        with self._lock:
            if time.monotonic() - self._made_at >= KEPT_SECONDS:
                self._text = generate_latest(registry)
                self._made_at = time.monotonic()
            return self._text


kept = _Kept()


@csrf_exempt
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if refusal := _refusal(request):
        return refusal
    return HttpResponse(kept.text(), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """None for whoever has the token or calls from one of the networks; in embedded mode for everybody."""
    if settings.EMBEDDED or _has_token(request) or _is_near(request):
        return None
    hint = _("Send NEOAPEX_METRICS_TOKEN as `Authorization: Bearer …`, or call from one of NEOAPEX_METRICS_NETWORKS.")
    response = problems.answer(request, 401, problems.problem("unauthenticated", _("This is for monitoring."), hint))
    response["WWW-Authenticate"] = "Bearer"
    return response


def _has_token(request: HttpRequest) -> bool:
    scheme, _space, sent = request.headers.get("Authorization", "").partition(" ")
    token = settings.NEOAPEX_METRICS_TOKEN
    same = hmac.compare_digest(sent.strip().encode(), token.encode())
    return bool(token) and scheme.lower() == "bearer" and same


def _is_near(request: HttpRequest) -> bool:
    try:
        address = ip_address(get_adapter().get_client_ip(request))
    except ValueError:
        return False
    return any(address in network for network in settings.NEOAPEX_METRICS_NETWORKS)
