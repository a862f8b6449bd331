"""What a person does with a generation: quote, start, cancel."""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import ValidationError

from ledger import operations as ledger
from ledger import organisation, quotas
from ledger import queries as balances
from ledger.errors import BudgetFrozen, InsufficientBudget, LedgerError, OrganisationCapReached
from ledger.queries import Balance
from studio import already_made, doorbell, endpoints, limits, pricing, settling, tracing, transitions, turns
from studio.endpoints import Endpoint
from studio.errors import (
    AccountClosed,
    AlreadyFinal,
    FalUnavailable,
    IdempotencyConflict,
    InvalidIdempotencyKey,
    InvalidInput,
    NotFound,
    Problem,
    RateReached,
    StudioError,
    TooManyWaiting,
)
from studio.fal import breaker
from studio.fal.schemas import explain
from studio.models import Generation, IdempotencyKey, Track, User
from studio.states import GenerationState as State
from studio.states import Purpose, SourceAudio

IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")
IDEMPOTENCY_KEPT = timedelta(hours=24)
SEEDS = 2**63


@dataclass(frozen=True, slots=True)
class Quote:
    """What a generation would cost, what is there, and every reason why it can't start.

    `cost_micros` is None where the input doesn't tell the number of songs; `retry_after_seconds` is when to ask again
    where a reason goes by itself. `delay` is a sentence where it could start and would have to wait; "" else.
    `existing` are the person's own tracks of the identical recipe: to listen to them is free.
    """

    cost_micros: int | None
    available_micros: int
    after_micros: int | None
    reasons: list[Problem]
    retry_after_seconds: int | None = None
    delay: str = ""
    existing: Sequence[Track] = ()


def quote(*, person: User, endpoint: str, inputs: Mapping[str, object]) -> Quote:
    """The price and what stands in the way; nothing is written, and bad input is a reason rather than an error."""
    balance = balances.balance(person)
    available = balance.available_micros
    try:
        chosen = endpoints.get_direct(endpoint)
        recipe = validated(chosen, inputs)
    except StudioError as error:
        problems = (
            error.problems
            if isinstance(error, InvalidInput)
            else [Problem(error.code, str(error.message), str(error.hint))]
        )
        cost = _price_of_unusable(endpoint, inputs)
        return Quote(cost, available, None if cost is None else available - cost, problems)
    cost = pricing.price_micros(chosen.key, recipe.num_songs)
    existing = already_made.find(person, already_made.digest_of(chosen.key, recipe.model_dump(mode="json")))
    return quote_of(person, cost, existing=existing, balance=balance)


def quote_price(person: User, endpoint: str) -> Quote:
    """The same for one song of an endpoint, before anything is typed. :raises UnknownEndpoint: it is none of ours."""
    return quote_of(person, pricing.price_micros(endpoint, 1))


def quote_of(
    person: User,
    cost_micros: int,
    *,
    requests: int = 1,
    existing: Sequence[Track] = (),
    balance: Balance | None = None,
) -> Quote:
    """The quote of sound input: so many requests that cost so much together. Nothing is in the way of none."""
    balance = balance or balances.balance(person)
    available = balance.available_micros
    passing = _what_passes(person, requests) if requests else []
    refusals: list[StudioError | LedgerError] = list(passing)
    if requests and (refusal := _refusal_of_money(person, balance, cost_micros)):
        refusals.append(refusal)
    reasons = [Problem(error.code, str(error.message), str(error.hint)) for error in refusals]
    again = max((error.retry_after_seconds for error in passing), default=None)
    delay = "" if reasons or not requests else _what_delays(person)
    return Quote(cost_micros, available, available - cost_micros, reasons, again, delay, existing)


def _what_delays(person: User) -> str:
    used = Generation.objects.in_slot().aggregate(own=Count("pk", filter=Q(person=person)), all=Count("pk"))
    if used["own"] >= settings.NEOAPEX_USER_SLOTS:
        shown = {"used": used["own"], "slots": settings.NEOAPEX_USER_SLOTS}
        return _("%(used)d of %(slots)d slots used: yours will wait.") % shown
    if used["all"] >= settings.NEOAPEX_FAL_SLOTS:
        return _("The studio's places at fal are all taken: yours will wait its turn.")
    return ""


def _what_passes(person: User, requests: int) -> list[RateReached | FalUnavailable | TooManyWaiting]:
    """What stands in the way for a while, whatever is asked for."""
    passing: list[RateReached | FalUnavailable | TooManyWaiting] = []
    if refusal := limits.refusal_of_start(person):
        passing.append(refusal)
    if seconds := breaker.seconds_out_of_reach():
        passing.append(FalUnavailable(seconds))
    if _is_full(person, requests):
        passing.append(TooManyWaiting())
    return passing


def _refusal_of_money(person: User, balance: Balance, cost_micros: int) -> LedgerError | None:
    """What the ledger would answer to a hold now."""
    if quotas.is_frozen(person):
        return BudgetFrozen()
    if balance.available_micros < cost_micros:
        return InsufficientBudget(
            available_micros=balance.available_micros, needed_micros=cost_micros, resets_at=balance.resets_at
        )
    if organisation.cap_micros() is not None:
        left_micros = organisation.this_month().left_micros
        if left_micros is not None and left_micros < cost_micros:
            return OrganisationCapReached(resets_at=balance.resets_at)
    return None


