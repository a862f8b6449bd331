"""One generation from hold to charge or release: start, cancel, settle."""

import hashlib
import json
import logging
import re
import secrets
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import ValidationError

from ledger import operations as ledger
from ledger import queries as balances
from ledger import quotas
from ledger.errors import BudgetFrozen, InsufficientBudget, LedgerError, ReferenceConflict
from studio import doorbell, endpoints, pricing, transitions
from studio.endpoints import Endpoint
from studio.errors import (
    AlreadyFinal,
    ForeignRequest,
    IdempotencyConflict,
    InvalidIdempotencyKey,
    InvalidInput,
    NotFound,
    Problem,
    StudioError,
    TooManyWaiting,
)
from studio.fal.errors import FalError, GenerationFailed
from studio.fal.schemas import Salvage, explain
from studio.models import Generation, IdempotencyKey, Track, User
from studio.states import GenerationState as State
from studio.states import TrackState, Whose

logger = logging.getLogger(__name__)

IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")
IDEMPOTENCY_KEPT = timedelta(hours=24)
SEEDS = 2**63
TITLE_CHARACTERS = 60
SOURCE_URL_MAX_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Quote:
    """What a generation would cost, what is there, and every reason why it can't start.

    `cost_micros` is None where the input doesn't tell the number of songs."""

    cost_micros: int | None
    available_micros: int
    after_micros: int | None
    reasons: list[Problem]


def quote(*, person: User, endpoint: str, inputs: Mapping[str, object]) -> Quote:
    """The price and what stands in the way; nothing is written, and bad input is a reason rather than an error."""
    balance = balances.balance(person)
    available = balance.available_micros
    try:
        chosen = endpoints.get_direct(endpoint)
        recipe = _validated(chosen, inputs)
    except StudioError as error:
        problems = (
            error.problems
            if isinstance(error, InvalidInput)
            else [Problem(error.code, str(error.message), str(error.hint))]
        )
        cost = _price_of_unusable(endpoint, inputs)
        return Quote(cost, available, None if cost is None else available - cost, problems)
    cost = pricing.price_micros(chosen.key, recipe.num_songs)
    refusals: list[StudioError | LedgerError] = []
    if _is_full(person):
        refusals.append(TooManyWaiting())
    if quotas.is_frozen(person):
        refusals.append(BudgetFrozen())
    elif available < cost:
        refusals.append(InsufficientBudget(available_micros=available, needed_micros=cost, resets_at=balance.resets_at))
    reasons = [Problem(error.code, str(error.message), str(error.hint)) for error in refusals]
    return Quote(cost, available, available - cost, reasons)


def start(
    *, person: User, endpoint: str = "text-to-music", inputs: Mapping[str, object], idempotency_key: str | None = None
) -> Generation:
    """Set the money aside and put the song in line.

    :raises InvalidInput: with every problem found.
    :raises TooManyWaiting: more than `NEOAPEX_USER_WAITING` are in line.
    :raises LedgerError: the budget has not enough, or is frozen. In every case nothing is written and nothing held.
    """
    return start_once(person=person, endpoint=endpoint, inputs=inputs, idempotency_key=idempotency_key)[0]


def start_once(
    *, person: User, endpoint: str, inputs: Mapping[str, object], idempotency_key: str | None
) -> tuple[Generation, bool]:
    """As `start`, and whether it is new: a key that came with the same request before gives the same generation.

    :raises IdempotencyConflict: the key came with another request.
    """
    if idempotency_key is not None and not IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise InvalidIdempotencyKey
    chosen = endpoints.get_direct(endpoint)
    recipe = _validated(chosen, inputs)
    with transaction.atomic():
        # One start at a time for each person, so that counting and repeating can't race.
        User.objects.select_for_update(no_key=True).only("pk").get(pk=person.pk)
        digest = _body_digest(endpoint, inputs)
        if idempotency_key is not None:
            earlier = _started_with(person, idempotency_key, digest)
            if earlier is not None:
                return earlier, False
        if _is_full(person):
            raise TooManyWaiting
        generation = _put_in_line(person, chosen, recipe)
        if idempotency_key is not None:
            IdempotencyKey.objects.create(person=person, key=idempotency_key, body_digest=digest, generation=generation)
    return generation, True


def _put_in_line(person: User, endpoint: Endpoint, recipe: Any) -> Generation:
    if recipe.seed is None:
        recipe = recipe.model_copy(update={"seed": secrets.randbelow(SEEDS)})
    generation = Generation.objects.create(
        person=person,
        endpoint=endpoint.key,
        recipe=recipe.model_dump(mode="json") | {"seed": recipe.seed},
        seed=recipe.seed,
        num_songs=recipe.num_songs,
        cost_micros=pricing.price_micros(endpoint.key, recipe.num_songs),
    )
    ledger.hold(person=person, amount_micros=generation.cost_micros, reference=generation.hold_reference)
    transitions.record(generation, "job_queued", state=State.QUEUED)
    doorbell.ring_on_commit("studio.dispatch")
    return generation


def _validated(endpoint: Endpoint, inputs: Mapping[str, object]) -> Any:
    try:
        return endpoint.input_schema.model_validate(dict(inputs))
    except ValidationError as error:
        problems = [Problem(found.code, found.message, found.hint, found.field or None) for found in explain(error)]
        raise InvalidInput(problems) from None


def _price_of_unusable(endpoint: str, inputs: Mapping[str, object]) -> int | None:
    songs = inputs.get("num_songs", 1)
    if endpoint not in endpoints.ENDPOINTS or type(songs) is not int or songs not in (1, 2):
        return None
    return pricing.price_micros(endpoint, songs)


