"""Registers the neoapex app."""

from django.apps import AppConfig

from neoapex.celery import app


class NeoapexConfig(AppConfig):
    name = "neoapex"
    verbose_name = "Neo-Apex"

    def ready(self) -> None:
        app.finalize()
