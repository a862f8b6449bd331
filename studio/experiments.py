"""A/B tests: one parameter varied, everything else locked. What would not be valid does not start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from studio import already_made, endpoints, generations, limits, pricing, recipes, tracks
from studio.errors import (
    ArmNotFailed,
    CantFreeze,
    InvalidInput,
    NotComparable,
    NotFound,
    NotFrozen,
    NothingToJudge,
    Problem,
    StudioError,
)
from studio.experiment_queries import ShownArm, arms_of, own
from studio.fal.schemas import TextToMusicInput
from studio.generations import Quote
from studio.listening import ENDED_WITHOUT_A_SONG
from studio.models import Arm, Experiment, Generation, IdempotencyKey, Track, User, Verdict
from studio.settling import storable
from studio.states import Parameter, Purpose

ENDPOINT: Final = "text-to-music"
FEWEST_VALUES: Final = 2
MOST_VALUES: Final = 4
NO_DIFFERENCE: Final = "no_difference"
NOTE_CHARACTERS: Final = 2000

Value = float | int | str | None


@dataclass(frozen=True, slots=True)
class PlannedArm:
    """An arm before the start. `existing` is a song of exactly its recipe: to listen to it is free."""

    value: Value
    recipe: TextToMusicInput
    digest: str
    existing: Track | None
    cost_micros: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be compared. `quote` has the price of all that is to be made, and what stands in the way."""

    arms: list[PlannedArm]
    quote: Quote


# --- What is compared ------------------------------------------------------------------------------------------------


def base_of(person: User, track_id: UUID) -> Track:
    """The song to start from.

    :raises NotFound, TrackNotReady, TrackDeleted, TrackInTrash: as `tracks.own_kept`.
    :raises NotComparable: its sound is made from other sound.
    """
    track = tracks.own_kept(person, track_id)
    if track.generation.endpoint != ENDPOINT:
        raise NotComparable
    return track


def is_frozen(generation: Generation) -> bool:
    return recipes.is_fixed(generation.recipe)


def can_be_frozen(generation: Generation) -> bool:
    return bool(recipes.tags_of(generation)) and recipes.lyrics_of(generation) is not None


def _fixed(generation: Generation, *, freeze: bool) -> dict[str, Any]:
    """The inputs that all arms share, with the parameter still as the song had it.

    :raises NotFrozen: a description was among them. :raises CantFreeze: fal has not told what it wrote.
    """
    inputs = {**generation.recipe, "seed": generation.seed, "num_songs": 1}
    if is_frozen(generation):
        return inputs
    if not freeze:
        raise NotFrozen
    if not can_be_frozen(generation):
        raise CantFreeze
    return {**inputs, "prompt": None, "tags": recipes.tags_of(generation), "lyrics": recipes.lyrics_of(generation)}


def _parameter(name: object) -> Parameter:
    if not isinstance(name, str) or name not in Parameter.values:
        hint = _("Choose one of vibe_strength, balance_strength and bpm.")
        raise InvalidInput(
            [Problem("unknown_parameter", _("There is no such parameter to compare."), hint, "parameter")]
        )
    return Parameter(name)


def _values(values: object) -> list[Any]:
    if not isinstance(values, list | tuple) or not FEWEST_VALUES <= len(values) <= MOST_VALUES:
        hint = _("Give two to four.")
        raise InvalidInput(
            [Problem("wrong_number_of_values", _("An experiment compares two to four values."), hint, "values")]
        )
    return list(values)


def _plan_arms(person: User, track: Track, parameter: object, values: object, *, freeze: bool) -> list[PlannedArm]:
    """:raises InvalidInput: with every problem found. :raises NotFrozen, CantFreeze: as `_fixed`."""
    chosen, wanted = _parameter(parameter), _values(values)
    fixed = _fixed(track.generation, freeze=freeze)
    judged = [_judged(fixed, chosen, value, place) for place, value in enumerate(wanted)]
    problems = [problem for one in judged if isinstance(one, list) for problem in one]
    if problems:
        raise InvalidInput(problems)
    sound = [one for one in judged if not isinstance(one, list)]
    if len({written(getattr(recipe, chosen)) for recipe in sound}) < len(sound):
        hint = _("Give each value once.")
        raise InvalidInput([Problem("equal_values", _("Two of the values are the same."), hint, "values")])
    return [_planned(person, recipe, getattr(recipe, chosen)) for recipe in sound]


