"""The Celery app. Its messages are doorbells: what there is to do stands in the database."""

import os
from importlib import import_module
from typing import Any

from celery import Celery
from celery.signals import celeryd_after_setup, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neoapex.settings")

app = Celery("neoapex")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Threads of the web process ring too, so it must be the app of every thread and not only of the one that imported it.
app.set_default()


@setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    """That this is connected keeps Celery from setting the root logger's level, which would hide our own lines."""


@celeryd_after_setup.connect
def _load_what_reads_audio(instance: Any, **_: object) -> None:
    """Once, before the children that fetch tracks are forked, and in no other worker."""
    if "media" in instance.app.amqp.queues.consume_from:
        import_module("studio.media.ingest")
