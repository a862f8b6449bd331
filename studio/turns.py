"""Whose turn it is: people by turns, first come first served within one, at the same cost however long the line.

A song gets its turn when it gets in line: one after the last that was sent, or after the person's own last in line. So
whoever has a hundred songs has a hundred turns, and whoever comes meanwhile shares the next of them.
"""

from typing import Final

from django.conf import settings
from django.db.models import Count, Max
from django.db.models.functions import Now

from studio.models import Generation, GenerationQuerySet, User

IN_TURN: Final = ("turn", "created_at", "pk")


def next_turn(person: User) -> int:
    """The turn of a song that gets in line now. Only one of a person's songs may do so at a time."""
    sent = Generation.objects.filter(submit_started_at__isnull=False).aggregate(last=Max("turn"))["last"]
    own = Generation.objects.of(person).waiting().aggregate(last=Max("turn"))["last"]
    return max(sent or 0, own or 0) + 1


def next_in_line() -> Generation | None:
    """The song to be sent next, locked; None where no slot is free or nobody waits.

    Whoever has the fewest at fal comes first. People with none are looked at alone, and the few with some afterwards:
    that skips no more rows than those few have in line. A row that somebody else holds, to cancel it, is passed over.
    """
    at_fal = dict(Generation.objects.in_slot().order_by().values_list("person").annotate(Count("pk")))
    if sum(at_fal.values()) >= settings.NEOAPEX_FAL_SLOTS:
        return None
    due = Generation.objects.waiting().filter(run_at__lte=Now())
    if found := _first(due.exclude(person__in=at_fal)):
        return found
    for count in sorted(set(at_fal.values())):
        people = [person for person, theirs in at_fal.items() if theirs == count]
        if count < settings.NEOAPEX_USER_SLOTS and (found := _first(due.filter(person__in=people))):
            return found
    return None


def _first(due: GenerationQuerySet) -> Generation | None:
    return due.order_by(*IN_TURN).select_for_update(skip_locked=True).first()
