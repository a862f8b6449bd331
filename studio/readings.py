"""What a person's experiments say about a parameter, by genre: which values won, how often, and how sure that is."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Prefetch
from django.utils.translation import gettext as _

from studio import chance
from studio.models import Arm, Experiment, User, Verdict
from studio.states import Parameter
from studio.tags.suggestions import Suggestion
from studio.tags.taxonomy import Tag, by_folded, by_name

# With fewer, a share says next to nothing.
FEWEST_TO_ADVISE: Final = 5
Value = float | int | str | None


@dataclass(frozen=True, slots=True)
class Judged:
    """An experiment and the verdict that counts for it: the latest blind one, else the latest."""

    genres: tuple[str, ...]
    values: tuple[Value, ...]
    # None of the places where no difference was heard.
    winner: int | None
    is_blind: bool


@dataclass(frozen=True, slots=True)
class Share:
    """How often a value won of the experiments in which it took part, and the 95 % interval of that share.

    `by_chance` is what it would come to if all sounded the same and one had to be chosen.
    """

    value: Value
    wins: int
    offered: int
    low: float
    high: float
    by_chance: float

    @property
    def share(self) -> float:
        return self.wins / self.offered


@dataclass(frozen=True, slots=True)
class Reading:
    """Of one genre, or "" for all together."""

    genre: str
    experiments: int
    blind: int
    no_difference: int
    shares: list[Share]

    @property
    def winner(self) -> Share | None:
        """The value that won more often than chance explains; None where the data don't say."""
        best = max(self.shares, key=lambda share: (share.low, share.wins))
        return best if best.offered >= FEWEST_TO_ADVISE and best.low > best.by_chance else None


def of(person: User, parameter: Parameter) -> list[Reading]:
    """All experiments of the parameter together, then those of each genre, the most heard first; [] for none."""
    judged = list(_judged(person, parameter))
    if not judged:
        return []
    by_genre: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        for genre in one.genres:
            by_genre[genre].append(one)
    found = [_reading(genre, some) for genre, some in by_genre.items()]
    return [_reading("", judged), *sorted(found, key=lambda reading: (-reading.experiments, reading.genre))]


def learnt_vibe_strengths(person: User) -> dict[str, Suggestion]:
    """By genre the Vibe Strength that this person's ears preferred, where their verdicts say so beyond chance."""
    learnt = {}
    for reading in of(person, Parameter.VIBE_STRENGTH):
        best = reading.winner
        if reading.genre and best is not None and isinstance(best.value, int | float):
            learnt[reading.genre] = Suggestion(reading.genre, float(best.value), _why(best))
    return learnt


def _why(best: Share) -> str:
    shown = {
        "wins": best.wins, "offered": best.offered, "low": round(100 * best.low), "high": round(100 * best.high),
    }  # fmt: skip
    return _("which won %(wins)d of your %(offered)d experiments (95 %%: %(low)d to %(high)d %%)") % shown


def genres_of(tags: Iterable[str]) -> tuple[str, ...]:
    """The genres among the tags, and those above their subgenres."""
    found = (_genre(by_folded(name)) for name in tags)
    return tuple(dict.fromkeys(genre for genre in found if genre))


def _genre(tag: Tag | None) -> str | None:
    """The genre, or the topmost style where there is no genre above it, as of folk."""
    if tag is None or tag.group not in ("genre", "subgenre"):
        return None
    while tag.group != "genre" and tag.parent:
        tag = by_name()[tag.parent]
    return tag.name


def _judged(person: User, parameter: Parameter) -> Iterator[Judged]:
    arms = Prefetch("arms", queryset=Arm.objects.order_by("position"))
    verdicts = Prefetch("verdicts", queryset=Verdict.objects.order_by("created_at", "pk"))
    mine = Experiment.objects.filter(person=person, parameter=parameter, verdicts__isnull=False).distinct()
    for experiment in mine.prefetch_related(arms, verdicts):
        said = list(experiment.verdicts.all())
        counted = next((verdict for verdict in reversed(said) if verdict.round_id), said[-1])
        shown = list(experiment.arms.all())
        places = {arm.pk: place for place, arm in enumerate(shown)}
        yield Judged(
            genres=genres_of(experiment.locked["tags"] or []),
            values=tuple(arm.setting for arm in shown),
            winner=None if counted.arm_id is None else places[counted.arm_id],
            is_blind=counted.round_id is not None,
        )


def _reading(genre: str, judged: Sequence[Judged]) -> Reading:
    values = {value for one in judged for value in one.values}
    return Reading(
        genre=genre,
        experiments=len(judged),
        blind=sum(one.is_blind for one in judged),
        no_difference=sum(one.winner is None for one in judged),
        shares=[_share(value, judged) for value in sorted(values, key=_order)],
    )


def _share(value: Value, judged: Sequence[Judged]) -> Share:
    offered = [one for one in judged if value in one.values]
    wins = sum(one.winner is not None and one.values[one.winner] == value for one in offered)
    low, high = chance.wilson(wins, len(offered))
    return Share(value, wins, len(offered), low, high, sum(1 / len(one.values) for one in offered) / len(offered))


def _order(value: Value) -> tuple[bool, float, str]:
    """Numbers first, in their order."""
    return (False, float(value), "") if isinstance(value, int | float) else (True, 0.0, str(value))
