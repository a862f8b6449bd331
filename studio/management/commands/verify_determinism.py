"""Makes a track again from its recipe and compares the two, at a price that is said first."""

import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from ledger.errors import LedgerError
from ledger.money import display_dollars
from studio import determinism
from studio.errors import StudioError
from studio.media.errors import AudioUnreadable
from studio.models import Generation, Track
from studio.states import GenerationState

CANT_TELL = 2
LOOK_SECONDS = 1.0
ENDED = (GenerationState.READY, GenerationState.FAILED, GenerationState.CANCELLED)


class Command(BaseCommand):
    help = (
        "Make a track again from its recipe and compare the audio: does the same recipe give the same song? It costs "
        "what the song costs, on its person's budget, and asks first. A studio has to be running. Exit 0 where the two "
        "are the same, 1 where they differ, 2 where it can't be told."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("track_id", type=UUID)
        parser.add_argument("--yes", action="store_true", help="don't ask whether to pay")
        parser.add_argument("--wait", type=float, default=900.0, help="seconds to wait for the song; 900")

    def handle(self, *args: Any, **options: Any) -> None:
        track = Track.objects.filter(pk=options["track_id"]).select_related("generation", "person").first()
        if track is None or track.master_bytes is None:
            raise CommandError("There is no such track, or it can't be heard.", returncode=CANT_TELL)
        try:
            found = self._find_out(track, yes=options["yes"], seconds=options["wait"])
        except (StudioError, LedgerError) as error:
            raise CommandError(f"{error.message} {error.hint}", returncode=CANT_TELL) from None
        except AudioUnreadable as error:
            raise CommandError(f"The songs can't be compared: {error}", returncode=CANT_TELL) from None
        self.stdout.write(as_text(found))
        if found.answer == "different":
            raise SystemExit(1)

    def _find_out(self, track: Track, *, yes: bool, seconds: float) -> determinism.Comparison:
        price = display_dollars(determinism.price_micros(track))
        self.stderr.write(f"“{track.title}” is made once more for {price}, on the budget of {track.person.email}.")
        if not yes:
            self.stderr.write("Go on? [y/N]")
            if input().strip().casefold() not in ("y", "yes"):
                raise CommandError("Nothing was made, and nothing charged.", returncode=CANT_TELL)
        again = _ended(determinism.make_again(track), seconds)
        return determinism.compare(track, determinism.counterpart(track, again))


def _ended(generation: Generation, seconds: float) -> Generation:
    deadline = time.monotonic() + seconds
    while generation.state not in ENDED:
        if time.monotonic() > deadline:
            raise CommandError(f"The song {generation.pk} is still under way.", returncode=CANT_TELL)
        time.sleep(LOOK_SECONDS)
        generation.refresh_from_db()
    return generation


def as_text(found: determinism.Comparison) -> str:
    lines = [f"first   {found.first_sha256}", f"second  {found.second_sha256}"]
    if found.correlation is not None:
        lines.append(f"correlation of the samples: {found.correlation:.6f}")
    says = {
        "identical": "Identical, byte for byte: the recipe made the same song again.",
        "same sound": "The files differ and the sound is the same: the recipe made the same song again.",
        "different": "Different: the recipe did not make the same song again.",
    }
    return "\n".join([*lines, says[found.answer]])
