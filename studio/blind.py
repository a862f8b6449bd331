"""Listening without knowing which is which: the order is drawn here, and stays here until it is judged."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from studio import chance, experiments
from studio.errors import InvalidInput, NotFound, NothingToJudge, Problem, RoundOver
from studio.experiment_queries import ShownArm, arms_of, own, shared_ms, turned_down_db
from studio.media.storage import default_storage
from studio.models import Experiment, Round, Trial, User, Verdict
from studio.states import TrialKind

ROUNDS_OFFERED: Final = (8, 12, 16)
SHORTEST_MS: Final = 1000
# Of the three that an ABX round plays the last is one of the first two.
X_SLOT: Final = 2


@dataclass(frozen=True, slots=True)
class AbxResult:
    """What came of an ABX: `chance` is how likely somebody who only guesses does as well or better."""

    trial: Trial
    letters: str
    right: int
    rounds: int
    chance: float
    is_shown: bool
    is_given_up: bool


# --- Beginning -------------------------------------------------------------------------------------------------------


def begin(*, person: User, experiment_id: UUID, kind: object, rounds: object = 1, letters: Sequence[str] = ()) -> Round:
    """The first round of a new trial; where one is under way, the round that it has come to, in the order drawn then.

    `letters` name the two arms of an ABX; none are all, where there are two.

    :raises NotFound: not there, or another person's. :raises InvalidInput: no such kind, pair or number of rounds.
    :raises NothingToJudge: fewer than two arms can be heard.
    """
    experiment = own(person, experiment_id)
    with transaction.atomic():
        # Two that begin at once get the same round.
        Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)
        under_way = experiment.trials.filter(finished_at=None).first()
        if under_way is not None:
            return under_way.rounds.get(answered_at=None)
        heard = _heard(experiment)
        if kind == TrialKind.PREFERENCE:
            trial = Trial.objects.create(experiment=experiment, kind=TrialKind.PREFERENCE, rounds_wanted=1)
            return _draw(trial, 0, [shown.arm.position for shown in heard])
        if kind != TrialKind.ABX or rounds not in ROUNDS_OFFERED:
            hint = _("Choose one of the tests that are offered.")
            raise InvalidInput([Problem("unknown_trial", _("There is no such blind test."), hint, "kind")])
        pair = _pair(heard, letters)
        trial = Trial.objects.create(experiment=experiment, kind=TrialKind.ABX, rounds_wanted=rounds)
        return _draw(trial, 0, pair)


def _heard(experiment: Experiment) -> list[ShownArm]:
    heard = [shown for shown in arms_of(experiment) if shown.is_playable]
    if len(heard) < experiments.FEWEST_VALUES or shared_ms(heard) < SHORTEST_MS:
        raise NothingToJudge
    return heard


def _pair(heard: Sequence[ShownArm], letters: Sequence[str]) -> list[int]:
    positions = [shown.arm.position for shown in heard if not letters or shown.arm.letter in letters]
    if len(positions) != 2:
        hint = _("Choose two different arms that can be heard.")
        raise InvalidInput([Problem("no_pair", _("This test needs two arms."), hint, "letters")])
    return positions


def _draw(trial: Trial, number: int, positions: Sequence[int]) -> Round:
    """By chance which arm is heard where. An ABX keeps its A and B, and draws for each round which of them is X."""
    order = list(positions)
    if number == 0:
        secrets.SystemRandom().shuffle(order)
    if trial.kind == TrialKind.ABX:
        order.append(secrets.choice(order))
    return Round.objects.create(trial=trial, number=number, order=order)


# --- Listening -------------------------------------------------------------------------------------------------------


def own_round(person: User, experiment_id: UUID, round_id: UUID) -> Round:
    """:raises NotFound: not there, or another person's."""
    mine = Round.objects.filter(trial__experiment__person=person, trial__experiment=experiment_id, pk=round_id)
    found = mine.select_related("trial__experiment").first()
    if found is None:
        raise NotFound
    return found