def _judged(
    fixed: Mapping[str, Any], parameter: Parameter, value: object, place: int
) -> TextToMusicInput | list[Problem]:
    """The recipe of an arm, or what is wrong with its value."""
    try:
        recipe: TextToMusicInput = generations.validated(endpoints.get(ENDPOINT), {**fixed, parameter.value: value})
    except InvalidInput as error:
        own = [problem for problem in error.problems if problem.field == parameter]
        return [Problem(p.code, p.message, p.hint, f"values.{place}") for p in own] or error.problems
    return recipe


def _planned(person: User, recipe: TextToMusicInput, value: Value) -> PlannedArm:
    digest = already_made.digest_of(ENDPOINT, recipe.model_dump(mode="json"))
    # An arm of another experiment serves as well. A batch of two never does: its number is in the digest.
    existing = next(iter(already_made.find(person, digest, hidden_too=True)), None)
    return PlannedArm(value, recipe, digest, existing, 0 if existing else pricing.price_micros(ENDPOINT, 1))


def written(value: Value) -> str:
    """A value as it is kept: JSON in its canonical form."""
    return recipes.canonical(value)


# --- Asking ----------------------------------------------------------------------------------------------------------


def quote(*, person: User, track_id: UUID, parameter: object, values: object, freeze: bool = False) -> Plan:
    """The price of all arms that are not there yet, and what stands in the way; nothing is written.

    :raises NotFound, TrackNotReady, TrackDeleted, TrackInTrash, NotComparable: as `base_of`.
    """
    track = base_of(person, track_id)
    try:
        arms = _plan_arms(person, track, parameter, values, freeze=freeze)
    except StudioError as error:
        nothing = generations.quote_of(person, 0, requests=0)
        problems = error.problems if isinstance(error, InvalidInput) else [_problem(error)]
        return Plan([], Quote(None, nothing.available_micros, None, problems))
    new = [arm for arm in arms if arm.existing is None]
    return Plan(arms, generations.quote_of(person, sum(arm.cost_micros for arm in new), requests=len(new)))


def _problem(error: StudioError) -> Problem:
    return Problem(error.code, str(error.message), str(error.hint))


def start(
    *,
    person: User,
    track_id: UUID,
    parameter: object,
    values: object,
    freeze: bool = False,
    idempotency_key: str | None = None,
) -> tuple[Experiment, bool]:
    """Lock everything but the parameter, set the money for all new arms aside and put them in line: all, or none.

    Says as well whether it is new: a key that came with the same request before gives the same experiment.

    :raises NotFound, TrackNotReady, TrackDeleted, TrackInTrash, NotComparable: as `base_of`.
    :raises InvalidInput, NotFrozen, CantFreeze: nothing that could be compared.
    :raises StudioError, LedgerError: as `generations.start`. In every case nothing is written and nothing held.
    """
    limits.count_start(person)
    track = base_of(person, track_id)
    asked = ["experiments", str(track.pk), parameter, values, freeze]
    planned: list[PlannedArm] = _plan_arms(person, track, parameter, values, freeze=freeze)

    def requests() -> int:
        # Once more now that nobody else starts anything: what was just made elsewhere is not made twice.
        planned[:] = [_planned(person, arm.recipe, arm.value) for arm in planned]
        return sum(arm.existing is None for arm in planned)

    with generations.admitted(person, asked, idempotency_key, requests=requests) as turn:
        if turn.earlier is not None:
            return Experiment.objects.get(started_by__person=person, started_by__key=idempotency_key), False
        experiment = _written_down(person, track, Parameter(str(parameter)), planned)
        first_new = experiment.arms.filter(generation__isnull=False).order_by("position").first()
        turn.keep((first_new and first_new.generation) or track.generation)
        if idempotency_key is not None:
            experiment.started_by = IdempotencyKey.objects.get(person=person, key=idempotency_key)
            experiment.save(update_fields=["started_by"])
    return experiment, True


