"""Whether fal keeps its word: a song made again from its recipe, and the two compared."""

from dataclasses import dataclass
from typing import Final, Literal

from studio import generations, pricing, recipes, restores
from studio.errors import MasterGone, MasterIsCold, NotReproducible
from studio.media.errors import AudioUnreadable
from studio.models import Generation, Track
from studio.states import MasterStorage, TrackState

AT_HAND: Final = (MasterStorage.STANDARD, MasterStorage.RESTORED)
# Above it two decoded songs differ by less than an encoder's noise.
SAME_FROM: Final = 0.999
# An encoder may add a frame.
SAME_LENGTH_MS: Final = 50

Answer = Literal["identical", "same sound", "different"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`correlation` is 1 for the same samples, as far as both go; None where the files are the same byte for byte."""

    answer: Answer
    first_sha256: str
    second_sha256: str
    correlation: float | None = None


def price_micros(track: Track) -> int:
    """What it costs to find out.

    :raises NotReproducible: nobody promised that it would be the same. :raises MasterIsCold: it can't be compared.
    """
    if why := recipes.why_not_reproducible(track.generation):
        raise NotReproducible(why)
    if restores.look(track).master_storage not in AT_HAND:
        raise MasterIsCold
    return pricing.price_micros(track.generation.endpoint, track.generation.num_songs)


def make_again(track: Track) -> Generation:
    """The same recipe once more, on the budget of the track's person.

    :raises StudioError, LedgerError: as `generations.start`.
    """
    made = track.generation
    return generations.start(person=track.person, endpoint=made.endpoint, inputs=made.recipe)


def compare(first: Track, second: Track) -> Comparison:
    """:raises MasterGone: one can't be read any more. :raises AudioUnreadable: nor decoded."""
    if first.master_sha256 and first.master_sha256 == second.master_sha256:
        return Comparison("identical", first.master_sha256, second.master_sha256)
    # What reads audio takes long to load.
    from studio.media.clips import parts_of  # noqa: PLC0415
    from studio.media.difference import measure  # noqa: PLC0415

    one, other = (parts_of(track.master_key, track.master_bytes or 0, track.master_format) for track in (first, second))
    lengths_ms = (first.duration_ms or 0, second.duration_ms or 0)
    try:
        likeness = measure(one, other, duration_ms=min(lengths_ms)).correlation
    except FileNotFoundError:
        raise MasterGone from None
    is_same = likeness >= SAME_FROM and max(lengths_ms) - min(lengths_ms) <= SAME_LENGTH_MS
    answer: Answer = "same sound" if is_same else "different"
    return Comparison(answer, first.master_sha256, second.master_sha256, likeness)


def counterpart(track: Track, again: Generation) -> Track:
    """The track of the second making that has the same place in it. :raises AudioUnreadable: it came to nothing."""
    found = again.tracks.filter(variation=track.variation, state=TrackState.READY).first()
    if found is None:
        raise AudioUnreadable(again.reason_message or "no audio came")
    return found
