"""Looks once for what nobody finished."""

from typing import Any

from django.core.management.base import BaseCommand

from studio import sweep


class Command(BaseCommand):
    help = "Look once for generations and tracks that nobody finished, and see to them."

    def handle(self, *args: Any, **options: Any) -> None:
        sweep.sweep()
