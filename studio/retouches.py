"""What a person does with a retouch: start it, judge its takes, and end it. Nothing retries by itself."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Prefetch
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from studio import endpoints, generations, limits, pricing, sources, tracks, transitions
from studio.errors import (
    AlreadyFinal,
    InvalidInput,
    MasterIsCold,
    NotFound,
    NothingToUndo,
    Problem,
    RetouchOver,
    RetriesExhausted,
    TakeInUse,
    TakeNotReady,
    TakePending,
    VerdictMissing,
)
from studio.fal.schemas import Section
from studio.listening import ENDED_WITHOUT_A_SONG
from studio.models import Generation, Retouch, Take, Track, User
from studio.states import GenerationState, Purpose, RetouchState, SourceAudio, TrackState, Verdict

ENDPOINT: Final = "inpaint"
# fal names no limit. Hardly a sung word is shorter, and the seams at both ends need room; the player's loop has the
# same. And as much has to stay: a song of which nothing stays is a new song.
SHORTEST_SECONDS: Final = 1.0
LEAST_KEPT_SECONDS: Final = 1.0
# A length that was rounded on its way to a person and back is no mistake.
ROUNDED_SECONDS: Final = 0.05
NOTE_CHARACTERS: Final = 500
OPEN_SHOWN: Final = 3
OF_A_SONG_SHOWN: Final = 50


# --- Reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Strip:
    """A retouch with its takes in the order in which they were asked for."""

    retouch: Retouch
    takes: Sequence[Take]

    @property
    def counted(self) -> list[Take]:
        """Those that have a place: what ended without a song has none, and what came after all only if it kept it."""
        return [take for take in self.takes if take.number and take.generation.state not in ENDED_WITHOUT_A_SONG]

    @property
    def most_retries(self) -> int:
        return self.retouch.most_takes - 1

    @property
    def retries_left(self) -> int:
        return self.most_retries - max(0, len(self.counted) - 1)

    @property
    def is_exhausted(self) -> bool:
        return len(self.counted) >= self.retouch.most_takes

    @property
    def pending(self) -> Take | None:
        return next((take for take in self.takes if take.generation.finished_at is None), None)

    @property
    def unjudged(self) -> Take | None:
        """The latest take that can be heard, where nobody has said yet why it won't do."""
        heard = [take for take in self.takes if take.generation.state == GenerationState.READY]
        return heard[-1] if heard and not heard[-1].verdict else None

    @property
    def price_micros(self) -> int:
        return pricing.price_micros(ENDPOINT, 1)

    @property
    def at_most_micros(self) -> int:
        """What the retries that are left can cost together."""
        return self.price_micros * self.retries_left


def own(person: User, retouch_id: UUID) -> Retouch:
    """:raises NotFound: not there, or another person's."""
    rows = Retouch.objects.of(person).select_related("source__generation", "accepted")
    retouch = rows.filter(pk=retouch_id).first()
    if retouch is None:
        raise NotFound
    return retouch


def read(person: User, retouch_id: UUID) -> Strip:
    """:raises NotFound: as `own`."""
    return _strip(own(person, retouch_id))


def still_open(person: User) -> list[Retouch]:
    """Those that wait for their person, the newest first."""
    rows = Retouch.objects.of(person).filter(state=RetouchState.OPEN, source__trashed_at=None)
    return list(rows.select_related("source").order_by("-created_at")[:OPEN_SHOWN])


def of_song(person: User, generation_id: UUID) -> list[Retouch]:
    """Every retouch of a song's tracks, the newest first."""
    rows = Retouch.objects.of(person).filter(source__generation=generation_id).select_related("source")
    return list(rows.order_by("-created_at")[:OF_A_SONG_SHOWN])


def _strip(retouch: Retouch) -> Strip:
    kept = Prefetch("generation__tracks", Track.objects.order_by("variation"))
    takes = retouch.takes.select_related("generation").prefetch_related(kept).order_by("created_at", "pk")
    return Strip(retouch, list(takes))


def track_of(take: Take) -> Track | None:
    """What came of it, as far as anything did."""
    return next(iter(take.generation.tracks.all()), None)


# --- The first take --------------------------------------------------------------------------------------------------