def start(
    *, person: User, endpoint: str = "text-to-music", inputs: Mapping[str, object], idempotency_key: str | None = None
) -> Generation:
    """Set the money aside and put the song in line.

    :raises RateReached: the person, or everybody together, asks too often. A repeat counts as well.
    :raises InvalidInput: with every problem found.
    :raises AccountClosed: the person was deactivated meanwhile.
    :raises FalUnavailable: fal fails just now, so nothing would be sent.
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
    limits.count_start(person)
    chosen = endpoints.get_direct(endpoint)
    recipe = validated(chosen, inputs)
    with admitted(person, [endpoint, dict(inputs)], idempotency_key) as turn:
        if turn.earlier is not None:
            return turn.earlier, False
        return turn.keep(put_in_line(person, chosen, recipe)), True


@dataclass(slots=True)
class Turn:
    """A person's start that was let in: `earlier` is what the same key and request began before."""

    person: User
    key: str | None
    body_digest: str
    earlier: Generation | None = None

    def keep(self, generation: Generation) -> Generation:
        """Note what the key stands for from now on."""
        if self.key is not None:
            IdempotencyKey.objects.create(
                person=self.person, key=self.key, body_digest=self.body_digest, generation=generation
            )
        return generation


@contextmanager
def admitted(
    person: User, asked: object, idempotency_key: str | None = None, *, requests: Callable[[], int] = lambda: 1
) -> Iterator[Turn]:
    """A transaction in which a person may start something, alone: counting and repeating can't race.

    `requests` tells, once nobody else can start anything, how many will be put in line; where that is none, only a
    closed account stands in the way. The caller has counted the rate and judged the input; `asked` is the request as
    it came, JSON values only. Where the turn has an `earlier` generation, nothing else was checked, and nothing is to
    be started.

    :raises StudioError: as `start`: the key, who, fal, the line.
    """
    if idempotency_key is not None and not IDEMPOTENCY_KEY.fullmatch(idempotency_key):
        raise InvalidIdempotencyKey
    # Before the row is locked: Redis may be slow to say that it is away.
    out_of_reach = breaker.seconds_out_of_reach()
    turn = Turn(person, idempotency_key, _body_digest(asked))
    with transaction.atomic():
        alone = User.objects.select_for_update(no_key=True).only("is_active").get(pk=person.pk)
        if idempotency_key is not None:
            turn.earlier = _started_with(person, idempotency_key, turn.body_digest)
        if turn.earlier is None:
            _refuse_to_start(alone, out_of_reach, requests)
        yield turn


def _refuse_to_start(person: User, out_of_reach_seconds: int, requests: Callable[[], int]) -> None:
    if not person.is_active:
        raise AccountClosed
    wanted = requests()
    if wanted and out_of_reach_seconds:
        raise FalUnavailable(out_of_reach_seconds)
    if wanted and _is_full(person, wanted):
        raise TooManyWaiting


def put_in_line(
    person: User,
    endpoint: Endpoint,
    recipe: Any,
    *,
    purpose: Purpose = Purpose.SONG,
    source: Track | None = None,
    source_audio: str = SourceAudio.MASTER,
) -> Generation:
    """Write a generation with its hold, inside `admitted`; `recipe` is the endpoint's schema, judged already.

    :raises LedgerError: the budget has not enough, or is frozen.
    """
    if recipe.seed is None:
        recipe = recipe.model_copy(update={"seed": secrets.randbelow(SEEDS)})
    # Price and month are those of one moment, which the row keeps: a song asked for at midnight has one of each.
    now = timezone.now()
    inputs = recipe.model_dump(mode="json")
    generation = Generation(
        created_at=now,
        person=person,
        endpoint=endpoint.key,
        purpose=purpose,
        source=source,
        source_audio=source_audio,
        recipe=inputs,
        seed=recipe.seed,
        num_songs=recipe.num_songs,
        cost_micros=pricing.price_micros(endpoint.key, recipe.num_songs, now),
        turn=turns.next_turn(person),
    )
    generation.recipe_digest = already_made.digest(generation)
    with tracing.span("start", generation.pk, endpoint=endpoint.key):
        generation.save(force_insert=True)
        ledger.hold(
            person=person,
            amount_micros=generation.cost_micros,
            reference=generation.hold_reference,
            label=endpoint.key,
            now=now,
        )
        transitions.record(generation, "job_queued", state=State.QUEUED)
    doorbell.ring_on_commit("studio.dispatch")
    return generation


def validated(endpoint: Endpoint, inputs: Mapping[str, object]) -> Any:
    """The inputs as the endpoint's own schema. :raises InvalidInput: with every problem found."""
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


def _is_full(person: User, requests: int = 1) -> bool:
    return Generation.objects.of(person).waiting().count() + requests > settings.NEOAPEX_USER_WAITING


def _body_digest(asked: object) -> str:
    body = json.dumps(asked, sort_keys=True, default=str)
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
            settling.withdraw(generation)
        elif generation.state in (State.SUBMITTED, State.RUNNING, State.LOST):
            _wish_to_cancel(generation)
        else:
            raise AlreadyFinal
    return generation


def _wish_to_cancel(generation: Generation) -> None:
    first = Generation.objects.filter(pk=generation.pk, cancel_requested_at=None).update(cancel_requested_at=Now())
    generation.refresh_from_db()
    if first:
        transitions.record(generation, "job_progress", state=generation.state, cancel_requested=True)
    doorbell.ring_on_commit("studio.cancel_at_fal", generation_id=str(generation.pk))