def _is_full(person: User) -> bool:
    return Generation.objects.of(person).waiting().count() >= settings.NEOAPEX_USER_WAITING


def _body_digest(endpoint: str, inputs: Mapping[str, object]) -> str:
    body = json.dumps([endpoint, dict(inputs)], sort_keys=True, default=str)
    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


def _started_with(person: User, key: str, digest: str) -> Generation | None:
    earlier = IdempotencyKey.objects.filter(person=person, key=key).select_related("generation").first()
    if earlier is None:
        return None
    if earlier.created_at < timezone.now() - IDEMPOTENCY_KEPT:
        earlier.delete()
        return None
    if not secrets.compare_digest(earlier.body_digest, digest):
        raise IdempotencyConflict
    return earlier.generation


# --- Cancel ----------------------------------------------------------------------------------------------------------


def own(person: User, generation_id: UUID) -> Generation:
    """:raises NotFound: not there, or another person's."""
    generation = Generation.objects.of(person).filter(pk=generation_id).first()
    if generation is None:
        raise NotFound
    return generation


def cancel(*, person: User, generation_id: UUID) -> Generation:
    """Take a waiting generation out of line, or ask fal to stop one that it has: then it is only a wish.

    :raises NotFound: not there, or another person's.
    :raises AlreadyFinal: it has ended, or its audio has come and is being saved.
    """
    own(person, generation_id)
    with transaction.atomic():
        # Locked, so that a wish can't land on a row that the dispatch is just putting back into line.
        generation = Generation.objects.select_for_update().get(pk=generation_id)
        if generation.state == State.QUEUED:
            withdraw(generation)
        elif generation.state in (State.SUBMITTED, State.RUNNING, State.LOST):
            _wish_to_cancel(generation)
        else:
            raise AlreadyFinal
    return generation


def withdraw(generation: Generation) -> None:
    """End as cancelled what fal provably doesn't have. :raises StaleTransition: somebody moved it first."""
    _end(generation, State.CANCELLED, "cancelled", _("You cancelled it before it was sent."), Whose.YOU)


def _wish_to_cancel(generation: Generation) -> None:
    first = Generation.objects.filter(pk=generation.pk, cancel_requested_at=None).update(cancel_requested_at=Now())
    generation.refresh_from_db()
    if first:
        transitions.record(generation, "job_progress", state=generation.state, cancel_requested=True)
    doorbell.ring_on_commit("studio.cancel_at_fal", generation_id=str(generation.pk))


# --- Settle ----------------------------------------------------------------------------------------------------------


def settle(generation_id: UUID, outcome: "Mapping[str, Any] | FalError", *, request_id: str | None) -> None:
    """Bring a generation to its outcome, a success's payload or an error: callback, sweep and polling all come here.

    It takes effect once, however often and from wherever it is called. The caller knows that the outcome is fal's.

    :raises ForeignRequest: the request id isn't this generation's; nothing is changed.
    """
    with transaction.atomic():
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
    if units:
        amount = pricing.units_micros(generation.endpoint, units)
        _charge_house(generation, amount, "fal bills a request that it refused")


def _charge_house(generation: Generation, amount_micros: int, reason: str) -> None:
    """The house pays once for a generation. A second, other price is left to the reconciliation, not to the song."""
    try:
        ledger.charge_house(reference=generation.hold_reference, amount_micros=amount_micros, reason=reason)
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
            source_url=audio.url,
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
    """A name for a song until the person gives it one: the first words of what was asked for."""
    recipe = generation.recipe
    text = recipe.get("prompt") or ", ".join(recipe.get("tags") or []) or _("Untitled")
    title = textwrap.shorten(text, TITLE_CHARACTERS, placeholder="…")
    if title == "…":
        # One long word, as in a script that writes no gaps.
        title = text.strip()[: TITLE_CHARACTERS - 1] + "…"
    return title[:1].upper() + title[1:]


def conclude(generation_id: UUID) -> None:
    """End a generation whose tracks have all come to an end: people pay for what can be heard, the house the rest."""
    with transaction.atomic():
        generation = Generation.objects.select_for_update().get(pk=generation_id)
        states = list(generation.tracks.values_list("state", flat=True))
        if generation.state != State.INGESTING or TrackState.PENDING in states:
            return
        readable = states.count(TrackState.READY)
        charged = generation.charged_micros or 0
        share = pricing.share_micros(charged, readable, generation.num_songs)
        if share < charged:
            ledger.move_to_house(
                reference=generation.hold_reference, amount_micros=charged - share, reason="audio that can't be read"
            )
        if readable:
            transitions.advance(generation, State.READY, charged_micros=share)
        else:
            transitions.advance(
                generation,
                State.FAILED,
                charged_micros=0,
                reason_code="unreadable_audio",
                reason_message=_("fal delivered audio that can't be read. You pay nothing for it."),
                reason_whose=Whose.FAL,
            )


def _end(generation: Generation, to: State, code: str, message: str, whose: str, *, raw: str = "") -> None:
    """End without a song: the money goes back."""
    with transaction.atomic():
        transitions.advance(
            generation,
            to,
            reason_code=code,
            reason_message=storable(message),
            reason_whose=whose,
            raw_error=storable(raw[:4000]),
        )
        ledger.release(reference=generation.hold_reference)
        doorbell.ring_on_commit("studio.dispatch")


def fail(generation: Generation, error: FalError) -> None:
    """End a generation that fal will not make. :raises StaleTransition: somebody moved it first."""
    _end(generation, State.FAILED, error.code, str(error.message), error.whose, raw=error.raw)
