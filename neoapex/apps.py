"""Registers the neoapex app."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings

from neoapex.celery import app


class NeoapexConfig(AppConfig):
    name = "neoapex"
    verbose_name = "Neo-Apex"

    def ready(self) -> None:
        app.finalize()
        if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
            # Loaded here, so that whoever traces nothing pays nothing.
            import_module("neoapex.tracing").start()
