"""The one path to an outcome: charge and tracks, or release and a reason; once, from wherever it is called."""

import logging
import textwrap
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ledger import operations as ledger
from ledger.errors import ReferenceConflict, SpentBelowZero
from studio import doorbell, pricing, recipes, tracing, transitions
from studio.errors import ForeignRequest
from studio.fal.errors import FalError, GenerationFailed
from studio.fal.schemas import Salvage
from studio.models import Generation, Track
from studio.states import GenerationState as State
from studio.states import Purpose, TrackState, Whose

logger = logging.getLogger(__name__)

TITLE_CHARACTERS = 60
SOURCE_URL_MAX_CHARACTERS = 2000
# Ours cost fal one or one and a half. A number beyond this is no bill; what fal really bills, the reconciliation finds.
BELIEVED_UNITS = 100


def settle(generation_id: UUID, outcome: "Mapping[str, Any] | FalError", *, request_id: str | None) -> None:
    """Bring a generation to its outcome, a success's payload or an error: callback, sweep and polling all come here.

    It takes effect once, however often and from wherever it is called. The caller knows that the outcome is fal's.

    :raises ForeignRequest: the request id isn't this generation's; nothing is changed.
    """
    with tracing.span("settle", generation_id), transaction.atomic():
        generation = Generation.objects.select_for_update().get(pk=generation_id)
        if request_id is not None:
            adopt_request_id(generation, request_id)
            if generation.request_id != request_id:
                raise ForeignRequest(request_id)
        # A charge of any amount, nought too, is written by a success alone: it has been here before.
        if generation.charged_micros is not None:
            return
        if isinstance(outcome, FalError):
            _settle_failure(generation, outcome)
        else:
            _settle_success(generation, outcome)
    doorbell.ring("studio.dispatch")


def adopt_request_id(generation: Generation, request_id: str) -> None:
    """Note fal's id where none is known yet. One that differs is never adopted."""
    if generation.request_id is None and not Generation.objects.filter(request_id=request_id).exists():
        Generation.objects.filter(pk=generation.pk, request_id=None).update(request_id=request_id)
        generation.refresh_from_db()


def _settle_failure(generation: Generation, error: FalError) -> None:
    if generation.state not in transitions.FINAL:
        _end_by(generation, error)
    units = error.billable_units if isinstance(error, GenerationFailed) else None
    if units is None:
        return
    if units > BELIEVED_UNITS:
        logger.error("units beyond belief", extra={"generation": str(generation.pk), "units": str(units)})
    elif amount := pricing.units_micros(generation.endpoint, units, generation.created_at):
        _charge_house(generation, amount, "fal bills a request that it refused")


def _charge_house(generation: Generation, amount_micros: int, reason: str) -> None:
    """The house pays once for a generation. A second, other price is left to the reconciliation, not to the song."""
    try:
        ledger.charge_house(
            reference=generation.hold_reference,
            amount_micros=amount_micros,
            reason=reason,
            label=generation.endpoint,
        )
    except ReferenceConflict:
        logger.warning("the house paid another amount", extra={"generation": str(generation.pk), "reason": reason})


def _end_by(generation: Generation, error: FalError) -> None:
    transitions.mark_started(generation)
    cancelled = isinstance(error, GenerationFailed) and error.cancelled
    if cancelled and generation.cancel_requested_at is not None:
        _end(
            generation, State.CANCELLED, "cancelled", _("You cancelled it; fal stopped before it was done."), Whose.YOU
        )
    else:
        fail(generation, error)


def _settle_success(generation: Generation, payload: Mapping[str, Any]) -> None:
    transitions.mark_started(generation)
    late = generation.state in transitions.FINAL
    if late:
        _charge_house(generation, generation.cost_micros, "success after a release")
    else:
        ledger.charge(reference=generation.hold_reference, amount_micros=generation.cost_micros)
    output = Salvage.model_validate(dict(payload))
    transitions.advance(
        generation,
        State.INGESTING,
        charged_micros=0 if late else generation.cost_micros,
        last_sign_at=Now(),
        reason_code="",
        reason_message="",
        reason_whose="",
        reason_hint="",
        raw_error="",
        written_tags=[storable(tag) for tag in output.tags] if output.tags is not None else None,
        written_lyrics=storable(output.lyrics) if output.lyrics is not None else None,
    )
    for variation, audio in enumerate(output.audio[: generation.num_songs]):
        if not _can_be_kept(audio.url):
            continue
        track = Track.objects.create(
            person_id=generation.person_id,
            generation=generation,
            variation=variation,
            title=title_of(generation),
            hidden=generation.purpose in (Purpose.TAKE, Purpose.ARM),
            source_url=audio.url,
            **recipes.words_of(generation),
        )
        doorbell.ring_on_commit("studio.ingest", track_id=str(track.pk))
    conclude(generation.pk)


