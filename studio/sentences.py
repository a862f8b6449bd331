"""One true sentence about where a song is, for the person whose song it is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from studio.models import Generation
from studio.states import GenerationState as State

# A submit has its answer within this, or its answer is lost.
ANSWER_SECONDS: Final = 150
# Where too few songs were made to know what is usual.
LONG_SECONDS: Final = 300
SOON_SECONDS: Final = 15


@dataclass(frozen=True, slots=True)
class Place:
    """Where a song is: its row, and what stands elsewhere. `now` is the moment that the sentence is true of."""

    generation: Generation
    now: datetime
    position: int | None = None
    usual_seconds: tuple[int, int] | None = None
    fal_is_out_of_reach: bool = False
    saving_is_in_trouble: bool = False

    @property
    def pause_seconds(self) -> int:
        """Until it may be sent again after fal didn't take it."""
        return self._until(self.generation.run_at) if self.generation.attempts else 0

    @property
    def answer_seconds(self) -> int:
        """Until the answer to its submit counts as lost."""
        return self._until_after_sending(ANSWER_SECONDS)

    @property
    def patience_seconds(self) -> int:
        """Until it takes longer than usual: twice as long as most do."""
        return self._until_after_sending(2 * self.usual_seconds[1] if self.usual_seconds else LONG_SECONDS)

    def _until_after_sending(self, seconds: int) -> int:
        sent_at = self.generation.submit_started_at
        return seconds if sent_at is None else self._until(sent_at + timedelta(seconds=seconds))

    def _until(self, moment: datetime) -> int:
        return max(0, int((moment - self.now).total_seconds()) + 1) if moment > self.now else 0


def sentence(place: Place) -> str:
    generation = place.generation
    match generation.state:
        case State.QUEUED:
            return _waiting(place)
        case State.SUBMITTED | State.RUNNING | State.LOST if generation.cancel_requested_at is not None:
            return _wished(generation)
        case State.SUBMITTED:
            return _sent(place)
        case State.RUNNING if place.patience_seconds:
            return _("Sonauto is making the song.")
        case State.RUNNING:
            return _("Sonauto is still making the song; this one takes longer than usual.")
        case State.LOST:
            return generation.reason_message or _("fal has not answered about this song for a while. We keep asking.")
        case State.INGESTING:
            return _saving(place)
        case State.READY:
            return remark(generation) or _("Ready.")
    return generation.reason_message or _("It ended without a song.")


def remark(generation: Generation) -> str:
    """What is worth saying about a song that is there; nothing where all went as usual."""
    if generation.charged_micros == 0:
        return _("It came after your money had been given back, so it costs you nothing.")
    if generation.cancel_requested_at is not None:
        return _("It was done before fal could stop it, so you have the song and paid for it.")
    return ""


def stale_seconds(place: Place) -> int | None:
    """When the sentence may be another one though nothing happens; None where something has to happen first."""
    generation = place.generation
    match generation.state:
        case State.QUEUED if place.fal_is_out_of_reach:
            return SOON_SECONDS
        case State.QUEUED:
            return place.pause_seconds or None
        case _ if generation.cancel_requested_at is not None:
            return None
        case State.SUBMITTED if generation.started_at is None:
            return place.answer_seconds or None
        case State.SUBMITTED | State.RUNNING:
            return place.patience_seconds or None
    return None


def _waiting(place: Place) -> str:
    if place.fal_is_out_of_reach:
        return _("fal is out of reach just now. Your song is sent by itself as soon as fal is there again.")
    if place.pause_seconds:
        return _("fal could not take it just now; it is sent again in a moment.")
    if place.position in (None, 1):
        return _("Waiting for a free place at fal.")
    return _("Number %d in your line.") % place.position


def _wished(generation: Generation) -> str:
    if generation.request_id is None:
        return _("fal has not said yet whether it has the song. As soon as it does, we ask it to stop.")
    return _("We are asking fal to stop it. If it is done first, you get the song and pay for it.")


def _sent(place: Place) -> str:
    generation = place.generation
    if generation.started_at is None:
        if place.answer_seconds:
            return _("Sending it to fal.")
        return _("fal's answer got lost. If fal has the song, it comes by itself; it is never sent twice.")
    if not place.patience_seconds:
        return _("fal has it, but this one waits there for longer than usual.")
    if count := generation.queue_position:
        return ngettext("fal has it; %d is before it.", "fal has it; %d are before it.", count) % count
    return _("fal has it and will start it soon.")


def _saving(place: Place) -> str:
    if place.saving_is_in_trouble:
        return _("The song is done, but saving it takes us longer than it should. Nothing is lost; we keep trying.")
    if place.generation.charged_micros == 0:
        return _(
            "The song came after all, after your money had been given back: it costs you nothing. We are saving it."
        )
    return _("The song is done; we are saving it.")
