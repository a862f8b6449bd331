"""What Django's own checks can't know of a studio in production."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.files, deploy=True)
def masters_outlive_the_machine(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[checks.CheckMessage]:  # noqa: ARG001
    if settings.NEOAPEX_ENV != "production" or settings.AWS_STORAGE_BUCKET_NAME:
        return []
    return [
        checks.Info(
            f"Songs are kept on this machine's disk, in {settings.NEOAPEX_HOME / 'media'}.",
            hint="Set AWS_STORAGE_BUCKET_NAME, or back that folder up and silence studio.I001.",
            id="studio.I001",
        )
    ]
