"""Registers the studio app."""

from django.apps import AppConfig


class StudioConfig(AppConfig):
    name = "studio"
    verbose_name = "Studio"

    def ready(self) -> None:
        """A taxonomy that can't be read stops the start, and not the first musician who opens the picker."""
        from studio.tags import taxonomy  # noqa: PLC0415 - apps come first

        taxonomy.taxonomy()
