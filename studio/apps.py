"""Registers the studio app."""

from django.apps import AppConfig


class StudioConfig(AppConfig):
    name = "studio"
    verbose_name = "Studio"

    def ready(self) -> None:
        """Registers the checks. A taxonomy that can't be read stops the start, and not who first opens the picker."""
        from studio import checks  # noqa: F401, PLC0415 - importing them registers them
        from studio.tags import taxonomy  # noqa: PLC0415 - apps come first

        taxonomy.taxonomy()
