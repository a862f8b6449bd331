"""Puts the studio's rules on the bucket."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studio.media import lifecycle
from studio.media.errors import HouseFault
from studio.media.storage import default_storage


class Command(BaseCommand):
    help = (
        "Put the studio's rules on the bucket: masters to cold storage, unfinished uploads ended. Prints what changes. "
        "Rules of others are left alone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="print what would change, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        bucket = lifecycle.bucket_of(default_storage())
        if bucket is None:
            self.stdout.write("The files lie in a folder, not in a bucket: there is nothing to do.")
            return
        try:
            present = lifecycle.read(bucket)
            difference = lifecycle.difference(present["Rules"])
            if difference and not options["dry_run"]:
                lifecycle.apply(bucket, present)
        except (HouseFault, FileNotFoundError) as error:
            raise CommandError(f"{bucket.bucket_name}: {error}") from None
        for warning in lifecycle.warnings(present["Rules"]):
            self.stderr.write(warning)
        self.stdout.write(difference or f"{bucket.bucket_name} has the rules already.")
        if difference:
            self.stdout.write(
                "Nothing was changed." if options["dry_run"] else f"{bucket.bucket_name} has the rules now."
            )
