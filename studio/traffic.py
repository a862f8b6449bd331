"""What goes to fal and what waits, for admins: the breaker, the slots, the line, and what fal answered lately."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Case, Count, Min, Q, QuerySet, TextChoices, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from studio import admin_log, doorbell
from studio.errors import WhyMissing
from studio.fal import breaker
from studio.fal.breaker import Reach
from studio.models import Generation, User
from studio.states import GenerationState as State

LATELY: Final = timedelta(hours=1)
SHOWN_PEOPLE: Final = 50


class Answered(TextChoices):
    """What came of a submit, as far as the row tells by now."""

    ACCEPTED = "accepted", gettext_lazy("accepted")
    NOT_TAKEN = "not taken", gettext_lazy("not taken; in line again")
    ENDED = "refused", gettext_lazy("refused, or given up")
    UNCLEAR = "unclear", gettext_lazy("no answer yet, or it got lost")


@dataclass(frozen=True, slots=True)
class InSlot:
    generation: Generation
    for_seconds: int


@dataclass(frozen=True, slots=True)
class InLine:
    """One person's waiting songs; `seconds` is how long the first has been waiting."""

    person: str
    songs: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Answers:
    what: str
    reason_code: str
    count: int


@dataclass(frozen=True, slots=True)
class Traffic:
    reach: Reach
    slots: int
    in_slots: list[InSlot]
    waiting: int
    lines: list[InLine]
    answers: list[Answers]


def read(now: datetime | None = None) -> Traffic:
    now = now or timezone.now()
    sent = Generation.objects.in_slot().select_related("person").order_by("submit_started_at", "pk")
    return Traffic(
        reach=breaker.reach(),
        slots=settings.NEOAPEX_FAL_SLOTS,
        in_slots=[InSlot(row, _age(row.submit_started_at, now)) for row in sent],
        waiting=Generation.objects.waiting().count(),
        lines=_lines(now),
        answers=_answers(now),
    )


def close_breaker(*, author: User, reason: str) -> None:
    """Let songs be sent again at once. :raises WhyMissing: nothing was changed."""
    why = reason.strip()
    if not why:
        raise WhyMissing
    was = breaker.reach().state
    breaker.close()
    doorbell.ring("studio.dispatch")
    admin_log.record_act(author, _("Circuit breaker to fal"), _("Closed, was %s. Reason: %s") % (was, why))


def _lines(now: datetime) -> list[InLine]:
    """Who has waited longest comes first."""
    rows = Generation.objects.waiting().order_by().values_list("person__email")
    found = rows.annotate(songs=Count("pk"), since=Min("created_at")).order_by("since", "person__email")
    return [InLine(email, songs, _age(since, now)) for email, songs, since in found[:SHOWN_PEOPLE]]


def _answers(now: datetime) -> list[Answers]:
    answered = Case(
        When(started_at__isnull=False, then=Value(Answered.ACCEPTED)),
        When(state=State.QUEUED, then=Value(Answered.NOT_TAKEN)),
        When(Q(state=State.FAILED) | Q(state=State.CANCELLED), then=Value(Answered.ENDED)),
        default=Value(Answered.UNCLEAR),
    )
    # Why a song failed at fal later on is no answer to its submit.
    reason = Case(When(started_at__isnull=True, then="reason_code"), default=Value(""))
    lately: QuerySet[Generation] = Generation.objects.filter(submit_started_at__gte=now - LATELY)
    rows = lately.order_by().annotate(what=answered, why=reason).values_list("what", "why").annotate(count=Count("pk"))
    return [
        Answers(str(Answered(what).label), why, count) for what, why, count in rows.order_by("-count", "what", "why")
    ]


def _age(moment: datetime | None, now: datetime) -> int:
    return 0 if moment is None else max(0, int((now - moment).total_seconds()))