def start(
    *,
    person: User,
    track_id: UUID,
    inputs: Mapping[str, object],
    audio: str = SourceAudio.MASTER,
    idempotency_key: str | None = None,
) -> tuple[Retouch, bool]:
    """Begin a retouch with its first take, and whether it is new: `inputs` are those of inpainting, in our names.

    :raises StudioError, LedgerError: as `generations.start` and `sources.usable`; nothing is written, nothing held.
    """
    tracks.own(person, track_id)
    limits.count_start(person)
    source = sources.usable(person, track_id, audio)
    recipe = _judged(source, inputs)
    asked = [ENDPOINT, str(track_id), audio, dict(inputs)]
    with generations.admitted(person, asked, idempotency_key) as turn:
        if turn.earlier is not None:
            return turn.earlier.take.retouch, False
        sources.hold_still(source)
        retouch = Retouch.objects.create(
            person=person,
            source=source,
            start_ms=round(recipe.section.start * 1000),
            end_ms=round(recipe.section.end * 1000),
            most_takes=settings.NEOAPEX_INPAINT_MAX_RETRIES + 1,
        )
        turn.keep(_add_take(retouch, recipe, number=1, audio=audio))
    return retouch, True


def _judged(source: Track, inputs: Mapping[str, object]) -> Any:
    """The input as the endpoint takes it, with a section that lies in the track. :raises InvalidInput: or not."""
    recipe = generations.validated(endpoints.get(ENDPOINT), inputs)
    seconds = (source.duration_ms or 0) / 1000
    problems = [*_not_for_retouching(recipe), *_misplaced(recipe.section, seconds)]
    if problems:
        raise InvalidInput(problems)
    section = Section(start=round(recipe.section.start, 3), end=round(min(recipe.section.end, seconds), 3))
    return recipe.model_copy(update={"section": section})


def _not_for_retouching(recipe: Any) -> Iterator[Problem]:
    yield from sources.foreign_address(recipe)
    if recipe.num_songs != 1:
        hint = _("Leave it out, or give 1.")
        yield Problem("not_offered", _("A retouch makes one take at a time."), hint, "num_songs")


def _misplaced(section: Section, seconds: float) -> Iterator[Problem]:
    length = min(section.end, seconds) - section.start
    if section.end > seconds + ROUNDED_SECONDS or section.start >= seconds:
        hint = _("Choose a start and an end between 0 and %.2f seconds.") % seconds
        yield Problem("section_outside", _("The section reaches beyond the track."), hint, "section.end")
    elif round(length, 3) < SHORTEST_SECONDS:
        hint = _("Choose at least %g second.") % SHORTEST_SECONDS
        yield Problem(
            "section_too_short", _("The section is too short to be sung or played anew."), hint, "section.end"
        )
    elif round(seconds - length, 3) < LEAST_KEPT_SECONDS:
        hint = _("Leave at least %g second as it is, or make a new song.") % LEAST_KEPT_SECONDS
        yield Problem("section_is_everything", _("The section is the whole track."), hint, "section.end")


def _add_take(retouch: Retouch, recipe: Any, *, number: int, audio: str) -> Generation:
    generation = generations.put_in_line(
        retouch.person,
        endpoints.get(ENDPOINT),
        recipe,
        purpose=Purpose.TAKE,
        source=retouch.source,
        source_audio=audio,
    )
    Take.objects.create(retouch=retouch, generation=generation, number=number, most_takes=retouch.most_takes)
    return generation


# --- One more --------------------------------------------------------------------------------------------------------


def retry(
    *,
    person: User,
    retouch_id: UUID,
    reason: str = "",
    note: str = "",
    keep_seed: bool = False,
    idempotency_key: str | None = None,
) -> tuple[Retouch, bool]:
    """One more take of the same section, once it is said why the last one won't do; and whether it is new.

    :raises RetouchOver, RetriesExhausted, TakePending, VerdictMissing: in this order.
    :raises StudioError, LedgerError: as `start`; in every case nothing is written and nothing held.
    """
    own(person, retouch_id)
    limits.count_start(person)
    asked = ["retry", str(retouch_id), reason, note, keep_seed]
    with generations.admitted(person, asked, idempotency_key) as turn:
        if turn.earlier is not None:
            return own(person, retouch_id), False
        retouch = _alone(retouch_id)
        strip = _strip(retouch)
        _refuse_retry(strip)
        _judge(strip, reason, note)
        before = strip.takes[-1].generation
        _hold_source_still(retouch, before.source_audio)
        recipe = endpoints.get(ENDPOINT).input_schema.model_validate(before.recipe)
        recipe = recipe.model_copy(update={"seed": before.seed if keep_seed else None})
        turn.keep(_add_take(retouch, recipe, number=_free_place(strip), audio=before.source_audio))
    return retouch, True


def _alone(retouch_id: UUID) -> Retouch:
    """Locked: of parallel clicks one goes on, and the others see what it did."""
    return Retouch.objects.select_for_update(of=("self",)).select_related("source", "person").get(pk=retouch_id)