def _written_down(person: User, track: Track, parameter: Parameter, planned: Sequence[PlannedArm]) -> Experiment:
    locked = planned[0].recipe.model_dump(mode="json", exclude={parameter.value})
    experiment = Experiment.objects.create(
        person=person,
        track=track,
        parameter=parameter,
        locked=locked,
        locked_digest=recipes.digest({"endpoint": ENDPOINT, **locked, "seed": str(locked["seed"])}),
        frozen=not is_frozen(track.generation),
    )
    for position, arm in enumerate(planned):
        generation = None if arm.existing else _put_in_line(person, track, arm.recipe)
        Arm.objects.create(
            experiment=experiment,
            position=position,
            value=written(arm.value),
            generation=generation,
            reused=arm.existing,
        )
    return experiment


def _put_in_line(person: User, track: Track, recipe: TextToMusicInput) -> Generation:
    return generations.put_in_line(person, endpoints.get(ENDPOINT), recipe, purpose=Purpose.ARM, source=track)


def retry(*, person: User, experiment_id: UUID, arm_id: UUID, idempotency_key: str | None = None) -> Arm:
    """Make an arm once more that ended without a song; what the first try held went back, and this one costs again.

    :raises NotFound: not there, or another person's. :raises ArmNotFailed: it can be heard, or is still under way.
    :raises StudioError, LedgerError: as `generations.start`.
    """
    experiment = own(person, experiment_id)
    arm: Arm | None = experiment.arms.filter(pk=arm_id).select_related("generation").first()
    if arm is None:
        raise NotFound
    limits.count_start(person)
    with generations.admitted(person, ["retry", str(experiment.pk), str(arm.pk)], idempotency_key) as turn:
        arm.refresh_from_db()
        if turn.earlier is not None:
            return arm
        if arm.generation is None or arm.generation.state not in ENDED_WITHOUT_A_SONG:
            raise ArmNotFailed
        recipe = generations.validated(endpoints.get(ENDPOINT), arm.generation.recipe)
        arm.generation = turn.keep(_put_in_line(person, experiment.track, recipe))
        arm.save(update_fields=["generation"])
    return arm


# --- Judging ---------------------------------------------------------------------------------------------------------


def judge(*, person: User, experiment_id: UUID, choice: object, note: object = "") -> Verdict:
    """Keep which arm was preferred with the values in sight; another verdict later is one more.

    `choice` is an arm's id or letter, or `no_difference`.

    :raises NotFound: not there, or another person's. :raises InvalidInput: no such choice, or a note too long.
    :raises NothingToJudge: that arm, or any but one, can't be heard.
    """
    experiment = own(person, experiment_id)
    arms = arms_of(experiment)
    heard = [shown for shown in arms if shown.is_playable]
    chosen = chosen_arm(arms, choice)
    if len(heard) < FEWEST_VALUES or (chosen is not None and not chosen.is_playable):
        raise NothingToJudge
    arm = None if chosen is None else chosen.arm
    return Verdict.objects.create(experiment=experiment, arm=arm, note=read_note(note))


def chosen_arm(arms: Sequence[ShownArm], choice: object) -> ShownArm | None:
    """None for no difference. :raises InvalidInput: it is none of these."""
    if choice == NO_DIFFERENCE:
        return None
    names = {name: shown for shown in arms for name in (str(shown.arm.pk), shown.arm.letter)}
    found = names.get(choice) if isinstance(choice, str) else None
    if found is None:
        hint = _("Choose the id or the letter of an arm, or no_difference.")
        raise InvalidInput([Problem("unknown_choice", _("There is no such arm."), hint, "choice")])
    return found


def read_note(note: object) -> str:
    """:raises InvalidInput: no text, or too much of it."""
    if not isinstance(note, str) or len(note) > NOTE_CHARACTERS:
        hint = _("Up to %d characters.") % NOTE_CHARACTERS
        raise InvalidInput([Problem("invalid_note", _("The note can't be kept."), hint, "note")])
    return storable(note.replace("\r\n", "\n")).strip()
