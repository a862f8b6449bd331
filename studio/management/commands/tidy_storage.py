"""Compares the storage with the books."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from studio import housekeeping
from studio.media.errors import HouseFault
from studio.media.storage import Listed

SHOWN: Final = 20


def hours(text: str) -> int:
    """At least one: what is younger may belong to a song that is being saved."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 24 * 365:
        raise ArgumentTypeError(f"{text!r} is no number of hours from 1 on")
    return int(text)


class Command(BaseCommand):
    help = (
        "Find files without a track and tracks without their files. Changes nothing unless told to: with --apply, "
        "files without a track are deleted, and tracks without a file get an alarm for admins. Exit 1 where there is "
        "anything."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--apply", action="store_true", help="put right what can be")
        parser.add_argument(
            "--older-than", type=hours, default=24, metavar="HOURS", help="leave younger files alone; 24 unless given"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        before = timezone.now() - timedelta(hours=options["older_than"])
        try:
            found = self._orphans(housekeeping.orphans(before), apply=options["apply"])
            found += self._incomplete(housekeeping.incomplete(before), apply=options["apply"])
            self._strangers(housekeeping.strangers())
        except HouseFault as fault:
            raise CommandError(str(fault), returncode=2) from None
        if found and not options["apply"]:
            self.stdout.write("Nothing was changed: --apply does.")
            raise SystemExit(1)

    def _orphans(self, orphans: Iterator[Listed], *, apply: bool) -> int:
        count = size_bytes = deleted = 0
        while page := list(islice(orphans, housekeeping.AT_ONCE)):
            for found in page[: max(0, SHOWN - count)]:
                self.stdout.write(
                    f"  {found.key}  {filesizeformat(found.size_bytes)}  {found.modified_at:%Y-%m-%d %H:%M}"
                )
            count += len(page)
            size_bytes += sum(found.size_bytes for found in page)
            deleted += housekeeping.delete(page) if apply else 0
        done = f"; {deleted} deleted" if apply else ""
        self.stdout.write(f"{count} files without a track, {filesizeformat(size_bytes)}{done}.")
        return count

    def _incomplete(self, incomplete: Iterator[housekeeping.Incomplete], *, apply: bool) -> int:
        count = 0
        for found in incomplete:
            if found.keys:
                count += 1
                self.stdout.write(f"  {found.track.pk}  {found.track.person}  lacks {', '.join(found.keys)}")
            if apply:
                housekeeping.mark(found)
        self.stdout.write(f"{count} tracks without all of their files{'; admins see them' if apply and count else ''}.")
        return count

    def _strangers(self, strangers: Iterator[Listed]) -> None:
        found = list(islice(strangers, SHOWN))
        for stranger in found:
            self.stdout.write(f"  {stranger.key} is not of the studio’s making, and is left alone.")