def _refuse_retry(strip: Strip) -> None:
    if strip.retouch.state != RetouchState.OPEN:
        raise RetouchOver
    if strip.is_exhausted:
        raise RetriesExhausted
    if strip.pending is not None:
        raise TakePending


def _judge(strip: Strip, reason: str, note: str) -> None:
    """What isn't one of the reasons is said in the person's own words."""
    take = strip.unjudged
    if take is None:
        return
    word = reason.strip().upper().replace(" ", "_").replace("-", "_")
    if word not in Verdict.values:
        note, word = note.strip() or reason.strip(), Verdict.OTHER if reason.strip() else ""
    if not word:
        raise VerdictMissing
    Take.objects.filter(pk=take.pk).update(verdict=word, verdict_note=note.strip()[:NOTE_CHARACTERS], verdict_at=Now())


def _hold_source_still(retouch: Retouch, audio: str) -> None:
    sources.hold_still(retouch.source)
    if audio == SourceAudio.MASTER and retouch.source.is_away:
        raise MasterIsCold


def _free_place(strip: Strip) -> int:
    """The lowest that no song has; those that ended without one give theirs up."""
    taken = {take.number for take in strip.counted}
    retouch = strip.retouch
    retouch.takes.filter(generation__state__in=ENDED_WITHOUT_A_SONG).update(number=None)
    return next(number for number in range(1, retouch.most_takes + 1) if number not in taken)


# --- The end, and back -----------------------------------------------------------------------------------------------


@contextmanager
def _ending(person: User, retouch_id: UUID) -> Iterator[Retouch]:
    """A transaction that ends a retouch; what is still under way is cancelled then, for nobody waits for it."""
    own(person, retouch_id)
    with transaction.atomic():
        retouch = _alone(retouch_id)
        yield retouch
    if (take := _strip(retouch).pending) is not None:
        with suppress(AlreadyFinal):
            generations.cancel(person=person, generation_id=take.pk)


def accept(*, person: User, retouch_id: UUID, take_id: UUID) -> Retouch:
    """Show the take's own track among the person's songs; nothing is copied. To accept it twice changes nothing.

    :raises NotFound: the retouch or the take. :raises RetouchOver: it ended otherwise.
    :raises TakeNotReady: it can't be heard, or was thrown away.
    """
    with _ending(person, retouch_id) as retouch:
        take = retouch.takes.filter(pk=take_id).first()
        if take is None:
            raise NotFound
        if retouch.accepted_id == take.pk:
            return retouch
        if retouch.state != RetouchState.OPEN:
            raise RetouchOver
        track = Track.objects.select_for_update(no_key=True).filter(generation=take.pk, state=TrackState.READY).first()
        if track is None or track.trashed_at is not None:
            raise TakeNotReady
        Track.objects.filter(pk=track.pk).update(hidden=False)
        transitions.advance_retouch(retouch, RetouchState.ACCEPTED, accepted=take)
        _show(take, accepted=True)
    return retouch


def abandon(*, person: User, retouch_id: UUID) -> Retouch:
    """Keep the original. To abandon it twice changes nothing. :raises NotFound, RetouchOver: as `accept`."""
    with _ending(person, retouch_id) as retouch:
        if retouch.state == RetouchState.ABANDONED:
            return retouch
        if retouch.state != RetouchState.OPEN:
            raise RetouchOver
        transitions.advance_retouch(retouch, RetouchState.ABANDONED)
    return retouch


def undo(*, person: User, retouch_id: UUID) -> Retouch:
    """Open an accepted retouch again, and hide its take.

    :raises NotFound: as `own`. :raises NothingToUndo: it isn't accepted. :raises TakeInUse: another track derives
        from it.
    """
    own(person, retouch_id)
    with transaction.atomic():
        retouch = _alone(retouch_id)
        take = retouch.accepted
        if take is None:
            raise NothingToUndo
        # As whoever derives from it does, so that one of the two sees the other.
        track = Track.objects.select_for_update(no_key=True).get(generation=take.pk)
        if track.derived.exists():
            raise TakeInUse
        Track.objects.filter(pk=track.pk).update(hidden=True)
        transitions.advance_retouch(retouch, RetouchState.OPEN, accepted=None)
        _show(take, accepted=False)
    return retouch


def _show(take: Take, *, accepted: bool) -> None:
    generation = Generation.objects.get(pk=take.pk)
    transitions.record(generation, "job_progress", state=generation.state, accepted=accepted)