def sound(*, person: User, experiment_id: UUID, round_id: UUID, slot: int) -> bytes:
    """What is heard in a slot: as long, as loud and as many bytes as in every other one.

    :raises NotFound: no such slot, or another person's. :raises RoundOver: it is answered.
    :raises NothingToJudge: an arm has gone meanwhile.
    """
    from studio.media.alike import alike  # noqa: PLC0415 - what reads audio takes long to load

    asked = own_round(person, experiment_id, round_id)
    if not 0 <= slot < len(asked.order):
        raise NotFound
    if asked.answered_at is not None:
        raise RoundOver
    arms = [shown for shown in arms_of(asked.trial.experiment) if shown.arm.position in asked.order]
    if not all(shown.is_playable for shown in arms):
        raise NothingToJudge
    place = [shown.arm.position for shown in arms].index(asked.order[slot])
    track = arms[place].track
    assert track is not None  # noqa: S101 - what is playable has one
    try:
        preview = b"".join(default_storage().open_range(track.preview_key))
    except FileNotFoundError:
        raise NothingToJudge from None
    return alike(preview, length_ms=shared_ms(arms), cut_db=turned_down_db(arms)[place])


# --- Judging ---------------------------------------------------------------------------------------------------------


def answer(*, person: User, experiment_id: UUID, round_id: UUID, slot: int | None, note: str = "") -> Round | None:
    """Keep the answer, and only then tell: the next round, or None where the trial is over. None is no difference.

    :raises NotFound: not there, or another person's. :raises InvalidInput: no such slot; an ABX takes A or B alone.
    :raises RoundOver: it was answered before.
    """
    own_round(person, experiment_id, round_id)
    words = experiments.read_note(note)
    with transaction.atomic():
        asked = Round.objects.select_for_update(of=("self",)).select_related("trial").get(pk=round_id)
        if asked.answered_at is not None or asked.trial.finished_at is not None:
            raise RoundOver
        is_abx = asked.trial.kind == TrialKind.ABX
        if (slot is None and is_abx) or (slot is not None and not 0 <= slot < _choices(asked)):
            hint = _("Choose one of what is played.")
            raise InvalidInput([Problem("unknown_choice", _("There is no such choice."), hint, "choice")])
        Round.objects.filter(pk=asked.pk).update(answer=slot, answered_at=Now())
        if not is_abx:
            _keep_verdict(asked, slot, words)
        elif asked.number + 1 < asked.trial.rounds_wanted:
            return _draw(asked.trial, asked.number + 1, asked.order[:X_SLOT])
        Trial.objects.filter(pk=asked.trial_id).update(finished_at=Now())
    return None


def _choices(asked: Round) -> int:
    return X_SLOT if asked.trial.kind == TrialKind.ABX else len(asked.order)


def _keep_verdict(asked: Round, slot: int | None, note: str) -> None:
    experiment = asked.trial.experiment
    arm = None if slot is None else experiment.arms.get(position=asked.order[slot])
    Verdict.objects.create(experiment=experiment, arm=arm, note=note, round=asked)


def give_up(*, person: User, experiment_id: UUID) -> None:
    """End the trial under way without a result. What was answered so far is shown, and counts for nothing.

    :raises NotFound: not there, or another person's.
    """
    experiment = own(person, experiment_id)
    experiment.trials.filter(finished_at=None).update(finished_at=Now())


def under_way(experiment: Experiment) -> Round | None:
    return Round.objects.filter(trial__experiment=experiment, trial__finished_at=None, answered_at=None).first()


# --- What came of it -------------------------------------------------------------------------------------------------


def results(experiment: Experiment) -> list[AbxResult]:
    """Of every ABX that is over, the latest first."""
    over = experiment.trials.filter(kind=TrialKind.ABX, finished_at__isnull=False)
    return [result(trial) for trial in over.prefetch_related("rounds").order_by("-finished_at")]


def result(trial: Trial) -> AbxResult:
    answered = [one for one in trial.rounds.all() if one.answer is not None]
    right = sum(one.order[one.answer] == one.order[X_SLOT] for one in answered if one.answer is not None)
    positions = sorted({position for one in trial.rounds.all() for position in one.order})
    given_up = len(answered) < trial.rounds_wanted
    return AbxResult(
        trial=trial,
        letters=" / ".join("ABCD"[position] for position in positions),
        right=right,
        rounds=len(answered),
        chance=chance.at_least(right, len(answered)),
        is_shown=not given_up and chance.is_shown(right, len(answered)),
        is_given_up=given_up,
    )
