"""The peer of the webhook benchmark: Django with one view that verifies and inserts, and nothing else.

The same server, the same router in front, the same database, the same number of threads; no middleware, no apps.
"""

import hashlib
import os
import time

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from environ import Env
from nacl.signing import VerifyKey

# Under Django's ASGI handler a connection for each thread would soon be too many; there it takes from a pool.
POOLED: dict[str, object] = {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": {"min_size": 4, "max_size": 16}}}
KEPT = POOLED if os.environ["BARE_APPLICATION"] == "django_asgi" else {"CONN_MAX_AGE": 60}

settings.configure(
    SECRET_KEY="bare",  # noqa: S106
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": Env.db_url_config(os.environ["BARE_DATABASE_URL"]) | KEPT},
    USE_TZ=True,
    DJANGO_GUID={},
)
django.setup()

from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

from neoapex.bridge import Pages  # noqa: E402

KEY = VerifyKey(bytes.fromhex(os.environ["BARE_PUBLIC_KEY"]))


def accept(request: HttpRequest) -> HttpResponse:
    body = request.body
    headers = [request.headers[f"X-Fal-Webhook-{name}"] for name in ("Request-Id", "User-Id", "Timestamp")]
    message = "\n".join([*headers, hashlib.sha256(body).hexdigest()]).encode()
    KEY.verify(message, bytes.fromhex(request.headers["X-Fal-Webhook-Signature"]))
    if abs(time.time() - int(headers[2])) > 300:
        return HttpResponse(status=403)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO bare_delivery (request_id, body) VALUES (%s, %s)", [headers[0], body])
    return HttpResponse(status=200)


urlpatterns = [path("webhook/", accept)]

# The three ways to serve it: pure WSGI, Django's own ASGI handler, and WSGI inside an ASGI router as the studio does.
wsgi = get_wsgi_application()
django_asgi = get_asgi_application()
application = Pages(wsgi, int(os.environ.get("NEOAPEX_WEB_THREADS", "8")))
