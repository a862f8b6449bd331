"""The other peer of the webhook benchmark: dj-stripe's own view, behind the same router and no middleware."""

import os

from django.core.wsgi import get_wsgi_application


def ignore(event: object, api_key: str) -> None:
    """What dj-stripe does with an event that is stored."""


def _application() -> object:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.djstripe_settings")
    wsgi = get_wsgi_application()
    from neoapex.bridge import Pages  # noqa: PLC0415 - it reads Django's settings

    return Pages(wsgi, int(os.environ.get("NEOAPEX_WEB_THREADS", "8")))


# dj-stripe imports this module for `ignore` too, when Django is set up already.
if os.environ.get("DJSTRIPE_SERVES"):
    os.environ.pop("DJSTRIPE_SERVES")
    application = _application()