def storable(text: str) -> str:
    """Text from outside without what PostgreSQL refuses: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _can_be_kept(url: str) -> bool:
    """An address that has no room in the row counts as audio that can't be read."""
    return len(url) <= SOURCE_URL_MAX_CHARACTERS and url == storable(url)


def title_of(generation: Generation) -> str:
    """A name for a song until the person gives it one: its source's, or the first words of what was asked for."""
    if generation.source is not None:
        return generation.source.title
    recipe = generation.recipe
    text = recipe.get("prompt") or ", ".join(recipe.get("tags") or []) or _("Untitled")
    title = textwrap.shorten(text, TITLE_CHARACTERS, placeholder="…")
    if title == "…":
        # One long word, as in a script that writes no gaps.
        title = text.strip()[: TITLE_CHARACTERS - 1] + "…"
    return title[:1].upper() + title[1:]


def _let_the_house_pay(generation: Generation, amount_micros: int, reason: str) -> None:
    """Give back what can't be heard, unless an admin has given it back before; the song ends in either case."""
    try:
        ledger.move_to_house(reference=generation.hold_reference, amount_micros=amount_micros, reason=reason)
    except SpentBelowZero:
        logger.warning("already given back", extra={"generation": str(generation.pk)})


def conclude(generation_id: UUID) -> None:
    """End a generation with nothing more under way: people pay for what can be heard, the house the rest.

    What comes to be heard later, fetched again, is paid for already: nobody who was told that it costs nothing is
    charged after all, and fal bills it once.
    """
    with transaction.atomic():
        generation = Generation.objects.select_for_update().get(pk=generation_id)
        if generation.state != State.INGESTING or generation.tracks.under_way().exists():
            return
        readable = generation.tracks.filter(state=TrackState.READY).count()
        unsaved = generation.tracks.filter(state=TrackState.PENDING).exists()
        charged = generation.charged_micros or 0
        share = pricing.share_micros(charged, readable, generation.num_songs)
        if share < charged:
            reason = "a song that could not be saved" if unsaved else "audio that can't be read"
            _let_the_house_pay(generation, charged - share, reason)
        if readable:
            transitions.advance(generation, State.READY, charged_micros=share)
        else:
            transitions.advance(generation, State.FAILED, charged_micros=0, **_why_unheard(unsaved))


def _why_unheard(unsaved: bool) -> dict[str, str]:
    if unsaved:
        return {
            "reason_code": "not_saved",
            "reason_message": _("We could not save the song, so you pay nothing. An admin can fetch it again."),
            "reason_whose": Whose.US,
        }
    return {
        "reason_code": "unreadable_audio",
        "reason_message": _("fal delivered audio that can't be read. You pay nothing for it."),
        "reason_whose": Whose.FAL,
    }


def _end(
    generation: Generation, to: State, code: str, message: str, whose: str, *, hint: str = "", raw: str = ""
) -> None:
    """End without a song: the money goes back."""
    with transaction.atomic():
        transitions.advance(
            generation,
            to,
            reason_code=code,
            reason_message=storable(message),
            reason_whose=whose,
            reason_hint=storable(hint),
            raw_error=storable(raw[:4000]),
        )
        ledger.release(reference=generation.hold_reference)
        doorbell.ring_on_commit("studio.dispatch")


def fail(generation: Generation, error: FalError) -> None:
    """End a generation that fal will not make. :raises StaleTransition: somebody moved it first."""
    _end(generation, State.FAILED, error.code, str(error.message), error.whose, hint=str(error.hint), raw=error.raw)


def withdraw(generation: Generation) -> None:
    """End as cancelled what fal provably doesn't have. :raises StaleTransition: somebody moved it first."""
    _end(generation, State.CANCELLED, "cancelled", _("You cancelled it before it was sent."), Whose.YOU)


def withdraw_closed(generation: Generation) -> None:
    """The same where the person didn't cancel, but was deactivated. :raises StaleTransition: as `withdraw`."""
    _end(generation, State.CANCELLED, "account_closed", _("The account was closed before it was sent."), Whose.US)
